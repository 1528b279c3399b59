/** Metrics of the processors. */
import { QUARANTINED } from '../core/metrics.ts';
import type { Counter, Gauge, Histogram, Metrics } from '../core/ports.ts';

export interface ProcessorMetrics {
  readonly duration: Histogram<'processor' | 'outcome'>;
  readonly jobs: Gauge<'state' | 'processor'>;
  readonly quarantined: Counter<'reason'>;
}

const SECONDS = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000];

export function processorMetrics(metrics: Metrics): ProcessorMetrics {
  return {
    duration: metrics.histogram({
      name: 'hub_processor_duration_seconds',
      help: 'Duration of one attempt at a step, by how it ended: done, held, retried, quarantined or lost.',
      labels: ['processor', 'outcome'],
      buckets: SECONDS,
    }),
    jobs: metrics.gauge({
      name: 'hub_jobs',
      help: 'Steps of runs that wait or are being worked.',
      labels: ['state', 'processor'],
    }),
    quarantined: metrics.counter(QUARANTINED),
  };
}
