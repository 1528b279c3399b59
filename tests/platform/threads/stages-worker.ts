/** Stages of a thread that does what its order says. */
import { parentPort, workerData } from 'node:worker_threads';
import { HubError } from '../../../core/errors.ts';
import { createMetrics } from '../../../platform/metrics.ts';
import { runInThread } from '../../../platform/threads/inside.ts';
import { yieldToReceiving } from '../../../platform/threads/priority.ts';
import { getPriority } from 'node:os';
import { readlinkSync } from 'node:fs';

export type ThreadOrder = 'run' | 'refuse' | 'crash' | 'hang';

if (parentPort === null) throw new TypeError('the entry of a worker thread');
const order = workerData as ThreadOrder;
yieldToReceiving(7);

await runInThread(parentPort, (log) => {
  if (order === 'refuse') throw new HubError('config.invalid', { detail: 'planted' }, new TypeError('inner'));
  const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
  const metrics = createMetrics({ withProcess: false });
  metrics.counter({ name: 'hub_test_steps_total', help: 'Steps.', labels: ['kind'] }).increment({ kind: 'a' }, 2);
  log
    .child({ stage: 'tested' })
    .error('failed', { error: new HubError('store.full', { freeBytes: 7 }), niceness: getPriority(thread) });
  if (order === 'crash') setImmediate(crash);
  return Promise.resolve({
    metrics: () => (order === 'hang' ? new Promise<never>(() => undefined) : metrics.values()),
    stop: () => (order === 'hang' ? new Promise<never>(() => undefined) : Promise.resolve()),
  });
});

function crash(): never {
  throw new Error('planted crash');
}
