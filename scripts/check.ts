import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';

// `npm run check`: every check, in this order, each with its time; all are run even when one fails, so that one round
// of mending is enough.

const ROOT = resolve(import.meta.dirname, '..');
const CHECKS = ['typecheck', 'lint', 'format', 'boundaries', 'deadcode'];

const { scripts } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(resolve(ROOT, 'package.json'), 'utf8')));

console.log(`Node ${process.versions.node}`);
const failed = CHECKS.filter((name) => {
  const started = performance.now();
  const passed = passes(name);
  console.log(`${passed ? '✓' : '✗'} ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  return !passed;
});
if (failed.length > 0) console.error(`failed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;

/** Runs what package.json says for this name, on the Node that runs this: the pinned one. */
function passes(name: string): boolean {
  const [node, launcher, ...args] = scripts[name]?.split(' ') ?? [];
  if (node !== 'node' || launcher !== 'bin/on-pinned-node.mjs') {
    throw new Error(`the script ${name} of package.json does not go through bin/on-pinned-node.mjs`);
  }
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' });
  return status === 0;
}
