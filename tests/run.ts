import { existsSync, globSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { relative, resolve, sep } from 'node:path';
import { parseArgs } from 'node:util';
import type { Counts } from './support/compact-reporter.ts';
import { runInLanes } from './support/running/lanes.ts';
import { collectRejections, type FileOptions, runTestFile } from './support/running/test-file.ts';

// Runs the tests, a file at a time, and ends with exactly `N passed, N failed, N skipped`.
//
//   npm test                          everything but tests/long/, in as many processes as --lanes says
//   npm test -- gateway tests/x.test.ts 'tests/**/dimse/*.test.ts' --grep refuses --bail
//   npm run test:long                 only tests/long/
//
// What is named, and the long tests, run in this one process, one file after the other, and print as they go.

const ROOT = resolve(import.meta.dirname, '..');
/** More would only wait for each other: every hub and peer that a test starts has several busy threads. */
const MOST_LANES = 4;

const { values, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    grep: { type: 'string' },
    long: { type: 'boolean' },
    bail: { type: 'boolean' },
    lanes: { type: 'string' },
  },
});
const options: FileOptions = {
  grep: values.grep,
  bail: values.bail,
  color: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
};
const write = (line: string) => void process.stdout.write(`${line}\n`);
process.exitCode = await run(findTests());
// A handle that a test left open must not hang the run for ever; peers are ended by their own exit hook.
process.exit();

function findTests(): readonly string[] {
  const all = globSync('tests/**/*.test.ts', { cwd: ROOT })
    .filter((file) => file.startsWith(`tests${sep}long${sep}`) === (values.long ?? false))
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

async function run(files: readonly string[]): Promise<0 | 1> {
  const lanes = lanesWanted();
  const { passed, failed, skipped } =
    lanes === 1 ? await runHere(files) : await runInLanes(longestFirst(files), lanes, options, write);
  const ran = passed + failed;
  if (ran === 0) write(skipped > 0 ? '\nno test ran: all are skipped' : `\nno test matches ${filters.join(' ')}`);
  write(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed > 0 || ran === 0 ? 1 : 0;
}

function lanesWanted(): number {
  if (values.lanes !== undefined) return Math.max(1, Number.parseInt(values.lanes, 10) || 1);
  return filters.length > 0 || values.long === true ? 1 : Math.min(availableParallelism(), MOST_LANES);
}

/** What starts whole hubs and regions takes longest: begun last, it would leave one lane busy alone. */
function longestFirst(files: readonly string[]): readonly string[] {
  const isLong = (file: string) => file.startsWith(`tests${sep}system${sep}`);
  return [...files.filter(isLong), ...spreadOut(files.filter((file) => !isLong(file)))];
}

/** What starts a broker of Kafka is kept apart: two of them on a small machine are slower than the time their members have. */
function spreadOut(files: readonly string[]): readonly string[] {
  const hasBroker = (file: string) => file.includes(`${sep}kafka`);
  const [brokers, others] = [files.filter(hasBroker), files.filter((file) => !hasBroker(file))];
  const step = Math.max(1, Math.floor(others.length / Math.max(1, brokers.length)));
  const spread = others.flatMap((file, n) => [...(n % step === 0 ? brokers.slice(n / step, n / step + 1) : []), file]);
  return [...spread, ...brokers.slice(Math.ceil(others.length / step))];
}

async function runHere(files: readonly string[]): Promise<Counts> {
  const rejections = collectRejections();
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of files) {
    const counts = await runTestFile(resolve(ROOT, file), options, write);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    if (options.bail === true && total.failed > 0) break;
  }
  const lines = await rejections();
  lines.forEach(write);
  total.failed += lines.length;
  return total;
}
