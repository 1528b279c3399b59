/** What is counted of the hub's threads. */
import type { Counter, Metrics } from '../../core/ports.ts';

/** Threads that ended by themselves. One that does so again and again finishes nothing. */
export function threadsEnded(metrics: Metrics): Counter<'thread'> {
  return metrics.counter({
    name: 'hub_threads_ended_total',
    help: 'Threads of the hub that ended by themselves and were started again.',
    labels: ['thread'],
  });
}
