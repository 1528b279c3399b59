/** The metrics of deliveries. */
import type { Counter, Gauge, Histogram, Metrics } from '../core/ports.ts';

export interface DeliveryMetrics {
  readonly deliveries: Counter<'destination' | 'outcome'>;
  readonly duration: Histogram<'destination'>;
  readonly deadLetters: Gauge<'destination'>;
}

const SECONDS = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000];

export function deliveryMetrics(metrics: Metrics): DeliveryMetrics {
  return {
    deliveries: metrics.counter({
      name: 'hub_deliveries_total',
      help: 'Attempts to deliver, by how they ended: succeeded, retried or dead-lettered.',
      labels: ['destination', 'outcome'],
    }),
    duration: metrics.histogram({
      name: 'hub_delivery_duration_seconds',
      help: 'Duration of one attempt to deliver.',
      labels: ['destination'],
      buckets: SECONDS,
    }),
    deadLetters: metrics.gauge({
      name: 'hub_dead_letters',
      help: 'Deliveries that ended without success and wait for somebody to replay them.',
      labels: ['destination'],
    }),
  };
}
