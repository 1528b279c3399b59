/** The metrics of deliveries. */
import type { Ledger } from '../core/ledger.ts';
import type { Clock, Counter, Gauge, Histogram, Metrics } from '../core/ports.ts';

export interface DeliveryMetrics {
  readonly deliveries: Counter<'destination' | 'outcome'>;
  readonly duration: Histogram<'destination'>;
  readonly bytes: Counter<'destination'>;
  readonly deadLetters: Gauge<'destination'>;
  readonly pending: Gauge<'destination'>;
  readonly breaker: Gauge<'destination'>;
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
    bytes: metrics.counter({
      name: 'hub_delivery_bytes_total',
      help: 'Bytes read from the store for attempts to deliver.',
      labels: ['destination'],
    }),
    pending: metrics.gauge({
      name: 'hub_deliveries_pending',
      help: 'Deliveries that wait or are under way.',
      labels: ['destination'],
    }),
    breaker: metrics.gauge({
      name: 'hub_delivery_breaker',
      help: 'Whether the destination is left alone after failures in a row: 0 no, 1 one delivery goes to see, 2 yes.',
      labels: ['destination'],
    }),
    deadLetters: metrics.gauge({
      name: 'hub_dead_letters',
      help: 'Deliveries that ended without success and wait for somebody to replay them.',
      labels: ['destination'],
    }),
  };
}

const BREAKER_STATES = { closed: 0, 'half-open': 1, open: 2 } as const;

/** Has the gauges read from the ledger at each scrape. A destination with nothing shows 0: none and unknown differ. */
export function watchDeliveries(
  metrics: DeliveryMetrics,
  { ledger, clock }: { readonly ledger: Pick<Ledger, 'deliveries'>; readonly clock: Clock },
  destinations: () => readonly string[],
): void {
  const watch = (
    gauge: Gauge<'destination'>,
    read: () => Promise<readonly (readonly [destination: string, value: number])[]>,
  ) => {
    gauge.collect(async () => {
      gauge.reset();
      for (const destination of destinations()) gauge.set({ destination }, 0);
      for (const [destination, value] of await read()) gauge.set({ destination }, value);
    });
  };
  const { deliveries } = ledger;
  watch(metrics.deadLetters, async () =>
    (await deliveries.dead()).map(({ destination, deliveries: dead }) => [destination, dead]),
  );
  watch(metrics.pending, async () =>
    (await deliveries.pending()).map(({ destination, deliveries: waiting }) => [destination, waiting]),
  );
  watch(metrics.breaker, async () =>
    (await deliveries.breakers(clock.now())).map(({ destination, state }) => [destination, BREAKER_STATES[state]]),
  );
}
