import { resolve } from 'node:path';
import { format as formatLine } from 'node:util';
import Mocha from 'mocha';
import { type Counts, reportTo } from '../compact-reporter.ts';
import { findRunningWith } from '../patience.ts';

const TIMEOUT_MS = 20_000;

export interface FileOptions {
  readonly grep?: string | undefined;
  readonly bail?: boolean | undefined;
  readonly color: boolean;
}

/**
 * Loads one file of tests and runs it.
 *
 * @param write - gets each line of the report, what failed and why behind the tests
 * @returns what it came to; a file that does not load counts as one failure
 */
export async function runTestFile(file: string, options: FileOptions, write: (line: string) => void): Promise<Counts> {
  const mocha = new Mocha({
    timeout: TIMEOUT_MS,
    color: options.color,
    // A forgotten `.only` would make the whole suite green by running one test of it.
    forbidOnly: true,
    bail: options.bail ?? false,
    ...(options.grep === undefined ? {} : { grep: options.grep }),
    // Silent; what is printed comes from reportTo.
    reporter: Mocha.reporters.Base,
  });
  mocha.files = [resolve(file)];
  try {
    await mocha.loadFilesAsync();
  } catch (error) {
    write(`\n${file} does not load:\n${explain(error)}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }

  // Mocha prints the diffs of failures itself.
  const print = Mocha.reporters.Base.consoleLog;
  Mocha.reporters.Base.consoleLog = (...line: unknown[]) => write(formatLine(...line));
  try {
    return await new Promise<Counts>((done) => {
      const runner = mocha.run(() => done(counting));
      findRunningWith(() => runner.currentRunnable);
      const counting = reportTo(runner, write);
    });
  } finally {
    Mocha.reporters.Base.consoleLog = print;
    // Takes the listeners away that each run leaves on the process.
    mocha.dispose();
  }
}

/**
 * Rejections that nobody handled: they belong to no test but fail the run. Mocha passes one on to the process, possibly twice.
 *
 * @returns what has been rejected so far, in lines for a person
 */
export function collectRejections(): () => Promise<readonly string[]> {
  const rejections = new Map<Promise<unknown>, unknown>();
  process.on('unhandledRejection', (reason, promise) => rejections.set(promise, reason));
  return async () => {
    // A promise rejected by the last test is reported in a later turn of the event loop.
    await new Promise((turn) => setImmediate(turn));
    return [...rejections.values()].map((reason) => `\nunhandled rejection:\n${explain(reason)}`);
  };
}

function explain(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
