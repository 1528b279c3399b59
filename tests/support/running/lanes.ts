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
 * So many files that failed beside others are run once more, alone: a busy machine can be too slow for a patient test.
 * Each is named at the end, whatever it comes to. When more failed, it was not the machine.
 */
const MOST_RUN_AGAIN = 3;

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
  const outcomes = new Map<string, Counts>();
  const add = (what: string, startMs: number, { lines, counts }: LaneAnswer) => {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    if (lines.length > 0) write(`\n── ${what} (${seconds} s)`);
    lines.forEach(write);
    outcomes.set(what, counts);
  };
  const lane = async (name: string, waiting: string[]): Promise<void> => {
    let worker: ChildProcess | undefined;
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      worker ??= fork(join(import.meta.dirname, 'lane-worker.ts'), { execArgv: process.execArgv });
      const startMs = performance.now();
      const answer = await ask(worker, { file, options });
      add(file, startMs, answer ?? DIED);
      if (answer === undefined) worker = undefined;
      if (options.bail === true && outcomes.get(file)?.failed !== 0) waiting.length = 0;
    }
    const startMs = performance.now();
    if (worker !== undefined) add(`${name}, after its tests`, startMs, (await ask(worker, { isEnd: true })) ?? DIED);
  };
  const failed = () => [...outcomes].filter(([, counts]) => counts.failed > 0).map(([what]) => what);

  const waiting = [...files];
  await Promise.all(Array.from({ length: lanes }, (_, n) => lane(`lane ${n + 1}`, waiting)));
  const again = failed().filter((what) => files.includes(what));
  if (lanes > 1 && options.bail !== true && again.length <= MOST_RUN_AGAIN) {
    for (const file of again) await lane(`${file}, alone`, [file]);
    writeList(
      'passed only alone, in a second run: find out why',
      again.filter((file) => !failed().includes(file)),
      write,
    );
  }
  writeList('failed in', failed(), write);
  return sumOf([...outcomes.values()]);
}

function writeList(title: string, names: readonly string[], write: (line: string) => void): void {
  if (names.length > 0) write(`\n${title}:\n${names.map((name) => `  ${name}`).join('\n')}`);
}

function sumOf(all: readonly Counts[]): Counts {
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const counts of all) {
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
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
