/** A modality that asks the hub for storage commitment: pynetdicom, in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { pynetdicom } from './peers.ts';
import { waitFor } from './wait-for.ts';

export interface CommitmentRequestOptions {
  readonly port?: number;
  readonly calling?: string;
  readonly called?: string;
  /** SOP class and instance of each. */
  readonly items?: readonly (readonly [string, string])[];
  readonly transaction?: string;
  /** Keeps the association open until the result has come. */
  readonly wait?: 'same';
  /** Takes results here. */
  readonly listen?: number;
  /** Answers so many results with Success before it ends; 1 unless given. */
  readonly take?: number;
  /** Status it answers results with. */
  readonly answer?: number;
  /** Its maximum PDU length. */
  readonly pdu?: number;
  readonly syntaxes?: readonly string[];
  /** Files; on both sides. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly ca: string };
}

export interface CommitmentResult {
  readonly event: number;
  readonly transaction: string;
  readonly committed: readonly string[];
  readonly failed: readonly (readonly [string, number])[];
  /** AE title of whoever opened the association. */
  readonly by: string;
}

export interface CommitmentScu {
  /** Status of the N-ACTION-RSP, or why there is none. */
  action(): Promise<unknown>;
  /** Resolves when the association that asked is gone. */
  released(): Promise<void>;
  /** The first `count` results. */
  results(count?: number, deadlineMs?: number): Promise<readonly CommitmentResult[]>;
  readonly seen: readonly CommitmentResult[];
  stop(): Promise<void>;
}

export async function startCommitmentScu(options: CommitmentRequestOptions): Promise<CommitmentScu> {
  const python = await pynetdicom();
  const given = JSON.stringify({ calling: 'PV7T', called: 'HUB', transaction: '1.2.3', ...options });
  const child = spawn(python.path, [join(import.meta.dirname, 'commitment-scu.py')], {
    env: { ...process.env, ...python.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.write(`${given}\n`);
  const killAtExit = () => child.kill('SIGKILL');
  process.on('exit', killAtExit);
  const exited = once(child, 'exit').then(() => process.off('exit', killAtExit));
  const said: Record<string, unknown>[] = [];
  const results: CommitmentResult[] = [];
  const errors: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString()));
  createInterface(child.stdout).on('line', (line) => {
    const what = JSON.parse(line) as Record<string, unknown>;
    if ('event' in what) results.push(what as unknown as CommitmentResult);
    else said.push(what);
  });
  const first = async (key: string) =>
    waitFor(`${key} of the commitment SCU (${errors.join('')})`, () => said.find((what) => key in what), 20_000);
  if (options.listen !== undefined) await first('listening');
  return {
    action: async () => (await first('action'))['action'],
    released: async () => {
      await first('released');
    },
    results: async (count = 1, deadlineMs = 20_000) =>
      waitFor(`${count} results`, () => (results.length >= count ? results : undefined), deadlineMs),
    seen: results,
    stop: async () => {
      child.stdin.end();
      child.kill('SIGKILL');
      await exited;
    },
  };
}
