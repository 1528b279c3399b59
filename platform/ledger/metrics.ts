/** Whether the ledger can be used. */
import type { Metrics } from '../../core/ports.ts';

export function ledgerMetrics(metrics: Metrics, { isUp }: { readonly isUp: () => boolean }): void {
  const up = metrics.gauge({
    name: 'hub_ledger_up',
    help: 'Whether the ledger can be used: 1, or 0 while its database cannot be reached.',
    labels: [],
  });
  up.collect(() => up.set({}, Number(isUp())));
}
