import { resolve } from 'node:path';
import { runOnPinnedNode } from './pinned-node.mjs';

// What every npm script goes through: `node bin/on-pinned-node.mjs SCRIPT [ARGUMENT...]`.
const [script, ...args] = process.argv.slice(2);
if (script === undefined) {
  process.stderr.write('usage: node bin/on-pinned-node.mjs SCRIPT [ARGUMENT...]\n');
  process.exit(2);
}
runOnPinnedNode(resolve(script), args);
