#!/usr/bin/env node
import { fileURLToPath } from 'node:url';
import { runOnPinnedNode } from './pinned-node.mjs';

runOnPinnedNode(fileURLToPath(new URL('../main.ts', import.meta.url)), process.argv.slice(2));
