import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Counts } from '../compact-reporter.ts';
import type { FileOptions } from './test-file.ts';

export type LaneOrder = { readonly file: string; readonly options: FileOptions } | { readonly isEnd: true };
export interface LaneAnswer {
  readonly lines: readonly string[];
  readonly counts: Counts;
}

/**
 * Runs files in several processes side by side: most tests wait for a peer, not for the processor. What a file prints
 * comes in one piece, when it has ended.
 *
 * @param files - begun in this order
 * @returns the sum; a process that dies counts as one failure, and its lane goes on with the next file
 */
export async function runInLanes(
  files: readonly string[],
  lanes: number,
  options: FileOptions,
  write: (line: string) => void,
): Promise<Counts> {
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const waiting = [...files];
  const failedIn: string[] = [];
  const add = (what: string, startMs: number, { lines, counts }: LaneAnswer) => {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    if (lines.length > 0) write(`\n── ${what} (${seconds} s)`);
    lines.forEach(write);
    if (counts.failed > 0) failedIn.push(what);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  };
  const lane = async (): Promise<void> => {
    let worker: ChildProcess | undefined;
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      worker ??= fork(join(import.meta.dirname, 'lane-worker.ts'), { execArgv: process.execArgv });
      const startMs = performance.now();
      const answer = await ask(worker, { file, options });
      add(file, startMs, answer ?? DIED);
      if (answer === undefined) worker = undefined;
      if (options.bail === true && total.failed > 0) waiting.length = 0;
    }
    const startMs = performance.now();
    if (worker !== undefined) add('after the tests', startMs, (await ask(worker, { isEnd: true })) ?? DIED);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  if (failedIn.length > 0) write(`\nfailed in:\n${failedIn.map((what) => `  ${what}`).join('\n')}`);
  return total;
}

/** Its answer; undefined when it died before. */
async function ask(worker: ChildProcess, order: LaneOrder): Promise<LaneAnswer | undefined> {
  const settled = new AbortController();
  const answered = once(worker, 'message', { signal: settled.signal }).then(([answer]) => answer as LaneAnswer);
  const exited = once(worker, 'exit', { signal: settled.signal }).then(() => undefined);
  try {
    worker.send(order);
    return await Promise.race([answered, exited]);
  } finally {
    settled.abort();
    // The other of the two ends by the signal, which is no news.
    await Promise.allSettled([answered, exited]);
  }
}

const DIED: LaneAnswer = {
  lines: ['the process that ran it died'],
  counts: { passed: 0, failed: 1, skipped: 0 },
};
