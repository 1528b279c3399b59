/** Composition root of the thread that makes the digests of what was received: a scanner goes first. */
import { parentPort, workerData } from 'node:worker_threads';
import type { DigestOrder } from '../gateway/spool/digest-thread.ts';
import { serveDigests } from '../gateway/spool/digest-server.ts';
import { giveBackMemory } from '../platform/threads/give-back.ts';
import { yieldToReceiving } from '../platform/threads/priority.ts';

/** Behind what receives; before what routes and delivers, which waits for it. */
const NICENESS = 4;

if (parentPort === null) throw new TypeError('digest-worker.ts is the entry of a worker thread');
yieldToReceiving(NICENESS);
serveDigests(parentPort, workerData as DigestOrder);
giveBackMemory();
