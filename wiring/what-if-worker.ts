/** Composition root of a thread that tries another configuration on the studies of the ledger: doors and stages go first. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Environment } from '../config/environment.ts';
import { type PackedError, packError } from '../core/packed-error.ts';
import { ledgerPlace } from './ledger-place.ts';
import { openDataFolder } from '../platform/data-folder.ts';
import { openLedgerForReading } from '../platform/ledger/open.ts';
import { yieldToReceiving } from '../platform/threads/priority.ts';
import type { RoutesDiff } from '../routers/history.ts';
import type { WhatIf } from './what-if.ts';
import { whatIf } from './what-if.ts';

export interface WhatIfOrder extends WhatIf {
  readonly env: Environment;
}

export type WhatIfAnswer = { readonly diff: RoutesDiff } | { readonly error: PackedError };

/** Nobody waits for it who holds anything up. */
const NICENESS = 12;

if (parentPort === null) throw new TypeError('what-if-worker.ts is the entry of a worker thread');
yieldToReceiving(NICENESS);
parentPort.postMessage(await answer(workerData as WhatIfOrder));

async function answer({ env, ...order }: WhatIfOrder): Promise<WhatIfAnswer> {
  try {
    const { ledgerFile } = await openDataFolder(order.now.hub.data, {});
    const ledger = await openLedgerForReading(ledgerPlace(order.now, env), ledgerFile);
    try {
      return { diff: await whatIf(ledger, order) };
    } finally {
      await ledger.close();
    }
  } catch (error) {
    return { error: packError(error) };
  }
}
