import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { ROOMS } from './room-table.ts';

// `npm run coverage -- [what tests/run.ts takes]`: c8 over the sources as they are. Node blanks the types out and keeps
// every line and column, so V8's ranges fit the sources and no build or source map stands between.

const ROOT = resolve(import.meta.dirname, '..');
const NOT_SHIPPED = ['docs', 'tests', 'bench', 'scripts'];
/** What decides, and has no I/O to excuse it, is tested whole. */
const WHOLE = ['core', 'routers'];

const shipped = ROOMS.map(({ name }) => name).filter((name) => !NOT_SHIPPED.includes(name));
const included = shipped.map((name) => (name.endsWith('.ts') ? name : `${name}/**/*.ts`));
const tests = run(
  ...[...include(included), '--all', '--reporter=text', '--reporter=lcov'],
  ...[process.execPath, '--disable-warning=ExperimentalWarning', 'tests/run.ts', ...process.argv.slice(2)],
);
const most = run('check-coverage', '--all', ...include(included), '--lines=90', '--branches=90');
const whole = run(
  'check-coverage',
  '--all',
  ...include(WHOLE.map((room) => `${room}/**/*.ts`)),
  '--lines=100',
  '--branches=100',
);
process.exitCode = [tests, most, whole].every((status) => status === 0) ? 0 : 1;

function include(globs: readonly string[]): readonly string[] {
  return globs.flatMap((glob) => ['--include', glob]);
}

function run(...args: readonly string[]): number | null {
  const c8 = resolve(ROOT, 'node_modules/c8/bin/c8.js');
  return spawnSync(process.execPath, [c8, ...args], { cwd: ROOT, stdio: 'inherit' }).status;
}
