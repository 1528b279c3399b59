/** `hub doctor --json` on a configuration made for one test. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { doctor } from '../../cli/doctor.ts';
import type { Diagnosis } from '../../core/diagnosis.ts';
import { captureTerminal } from '../support/captured-terminal.ts';

export interface Ran {
  readonly code: number;
  readonly checks: readonly Diagnosis[];
  readonly check: (id: string) => Diagnosis | undefined;
  readonly wrong: readonly string[];
}

/** Examines one destination. */
export async function examineDestination(
  folder: string,
  destination: Readonly<Record<string, unknown>>,
  ...args: readonly string[]
): Promise<Ran> {
  const file = join(folder, 'hub.yaml');
  const config = { destinations: [{ name: 'there', ...destination }], partners: [{ name: 'kct' }] };
  await writeFile(file, JSON.stringify(config));
  const terminal = captureTerminal();
  const code = await doctor(['--config', file, '--destination', 'there', '--json', ...args], terminal);
  const { examined } = JSON.parse(terminal.lines.join('\n')) as {
    examined: readonly { checks: readonly Diagnosis[] }[];
  };
  return ranOf(code, examined[0]?.checks ?? []);
}

/** Examines one pull. */
export async function examinePullOf(
  folder: string,
  pull: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Ran> {
  const file = join(folder, 'hub.yaml');
  await writeFile(file, JSON.stringify({ ...more, pulls: [{ name: 'nightly', ...pull }] }));
  const terminal = captureTerminal();
  const code = await doctor(['--config', file, '--pull', 'nightly', '--json'], terminal);
  const { examined } = JSON.parse(terminal.lines.join('\n')) as {
    examined: readonly { checks: readonly Diagnosis[] }[];
  };
  return ranOf(code, examined[0]?.checks ?? []);
}

function ranOf(code: number, checks: readonly Diagnosis[]): Ran {
  return {
    code,
    checks,
    check: (id) => checks.find((each) => each.id === id),
    wrong: checks.filter(({ verdict }) => verdict === 'wrong').map(({ id }) => id),
  };
}
