/**
 * Hostile peers against a real hub, beside one that behaves: each attack has to be over in time, the well-behaved scanner
 * has to be served all the while, and the hub has to be the same process with the same memory afterwards.
 */
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { HubProcess } from '../hub-process.ts';
import { integer, seeded, type Random } from '../seeded.ts';
import { waitFor } from '../wait-for.ts';
import { WellBehaved, type Served } from '../well-behaved.ts';

export interface AttackOptions {
  readonly cases: number;
  readonly seed: number;
  readonly concurrency: number;
  /** Compares memory too: only after thousands of cases are caches warm and heaps as large as they get. */
  readonly isMemoryCompared: boolean;
  /** Carries out one attack. @throws {Error} when it was not answered as it must be */
  readonly attack: (random: Random) => Promise<string>;
}

export interface AttackOutcome extends Served {
  /** How often each way to end was seen. */
  readonly ends: Readonly<Record<string, number>>;
  readonly rssBeforeBytes: number;
  readonly rssAfterBytes: number;
}

/** Of the cases, those after which memory is looked at first. */
const WARM_UP_SHARE = 0.3;
const ALLOWED_GROWTH = 1.1;
const SETTLE_MS = 30_000;

/** @throws {Error} that names the seed of the case that went wrong */
export async function attackHub(hub: HubProcess, options: AttackOptions): Promise<AttackOutcome> {
  const { cases, seed, concurrency, attack } = options;
  const { pid } = hub;
  const ends: Record<string, number> = {};
  const scanner = new WellBehaved(hub.dimsePort);
  const many = async (first: number, last: number) => {
    let next = first;
    const worker = async () => {
      while (next < last) {
        const number = next++;
        const end = await attack(seeded(seed + number)).catch((error: unknown) => {
          throw new Error(`case ${number} of seed ${seed}: ${String(error)}\n${hub.log().slice(-2_000)}`, {
            cause: error,
          });
        });
        ends[end] = (ends[end] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
  };
  const warm = Math.floor(cases * WARM_UP_SHARE);
  const serving = scanner.run();
  let rssBeforeBytes = 0;
  let rssAfterBytes = 0;
  try {
    await many(0, warm);
    rssBeforeBytes = await rssOf(pid);
    await many(warm, cases);
  } finally {
    scanner.stop();
    await serving;
  }
  if (!options.isMemoryCompared) return { ends, ...scanner.served, rssBeforeBytes, rssAfterBytes };
  await waitFor(
    `memory to come back to ${rssBeforeBytes} bytes and a tenth`,
    async () => {
      rssAfterBytes = await rssOf(pid);
      return rssAfterBytes <= rssBeforeBytes * ALLOWED_GROWTH;
    },
    SETTLE_MS,
  ).catch((error: unknown) => {
    throw new Error(`it has ${rssAfterBytes}`, { cause: error });
  });
  return { ends, ...scanner.served, rssBeforeBytes, rssAfterBytes };
}

/**
 * Sends bytes in pieces, hangs up, and waits for the other side to do so too.
 *
 * @param patienceMs - before hanging up on a side that says nothing: HTTP answers nobody who has hung up
 * @returns all it said
 */
export async function say(port: number, bytes: Buffer, random: Random, patienceMs = 0): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const said: Buffer[] = [];
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const late = setTimeout(() => {
      socket.destroy();
      reject(new Error('the hub did not hang up'));
    }, 20_000);
    let hangUp: NodeJS.Timeout | undefined;
    socket.on('data', (chunk: Buffer) => said.push(chunk));
    // It may reset the connection: that is a way to hang up.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(late);
      clearTimeout(hangUp);
      resolve(Buffer.concat(said));
    });
    socket.on('connect', () => {
      let at = 0;
      const pieces = 1 + integer(random, 4);
      const step = () => {
        const end = Math.min(bytes.length, at + Math.ceil(bytes.length / pieces));
        socket.write(bytes.subarray(at, end));
        at = end;
        if (at < bytes.length) setImmediate(step);
        else if (patienceMs === 0) socket.end();
        else hangUp = setTimeout(() => socket.end(), patienceMs);
      };
      step();
    });
  });
}

/** Resident memory of a process. */
export async function rssOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
}
