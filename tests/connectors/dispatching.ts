import { randomUUID } from 'node:crypto';
import type { OpenDestination } from '../../connectors/attempt.ts';
import { deliveryIdOf } from '../../core/delivery-id.ts';
import { type Dispatcher, startDispatcher } from '../../connectors/dispatcher.ts';
import { createPartnerDirectory, type PartnerDirectory } from '../../connectors/partner-api/directory.ts';
import type { PositionedEvent } from '../../core/events.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { NewRun } from '../../core/ledger/runs.ts';
import type { DeliveryOrder } from '../../core/plugins.ts';
import type { EventBus } from '../../core/ports.ts';
import type { RunItem } from '../../core/store.ts';
import { openEmbeddedBus } from '../../platform/bus/embedded.ts';
import { completeStudy, processed, startRun, STUDY, TestClock } from '../contracts/ledger-facts.ts';
import { measuredMetrics } from '../support/measured.ts';
import { openTestLedger } from '../support/open-ledger.ts';
import { partnerSettings } from '../support/partner-hub.ts';
import { silentLog } from '../support/silent-log.ts';
import { waitFor } from '../support/wait-for.ts';

/** The dispatcher on a ledger and a bus of its own, anew for each test. */
export interface Dispatching {
  readonly ledger: Ledger;
  readonly bus: EventBus;
  readonly clock: TestClock;
  readonly metrics: ReturnType<typeof measuredMetrics>;
  readonly partners: PartnerDirectory;
  /** Stopped after the test, if not before. */
  readonly start: (destinations: readonly OpenDestination[], leaseMs?: number) => Promise<Dispatcher>;
  /** A run whose one step made the items and said that the study is processed. */
  readonly process: (destinations: readonly string[], items: readonly RunItem[], partner?: string) => Promise<NewRun>;
  readonly delivery: (run: NewRun, destination: string) => ReturnType<Ledger['deliveries']['get']>;
  readonly inState: (
    run: NewRun,
    destination: string,
    state: string,
  ) => Promise<NonNullable<Awaited<ReturnType<Ledger['deliveries']['get']>>>>;
  readonly events: (type: string) => Promise<readonly PositionedEvent[]>;
}

/** Called in a `describe`. */
export function dispatching(): Dispatching {
  let ledger: Ledger;
  let remove: () => Promise<void>;
  let bus: EventBus;
  let clock: TestClock;
  let metrics: ReturnType<typeof measuredMetrics>;
  const dispatchers: Dispatcher[] = [];
  let partners: PartnerDirectory;

  beforeEach(async () => {
    clock = new TestClock();
    ({ ledger, remove } = await openTestLedger(clock));
    bus = openEmbeddedBus({ ledger, log: silentLog, clock });
    metrics = measuredMetrics();
    partners = createPartnerDirectory(ledger, () => ['kct', 'uef'].map((name) => partnerSettings(name)));
  });
  afterEach(async () => {
    for (const dispatcher of dispatchers.splice(0)) await dispatcher.stop(0);
    await bus.stop();
    await remove();
  });

  const start = async (destinations: readonly OpenDestination[], leaseMs?: number): Promise<Dispatcher> => {
    const dispatcher = await startDispatcher(
      { bus, ledger, partners, log: silentLog, metrics, clock, random: () => 0 },
      { destinations, owner: randomUUID(), ...(leaseMs === undefined ? {} : { leaseMs }) },
    );
    dispatchers.push(dispatcher);
    return dispatcher;
  };
  const process = async (
    destinations: readonly string[],
    items: readonly RunItem[],
    partner?: string,
  ): Promise<NewRun> => {
    if ((await ledger.studies.get(STUDY)) === undefined) await completeStudy(ledger, clock);
    const run = await startRun(ledger, { destinations, steps: [{ processor: 'deidentify', argument: 'kct' }] });
    const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
    if (job === undefined) throw new Error('nothing to claim');
    const event = processed(run);
    await ledger.runs.finishStep(job.jobId, job.fence, {
      items,
      events: [{ ...event, data: { ...event.data, ...(partner === undefined ? {} : { partner }) } } as typeof event],
    });
    return run;
  };
  const delivery = async (run: NewRun, destination: string) =>
    await ledger.deliveries.get(deliveryIdOf(run.runId, destination));
  const inState = async (run: NewRun, destination: string, state: string) =>
    await waitFor(`${destination} ${state}`, async () => {
      const row = await delivery(run, destination);
      return row?.state === state ? row : undefined;
    });
  const events = async (type: string): Promise<readonly PositionedEvent[]> =>
    (await ledger.events.read({ streams: ['hub.delivery.v1'], after: 0, limit: 100 })).filter(
      (event) => event.type === type,
    );

  return {
    get ledger() {
      return ledger;
    },
    get bus() {
      return bus;
    },
    get clock() {
      return clock;
    },
    get metrics() {
      return metrics;
    },
    get partners() {
      return partners;
    },
    ...{ start, process, delivery, inState, events },
  };
}

type Deliver = (order: DeliveryOrder, onDelivered: (uid: string) => void) => Promise<void>;

export function to(name: string, deliver: Deliver, changes: Partial<OpenDestination['options']> = {}): OpenDestination {
  return {
    options: { name, type: 'test', ...changes },
    connector: { deliver, close: () => Promise.resolve() },
  };
}
