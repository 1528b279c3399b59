/** An archive that reports storage commitments on associations of its own: pynetdicom, in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort, run } from './child-process.ts';
import { pynetdicom } from './peers.ts';
import { waitFor } from './wait-for.ts';

export interface CommitmentAsked {
  readonly asked: string;
  /** SOP class and instance of each. */
  readonly items: readonly (readonly [string, string])[];
  readonly by: string;
}

export interface ReportToMake {
  readonly report: string;
  readonly committed?: readonly string[];
  readonly failed?: readonly (readonly [string, number])[];
  readonly port: number;
  readonly called?: string;
  readonly calling?: string;
  /** False: it does not negotiate the role. */
  readonly role?: boolean;
  /** It asks to store as well. */
  readonly store?: true;
  /** The event type, where it is not the one the lists ask for. */
  readonly event?: number;
}

export interface ReportAnswer {
  /** Status of the N-EVENT-REPORT-RSP, or why there is none. */
  readonly reported: number | 'rejected' | 'no context' | 'no answer';
  /** The hub agrees to its being SCU, and SCP. */
  readonly role?: readonly [boolean, boolean] | null;
  /** It may store. */
  readonly stores?: boolean;
}

export interface CommitmentScp {
  readonly port: number;
  readonly aeTitle: string;
  /** SOP Instance UIDs, one for each C-STORE. */
  readonly stored: readonly string[];
  /** In the order of the N-ACTIONs; waits for the `count`th. */
  asked(count: number, deadlineMs?: number): Promise<CommitmentAsked>;
  /** C-FINDs so far. */
  readonly finds: () => number;
  report(what: ReportToMake): Promise<ReportAnswer>;
  stop(): Promise<void>;
}

export async function startCommitmentScp(aeTitle = 'ARCHIVE'): Promise<CommitmentScp> {
  const python = await pynetdicom();
  const port = await freePort();
  const child = spawn(python.path, [join(import.meta.dirname, 'commitment-scp.py'), String(port), aeTitle], {
    env: { ...process.env, ...python.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const killAtExit = () => child.kill('SIGKILL');
  process.on('exit', killAtExit);
  const exited = once(child, 'exit').then(() => process.off('exit', killAtExit));
  const stored: string[] = [];
  const asked: CommitmentAsked[] = [];
  const answers: ReportAnswer[] = [];
  const errors: string[] = [];
  let finds = 0;
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString()));
  createInterface(child.stdout).on('line', (line) => {
    const what = JSON.parse(line) as { readonly stored?: string };
    if ('asked' in what) asked.push(what as unknown as CommitmentAsked);
    else if ('reported' in what) answers.push(what as unknown as ReportAnswer);
    else if ('found' in what) finds += 1;
    else if (what.stored !== undefined) stored.push(what.stored);
  });
  await waitFor(
    'the archive',
    async () => (await run({ path: 'bash', env: {} }, ['-c', `echo > /dev/tcp/127.0.0.1/${String(port)}`])).code === 0,
    20_000,
  );
  return {
    ...{ port, aeTitle, stored },
    finds: () => finds,
    asked: async (count, deadlineMs = 30_000) =>
      waitFor(`N-ACTION ${String(count)} (${errors.join('')})`, () => asked[count - 1], deadlineMs),
    report: async (what) => {
      const before = answers.length;
      child.stdin.write(`${JSON.stringify(what)}\n`);
      return waitFor(`the answer to a report (${errors.join('')})`, () => answers[before], 20_000);
    },
    stop: async () => {
      child.stdin.end();
      child.kill('SIGKILL');
      await exited;
    },
  };
}
