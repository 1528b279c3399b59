/** A hub that pulls, in a process of its own, and what it says of its pulls. */
import { expect } from 'chai';
import { HubProcess, type HubSettings } from '../../support/hub-process.ts';
import { waitFor } from '../../support/wait-for.ts';

export interface ShownPull {
  readonly name: string;
  readonly state: string;
  readonly nextAt?: string;
  readonly runs: readonly ShownRun[];
  readonly unfetched: readonly { readonly studyInstanceUid: string; readonly code: string; readonly reason: string }[];
}
export interface ShownRun {
  readonly runId: string;
  readonly kind: string;
  readonly state: string;
  readonly reason?: string;
  readonly questions: number;
  readonly answered: number;
  readonly unanswered: number;
  readonly found: number;
  readonly fetched: number;
  readonly skipped: number;
  readonly failed: number;
  readonly instances: number;
}

/** A retry soon, and no long waits: a test has no time. */
export const IMPATIENT = {
  retry: { attempts: 2, firstDelay: '50ms', maxDelay: '200ms' },
  timeouts: { connect: '5s', answer: '5s', stall: '2s', settle: '3s' },
};

export async function hubWithPulls(
  pulls: readonly Readonly<Record<string, unknown>>[],
  more: HubSettings['config'] = {},
  env: HubSettings['env'] & {} = {},
): Promise<HubProcess> {
  return await HubProcess.create({
    env,
    config: { ...more, pulls: pulls.map((pull) => ({ ...IMPATIENT, ...pull })) },
  });
}

export async function shown(hub: HubProcess, pull: string): Promise<ShownPull> {
  return (await (await hub.get(`/api/v1/pulls/${pull}`)).json()) as ShownPull;
}

/** The newest run, when it has ended. */
export async function ended(hub: HubProcess, pull: string, deadlineMs = 30_000): Promise<ShownRun> {
  return await waitFor(
    `the run of ${pull} to end`,
    async () => {
      const [run] = (await shown(hub, pull)).runs;
      return run !== undefined && run.state !== 'requested' && run.state !== 'active' ? run : undefined;
    },
    deadlineMs,
  );
}

/** Asks for a run and waits for its end. */
export async function pulled(hub: HubProcess, pull: string, deadlineMs?: number): Promise<ShownRun> {
  const asked = await fetch(`${hub.url}/api/v1/pulls/${pull}/run`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${hub.adminToken}` },
  });
  expect(asked.status, await asked.text()).to.equal(202);
  return await ended(hub, pull, deadlineMs);
}
