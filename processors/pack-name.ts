/** The name of the pack that one attempt at a step writes. */

export interface PackOrigin {
  readonly runId: string;
  readonly step: number;
  readonly fence: number;
}

/** The fence makes it new for each attempt: a retry never meets the remains of the one before. */
export function packNameOf({ runId, step, fence }: PackOrigin): string {
  return `${runId}-${step}-${fence}`;
}

/** Undefined for what no attempt has named. */
export function packOriginOf(name: string): PackOrigin | undefined {
  const [, runId, step, fence] = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d{1,4})-(\d{1,9})$/.exec(name) ?? [];
  return runId === undefined ? undefined : { runId, step: Number(step), fence: Number(fence) };
}
