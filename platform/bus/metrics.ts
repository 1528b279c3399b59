/** How far each group is behind, and how late: alert on the seconds. */
import type { EventBus, Metrics } from '../../core/ports.ts';

export function busMetrics(metrics: Metrics, bus: Pick<EventBus, 'lag'>): void {
  const events = metrics.gauge({
    name: 'hub_bus_lag_events',
    help: 'Events a group has not handled yet.',
    labels: ['group', 'stream'],
  });
  const seconds = metrics.gauge({
    name: 'hub_bus_lag_seconds',
    help: 'Age of the oldest event a group has not handled; 0 when there is none.',
    labels: ['group', 'stream'],
  });
  const parked = metrics.gauge({
    name: 'hub_bus_parked_keys',
    help: 'Studies whose events wait because a handler failed on one of them.',
    labels: ['group', 'stream'],
  });
  events.collect(async () => {
    for (const lag of await bus.lag()) {
      const labels = { group: lag.group, stream: lag.stream };
      events.set(labels, lag.events);
      seconds.set(labels, lag.seconds);
      parked.set(labels, lag.parkedKeys);
    }
  });
}
