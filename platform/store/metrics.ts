/** Whether the object store can be used. */
import type { Metrics } from '../../core/ports.ts';

export function storeMetrics(metrics: Metrics, { check }: { readonly check: () => Promise<void> }): void {
  const up = metrics.gauge({
    name: 'hub_store_up',
    help: 'Whether the object store answers and lets the hub in: 1, or 0. Not there where the store is a folder.',
    labels: [],
  });
  up.collect(async () => {
    const isUp = await check().then(
      () => true,
      () => false,
    );
    up.set({}, Number(isUp));
  });
}
