/** Metrics of the routers. */
import type { Counter, Metrics } from '../core/ports.ts';

export interface RouterMetrics {
  readonly matched: Counter<'route'>;
  readonly unrouted: Counter<never>;
}

export function routerMetrics(metrics: Metrics): RouterMetrics {
  return {
    matched: metrics.counter({
      name: 'hub_routes_matched_total',
      help: 'Study revisions that took a route',
      labels: ['route'],
    }),
    unrouted: metrics.counter({
      name: 'hub_studies_unrouted_total',
      help: 'Study revisions that no route matched',
      labels: [],
    }),
  };
}
