/**
 * Brings the results of each run to each destination of its route. One ledger row a destination; who has the lease on
 * it delivers. A destination that is down keeps only its own slots busy, never another's.
 */
import { HubError, toHubError } from '../core/errors.ts';
import { isEventOf, type PositionedEvent } from '../core/events.ts';
import type { Ledger } from '../core/ledger.ts';
import type { LeasedDelivery, NewDelivery } from '../core/ledger/deliveries.ts';
import type { DeliveryPriority } from '../core/ledger/deliveries.ts';
import type { IsNewerVersion } from '../core/newer-version.ts';
import { nowAndThen } from '../core/now-and-then.ts';
import type { Clock, EventBus, Logger, Metrics } from '../core/ports.ts';
import { attemptDelivery, type OpenDestination } from './attempt.ts';
import { deliveryIdOf } from '../core/delivery-id.ts';
import { holdsOf } from './holds.ts';
import { deliveryMetrics, watchDeliveries } from './metrics.ts';
import type { PartnerDirectory } from './partner-api/directory.ts';

const GROUP = 'connectors';
const DEFAULT_CONCURRENCY = 2;
const DEFAULT_LEASE_MS = 60_000;
/** Between looks at the ledger when nothing wakes the dispatcher: a lease that a dead process held has run out. */
const IDLE_POLL_MS = 15_000;
/** Longest wait of a timer of Node. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const COMMIT_DELAY_MS = 100;
/** Of one claim: its working sets are in memory at the same time, and the first must not wait for the last to be read. */
const MAX_CLAIMED = 64;

export interface DispatcherPorts {
  readonly bus: EventBus;
  readonly ledger: Ledger;
  readonly partners: Pick<PartnerDirectory, 'find'>;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** 0 ≤ random < 1, for the jitter of retries. */
  readonly random: () => number;
}

export interface DispatcherOptions {
  readonly destinations: readonly OpenDestination[];
  /** Names this process in leases. */
  readonly owner: string;
  readonly leaseMs?: number;
  /** Of a run that other replicas have routed; absent: there are none. */
  readonly isNewerVersion?: IsNewerVersion;
  /** Of routes that say one; it goes before the destination's. */
  readonly priorities?: ReadonlyMap<string, DeliveryPriority>;
}

export interface Dispatcher {
  /**
   * Delivers to these from now on. What is under way goes on to its end as it began; what waits for a destination that is
   * gone becomes a dead letter that says so.
   *
   * @returns resolves when nothing is under way any more to those that were exchanged, each of which it names
   */
  exchange(next: Pick<DispatcherOptions, 'destinations' | 'priorities'>): Promise<readonly OpenDestination[]>;
  /** Takes nothing new, lets deliveries under way end within `graceMs`, then gives them back. Harmless twice. */
  stop(graceMs: number): Promise<void>;
}

/** Starts delivering; what a crash left behind is taken up again. */
export async function startDispatcher(ports: DispatcherPorts, options: DispatcherOptions): Promise<Dispatcher> {
  const { ledger, clock } = ports;
  const log = ports.log.child({ stage: 'connectors' });
  const leaseMs = options.leaseMs ?? DEFAULT_LEASE_MS;
  let destinations = byName(options.destinations);
  let { priorities } = options;
  const { isNewerVersion = () => Promise.resolve(false) } = options;
  const metrics = deliveryMetrics(ports.metrics);
  watchDeliveries(metrics, ports, () => [...destinations.keys()]);
  const ordered = (): readonly string[] =>
    [...destinations.values()]
      .filter(({ options: { order } }) => order === 'study')
      .map(({ options: { name } }) => name);

  /** Destinations of old deliveries that the configuration has no more: claimed only to say so in the dead letters. */
  const unknown = new Set<string>();
  const underWay = new Map<string, Promise<void>>();
  /** Of those under way, what they go to: it stays open until they end. */
  const inUse = new Map<Promise<void>, OpenDestination>();
  const abandon = new AbortController();
  let isStopping = false;
  let claiming: Promise<void> | undefined;
  const sayFailure = nowAndThen();
  let isWanted = false;
  let timer: NodeJS.Timeout | undefined;
  let soon: NodeJS.Timeout | undefined;

  /**
   * Of those whose window is open, and whose partner has access now: what is for one whose access has ended waits, and goes
   * when it is granted again. What is under way goes on to its end.
   */
  const limits = async (): Promise<Record<string, number>> => {
    const now = clock.now();
    const open: OpenDestination[] = [];
    for (const each of destinations.values()) {
      if ((await holdsOf(each.options, ports.partners, now)).length === 0) open.push(each);
    }
    return Object.fromEntries([
      ...[...unknown].map((name) => [name, 1] as const),
      ...open.map(({ options: each }) => [each.name, each.concurrency ?? DEFAULT_CONCURRENCY] as const),
    ]);
  };

  const begin = (delivery: LeasedDelivery, leasedAtMs: number): void => {
    if (isStopping) {
      giveBack(delivery);
      return;
    }
    const destination = destinations.get(delivery.destination);
    const work = attemptDelivery({ ...ports, log, metrics }, delivery, destination, {
      leaseMs,
      leasedAtMs,
      isNewerVersion,
      signal: abandon.signal,
    })
      .catch((error: unknown) => {
        // The ledger itself failed: the lease runs out and another attempt is made.
        log.error('delivery could not be recorded', {
          deliveryId: delivery.deliveryId,
          error: toHubError(error).message,
        });
      })
      .finally(() => {
        underWay.delete(delivery.deliveryId);
        inUse.delete(work);
        wake();
      });
    underWay.set(delivery.deliveryId, work);
    if (destination !== undefined) inUse.set(work, destination);
  };

  /** Claimed while the hub began to stop. */
  const giveBack = ({ deliveryId, fence }: LeasedDelivery): void => {
    const given = ledger.deliveries
      .giveBack(deliveryId, fence, [], clock.now())
      .then(() => undefined)
      // The lease runs out all the same.
      .catch((error: unknown) =>
        log.warn('delivery could not be given back', { deliveryId, error: toHubError(error).message }),
      )
      .finally(() => underWay.delete(deliveryId));
    underWay.set(deliveryId, given);
  };

  const claim = async (): Promise<void> => {
    while (isWanted && !isStopping) {
      isWanted = false;
      const most = await limits();
      const leasedAtMs = performance.now();
      const claimed = await ledger.deliveries.claim(options.owner, leaseMs, clock.now(), most, {
        ordered: ordered(),
        atMost: MAX_CLAIMED,
      });
      claimed.forEach((delivery) => begin(delivery, leasedAtMs));
      if (claimed.length === MAX_CLAIMED) isWanted = true;
    }
    if (!isStopping) await sleepUntilDue();
  };

  /** What is due by now waits for a slot, its window, its breaker or an earlier revision: their ends wake the dispatcher, or the poll. */
  const sleepUntilDue = async (): Promise<void> => {
    const now = clock.now();
    // A dead letter of a destination that is gone was replayed.
    (await ledger.deliveries.waitingFor()).forEach(noticeUnknown);
    if (isWanted) return;
    const due = await ledger.deliveries.nextDue(now);
    clearTimeout(timer);
    const untilDueMs = due === undefined ? Infinity : due.getTime() - now.getTime();
    if (!isStopping) timer = setTimeout(wake, Math.min(untilDueMs, IDLE_POLL_MS, MAX_TIMER_MS));
  };

  function noticeUnknown(name: string): void {
    if (destinations.has(name) || unknown.has(name)) return;
    unknown.add(name);
    isWanted = true;
  }

  /** One claim at a time; a wake during it makes it look once more. */
  function wake(): void {
    isWanted = true;
    if (isStopping || claiming !== undefined) return;
    claiming = claim()
      .catch((error: unknown) => {
        sayFailure((times) => log.error('deliveries cannot be claimed', { error: toHubError(error).message, times }));
        if (!isStopping) timer = setTimeout(wake, IDLE_POLL_MS);
      })
      .finally(() => {
        claiming = undefined;
        if (isWanted) wake();
      });
  }

  /** Whose a delivery is, and so what may be in it, is the destination's to say: who does not know it yet opens none. */
  const requireKnown = async (event: PositionedEvent): Promise<void> => {
    if (!isEventOf(event, 'study.processed')) return;
    const { configVersion, route } = event.data;
    if (await isNewerVersion(configVersion)) throw new HubError('config.behind', { configVersion, route });
  };

  (await ledger.deliveries.waitingFor()).forEach(noticeUnknown);

  const subscription = await ports.bus.subscribe(
    { group: GROUP, streams: ['hub.result.v1'], from: 'earliest' },
    async (event) => {
      const deliveries = deliveriesOf(event, destinations, priorities);
      if (deliveries.length === 0) return;
      if (deliveries.some(({ destination }) => !destinations.has(destination))) await requireKnown(event);
      deliveries.forEach(({ destination }) => noticeUnknown(destination));
      await ledger.deliveries.open({ group: GROUP, eventId: event.id }, deliveries);
      wake();
    },
  );
  // Our own deliveries wake us above; commits tell of replays, which can wait until a burst of them is over.
  const stopListening = ledger.onCommit(() => {
    soon ??= setTimeout(() => {
      soon = undefined;
      wake();
    }, COMMIT_DELAY_MS);
  });
  wake();

  return {
    exchange: async (next) => {
      const before = destinations;
      destinations = byName(next.destinations);
      ({ priorities } = next);
      // What was asked for in vain may be there now.
      unknown.clear();
      wake();
      const left = [...before.values()].filter((each) => destinations.get(each.options.name) !== each);
      await Promise.all([...inUse].filter(([, each]) => left.includes(each)).map(([work]) => work));
      return left;
    },
    stop: async (graceMs) => {
      isStopping = true;
      clearTimeout(timer);
      clearTimeout(soon);
      stopListening();
      await subscription.stop();
      await claiming;
      const cut = setTimeout(() => abandon.abort(), graceMs);
      await Promise.all(underWay.values());
      clearTimeout(cut);
    },
  };
}

function byName(destinations: readonly OpenDestination[]): ReadonlyMap<string, OpenDestination> {
  return new Map(destinations.map((each) => [each.options.name, each]));
}

/** One delivery a destination of the run; nothing for other facts. */
function deliveriesOf(
  event: PositionedEvent,
  destinations: ReadonlyMap<string, OpenDestination>,
  priorities: ReadonlyMap<string, DeliveryPriority> | undefined,
): readonly NewDelivery[] {
  if (!isEventOf(event, 'study.processed')) return [];
  const { runId, route, releasedStudyInstanceUid, destinations: names } = event.data;
  return names.map((destination) => {
    const { partner, priority } = destinations.get(destination)?.options ?? {};
    return {
      deliveryId: deliveryIdOf(runId, destination),
      runId,
      destination,
      ...(partner === undefined ? {} : { partner }),
      releasedStudyInstanceUid,
      priority: priorities?.get(route) ?? priority ?? 'normal',
    };
  });
}
