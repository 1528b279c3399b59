import { existsSync, globSync, statSync } from 'node:fs';
import { relative, resolve, sep } from 'node:path';
import { parseArgs } from 'node:util';
import Mocha from 'mocha';
import { type Counts, reportTo } from './support/compact-reporter.ts';
import { findRunningWith } from './support/patience.ts';

// Runs the tests in this one process and ends with exactly `N passed, N failed, N skipped`.
//
//   npm test                          everything but tests/long/
//   npm test -- gateway tests/x.test.ts 'tests/**/dimse/*.test.ts' --grep refuses --bail
//   npm run test:long                 only tests/long/

const ROOT = resolve(import.meta.dirname, '..');
const TIMEOUT_MS = 20_000;

const { values: options, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: { grep: { type: 'string' }, long: { type: 'boolean' }, bail: { type: 'boolean' } },
});

const mocha = new Mocha({
  timeout: TIMEOUT_MS,
  color: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
  // A forgotten `.only` would make the whole suite green by running one test of it.
  forbidOnly: true,
  bail: options.bail ?? false,
  ...(options.grep === undefined ? {} : { grep: options.grep }),
  // Silent; what is printed comes from reportTo.
  reporter: Mocha.reporters.Base,
});
const write = (line: string) => void process.stdout.write(`${line}\n`);
const broken = await loadEach(findTests());
process.exitCode = await run();
// A handle that a test left open must not hang the run for ever; peers are ended by their own exit hook.
process.exit();

function findTests(): readonly string[] {
  const all = globSync('tests/**/*.test.ts', { cwd: ROOT })
    .filter((file) => file.startsWith(`tests${sep}long${sep}`) === (options.long ?? false))
    .toSorted();
  return filters.length === 0 ? all : all.filter((file) => filters.some((filter) => selects(filter, file)));
}

/** A filter is a file, a folder, a glob, or a part of the path below tests/. */
function selects(filter: string, file: string): boolean {
  const path = relative(ROOT, resolve(filter));
  if (/[*?{[]/.test(filter)) return globSync(filter, { cwd: ROOT }).includes(file);
  if (!existsSync(resolve(filter))) return file.slice('tests'.length).includes(filter);
  // `gateway` names the room, whose tests are in tests/gateway.
  const folder = path.startsWith('tests') ? path : `tests${sep}${path}`;
  return statSync(resolve(filter)).isDirectory() ? file.startsWith(`${folder}${sep}`) : file === folder;
}

/** One file that does not even load must not hide what the others have to say. */
async function loadEach(files: readonly string[]): Promise<readonly { file: string; error: unknown }[]> {
  const broken: { file: string; error: unknown }[] = [];
  for (const file of files) {
    mocha.files = [resolve(ROOT, file)];
    try {
      await mocha.loadFilesAsync();
    } catch (error) {
      broken.push({ file, error });
    }
  }
  return broken;
}

async function run(): Promise<0 | 1> {
  // Mocha passes a rejection that nobody handled on to the process, possibly twice; it belongs to no test but fails the run.
  const rejections = new Map<Promise<unknown>, unknown>();
  process.on('unhandledRejection', (reason, promise) => rejections.set(promise, reason));

  const counts = await new Promise<Counts>((done) => {
    const runner = mocha.run(() => done(counting));
    findRunningWith(() => runner.currentRunnable);
    const counting = reportTo(runner, write);
  });
  // A promise rejected by the last test is reported in a later turn of the event loop.
  await new Promise((turn) => setImmediate(turn));

  for (const { file, error } of broken) write(`\n${file} does not load:\n${explain(error)}`);
  for (const reason of rejections.values()) write(`\nunhandled rejection:\n${explain(reason)}`);
  const failed = counts.failed + broken.length + rejections.size;
  const ran = counts.passed + failed;
  if (ran === 0)
    write(counts.skipped > 0 ? '\nno test ran: all are skipped' : `\nno test matches ${filters.join(' ')}`);
  write(`\n${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`);
  return failed > 0 || ran === 0 ? 1 : 0;
}

function explain(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
