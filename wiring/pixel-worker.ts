/** Composition root of a thread that decodes and renders for somebody who waits at a screen: a scanner goes first. */
import { parentPort } from 'node:worker_threads';
import { servePixels } from '../pixels/worker.ts';
import { yieldToReceiving } from '../platform/threads/priority.ts';

/** Before what routes and delivers, which nobody watches; behind what receives. */
const NICENESS = 3;

if (parentPort === null) throw new TypeError('pixel-worker.ts is the entry of a worker thread');
yieldToReceiving(NICENESS);
servePixels(parentPort);
