/** How far each group is behind, and how late: alert on the seconds. And whether Kafka is there. */
import type { BusLag, EventBus, Metrics } from '../../core/ports.ts';
import type { KafkaBus, KafkaCounts } from './kafka/bus.ts';

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
  const rows = together(() => bus.lag());
  // Each by itself: a gauge that another one sets would show what it was at the scrape before.
  for (const [gauge, of] of [
    [events, (lag: BusLag) => lag.events],
    [seconds, (lag: BusLag) => lag.seconds],
    [parked, (lag: BusLag) => lag.parkedKeys],
  ] as const) {
    gauge.collect(async () => {
      for (const lag of await rows()) gauge.set({ group: lag.group, stream: lag.stream }, of(lag));
    });
  }
}

/** Gauges of one scrape ask once. */
function together<T>(ask: () => Promise<T>): () => Promise<T> {
  let asking: Promise<T> | undefined;
  return () => {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}

/** What only a bus through Kafka has: counted while it runs, looked at once it is open. */
export function kafkaMetrics(metrics: Metrics): { readonly counts: KafkaCounts; observe(bus: KafkaBus): void } {
  const up = metrics.gauge({
    name: 'hub_bus_up',
    help: '1 while Kafka takes events and groups read them, 0 while events wait in the ledger.',
    labels: [],
  });
  const waiting = metrics.gauge({
    name: 'hub_bus_relay_waiting_events',
    help: 'Events in the ledger that are not in Kafka yet.',
    labels: ['relay'],
  });
  const oldest = metrics.gauge({
    name: 'hub_bus_relay_oldest_seconds',
    help: 'Age of the oldest event that is not in Kafka yet; 0 when there is none.',
    labels: ['relay'],
  });
  const sent = metrics.counter({
    name: 'hub_bus_relayed_events_total',
    help: 'Events that Kafka took; one may be taken twice after a crash.',
    labels: ['stream'],
  });
  const restarted = metrics.counter({
    name: 'hub_bus_consumer_restarts_total',
    help: 'Consumers that ended by themselves and were made anew.',
    labels: ['group'],
  });
  const foreign = metrics.counter({
    name: 'hub_bus_unreadable_messages_total',
    help: "Messages in the hub's topics that it cannot read, and leaves out.",
    labels: ['stream'],
  });
  return {
    counts: {
      sent: (stream, events) => sent.increment({ stream }, events),
      restarted: (group) => restarted.increment({ group }),
      foreign: (stream) => foreign.increment({ stream }),
    },
    observe(bus) {
      up.collect(() => up.set({}, bus.problems().length === 0 ? 1 : 0));
      const rows = together(() => bus.waiting());
      waiting.collect(async () => {
        for (const { relay, events } of await rows()) waiting.set({ relay }, events);
      });
      oldest.collect(async () => {
        for (const row of await rows()) oldest.set({ relay: row.relay }, row.seconds);
      });
    },
  };
}
