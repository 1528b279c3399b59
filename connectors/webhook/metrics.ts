/** The metrics of webhooks that partners manage. */
import type { Counter, Histogram, Metrics } from '../../core/ports.ts';

export interface WebhookMetrics {
  readonly attempts: Counter<'partner' | 'outcome'>;
  readonly duration: Histogram<'partner'>;
  readonly disabled: Counter<'partner' | 'reason'>;
}

const SECONDS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 15];

export function webhookMetrics(metrics: Metrics): WebhookMetrics {
  return {
    attempts: metrics.counter({
      name: 'hub_webhook_attempts_total',
      help: "Attempts to send a message to a partner's own webhook: succeeded, retried, failed for good, or withheld.",
      labels: ['partner', 'outcome'],
    }),
    duration: metrics.histogram({
      name: 'hub_webhook_duration_seconds',
      help: "Time until the status of a partner's own webhook, or until it was given up.",
      labels: ['partner'],
      buckets: SECONDS,
    }),
    disabled: metrics.counter({
      name: 'hub_webhooks_disabled_total',
      help: "Partners' own webhooks that the hub disabled: gone (410), or failing for days.",
      labels: ['partner', 'reason'],
    }),
  };
}
