/** Composition root of a processor's worker thread: its own view of the store and the keys, the plug-ins, and nothing else. */
import { parentPort, workerData } from 'node:worker_threads';
import { processEnvironment } from '../config/environment.ts';
import { openHubStore, type WorkerOrder } from './hub-store.ts';
import { openDataFolder } from '../platform/data-folder.ts';
import { yieldToReceiving } from '../platform/threads/priority.ts';
import { processors } from '../processors/registry.ts';
import { work } from '../processors/work.ts';

/** Below what coordinates and delivers, far below what receives. */
const NICENESS = 10;

if (parentPort === null) throw new TypeError('step-worker.ts is the entry of a worker thread');
yieldToReceiving(NICENESS);
const { dataDir, store, ledgerId, node } = workerData as WorkerOrder;
const claimant = { ledgerId: () => Promise.resolve(ledgerId), node };
const dataFolder = await openDataFolder(dataDir, processEnvironment());
work(parentPort, {
  plugins: processors,
  // One step at a time is all that this thread does: nobody waits for it while it reads.
  store: (await openHubStore(store, processEnvironment(), dataFolder.path, { mode: 'at-once', claimant })).objects,
  secret: (purpose) => dataFolder.secret(purpose),
});
