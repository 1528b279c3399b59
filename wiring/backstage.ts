/**
 * Composition root of the thread behind the doors: routes, coordinates processing, delivers. It reaches the ledger's
 * writer through a port of its own, and stands back when the processor is short and a scanner waits. A configuration that
 * is read anew is taken by all stages within one turn of this thread.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { busChoice } from './bus-choice.ts';
import { takesReports } from './commitment-options.ts';
import { type Environment, readSecret } from '../config/environment.ts';
import { startDispatcher } from '../connectors/dispatcher.ts';
import { startFeedProjector } from '../connectors/feed/projector.ts';
import { topicPassage } from '../connectors/feed/topic-passage.ts';
import { createPartnerDirectory, type PartnerDirectory } from '../connectors/partner-api/directory.ts';
import type { OpenDestination } from '../connectors/attempt.ts';
import { type Destination, openDestination } from '../connectors/registry.ts';
import { WEBHOOKS_PURPOSE } from '../connectors/webhook/key-box.ts';
import { startWebhookSender } from '../connectors/webhook/sender.ts';
import { isLedgerAway } from '../core/away.ts';
import { HubError, toHubError } from '../core/errors.ts';
import type { Ledger } from '../core/ledger.ts';
import { newerVersions } from '../core/newer-version.ts';
import type { DeliveryPriority } from '../core/ledger/deliveries.ts';
import type { Clock, EventBus, Logger, Metrics } from '../core/ports.ts';
import { openDecodedInstances } from './decoded-instances.ts';
import { openHubStore, type WorkerOrder } from './hub-store.ts';
import { ledgerPlace } from './ledger-place.ts';
import { type OpenedBus, openBus } from '../platform/bus/open.ts';
import { openDataFolder } from '../platform/data-folder.ts';
import { attachLedger } from '../platform/ledger/open.ts';
import { createMetrics } from '../platform/metrics.ts';
import {
  type PreparedChange,
  runInThread,
  type StageCondition,
  type ThreadStages,
} from '../platform/threads/inside.ts';
import { yieldToReceiving } from '../platform/threads/priority.ts';
import { processors, resolveStep } from '../processors/registry.ts';
import { startRunner } from '../processors/runner.ts';
import { startRouter } from '../routers/router.ts';
import type { Config, Stage } from './shapes.ts';

/** What the thread is told. */
export interface BackstageOrder {
  readonly config: Config;
  readonly env: Environment;
  readonly stages: readonly Stage[];
  readonly dataDir: string;
  /** Of the data folder: no other replica has it. */
  readonly identity: string;
  /** Where the ledger is a file: its writer is in the main thread. */
  readonly ledgerPort: MessagePort | undefined;
}

interface Ports {
  readonly bus: EventBus;
  readonly ledger: Ledger;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

interface RunningStage {
  /** Absent: it asks for the configuration whenever it needs it. */
  readonly prepare?: (next: Config) => Promise<PreparedChange>;
  readonly stop: (graceMs: number) => Promise<void>;
}

/** What a stage is started with. */
interface StageOrder extends BackstageOrder {
  /** Of the configuration in force; `config` is the one of the start. */
  readonly current: () => Config;
  readonly directory: PartnerDirectory;
  readonly owner: string;
}

type StageStart = (ports: Ports, order: StageOrder) => Promise<RunningStage>;

const LEASE_MS = 60_000;
const WORKER = new URL('./step-worker.ts', import.meta.url);
const NICENESS = 5;

/** What stands last in a study's journey starts first, so that nothing meets a stage that is not there; it stops last. */
const STARTS: readonly (readonly [Stage, StageStart])[] = [
  ['connectors', startConnectors],
  ['processors', startProcessors],
  ['routers', startRouters],
];

if (parentPort === null) throw new TypeError('backstage.ts is the entry of a worker thread');
const order = workerData as BackstageOrder;
yieldToReceiving(NICENESS);
await runInThread(parentPort, (log) => startStages(order, log));

async function startStages(told: BackstageOrder, log: Logger): Promise<ThreadStages> {
  const machineClock: Clock = { now: () => new Date() };
  const { ledgerFile } = await openDataFolder(told.dataDir, told.env);
  const { ledger, clock, isUp, whenUp } = await attachLedger({
    place: ledgerPlace(told.config, told.env),
    ...{ file: ledgerFile, port: told.ledgerPort, log, clock: machineClock },
    // The thread ends with it, and the main thread finds out by its own connection.
    onFailure: (error) => fail(error),
  });
  const metrics = createMetrics({ log, withProcess: false });
  const owner = `${hostname()}:${String(process.pid)}:${randomUUID()}`;
  let current = told.config;
  const directory = createPartnerDirectory(ledger, () => current.partners);
  const passage = topicPassage(directory, clock);
  const opened = await openBus(busChoice(told.config, told.env, told.identity), {
    ledger,
    log,
    clock,
    metrics,
    passage,
  });
  const { bus } = opened;
  const stageOrder: StageOrder = { ...told, current: () => current, directory, owner };
  const running = new Set<RunningStage>();
  /** Undone from the last to the first, whether the hub stops or the start fails halfway. */
  const undo: ((graceMs: number) => Promise<void>)[] = [() => ledger.close(), () => bus.stop()];
  const stop = async (graceMs: number): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step(graceMs);
  };
  const startAll = async (): Promise<void> => {
    for (const [stage, start] of STARTS) {
      if (!told.stages.includes(stage)) continue;
      const started = await start({ bus, ledger, log, metrics, clock }, stageOrder);
      running.add(started);
      undo.push((graceMs) => {
        running.delete(started);
        return started.stop(graceMs);
      });
    }
  };
  /** Doors open without the ledger, so they do not wait for the stages, which need it. */
  const startLater = async (): Promise<void> => {
    const before = undo.length;
    for (;;) {
      await whenUp(stopping.signal);
      try {
        await startAll();
        return;
      } catch (error) {
        if (!isLedgerAway(error)) throw error;
        for (const step of undo.splice(before).reverse()) await step(0);
      }
    }
  };
  const stopping = new AbortController();
  let later: Promise<void> = Promise.resolve();
  try {
    if (isUp()) await startAll();
    else later = startLater().catch((error: unknown) => (stopping.signal.aborted ? undefined : fail(error)));
  } catch (error) {
    await stop(0);
    throw error;
  }
  const stopAll = async (graceMs: number): Promise<void> => {
    stopping.abort(new HubError('gateway.stopping'));
    await later;
    await stop(graceMs);
  };
  return {
    stop: stopAll,
    metrics: () => metrics.values(),
    conditions: () => conditionsOf(opened.problems()),
    prepare: async (data) => {
      const wanted = STARTS.filter(([stage]) => told.stages.includes(stage)).length;
      // They wait for the ledger, and would come up with half of what was before.
      if (running.size < wanted) throw new HubError('ledger.unreachable');
      return prepareAll(running, data as Config, (next) => (current = next));
    },
  };
}

/** Of all stages or of none: who prepared before one failed forgets it. */
async function prepareAll(
  running: ReadonlySet<RunningStage>,
  next: Config,
  take: (next: Config) => void,
): Promise<PreparedChange> {
  const prepared: PreparedChange[] = [];
  try {
    for (const { prepare } of running) if (prepare !== undefined) prepared.push(await prepare(next));
  } catch (error) {
    for (const each of prepared) each.discard();
    throw error;
  }
  return {
    // Destinations first, for they stand first: no route sends to one that is not there yet.
    commit: () => {
      for (const each of prepared) each.commit();
      take(next);
    },
    discard: () => {
      for (const each of prepared) each.discard();
    },
  };
}

/** Ends the thread: the main thread says why in the log, and starts another. */
function fail(error: unknown): void {
  queueMicrotask(() => {
    throw toHubError(error);
  });
}

/** What a probe makes of a problem of the bus. */
const SEVERITY = { degraded: 'degraded', crashed: 'not-ready', stalled: 'dead' } as const;

function conditionsOf(problems: ReturnType<OpenedBus['problems']>): readonly StageCondition[] {
  return problems.map(({ severity, error }) => ({ name: 'bus', severity: SEVERITY[severity], error }));
}

async function startConnectors(
  ports: Ports,
  { current, directory, env, dataDir, owner }: StageOrder,
): Promise<RunningStage> {
  const store = await openHubStore(current().store, env, dataDir);
  const decoded = openDecodedInstances(ports.log.child({ stage: 'connectors' }));
  const open = (destination: Destination, hubName: string): Promise<OpenDestination> =>
    openDestination(destination, {
      store: store.objects,
      hubName,
      log: ports.log.child({ stage: 'connectors', destination: destination.name }),
      secret: (reference) => readSecret(reference, env),
      decoded,
      ...(takesReports(destination, current().gateway.dimse)
        ? { askedCommitments: ports.ledger.askedCommitments }
        : {}),
      openTopics: async (brokers) => {
        // When it is needed: few hubs have such a destination.
        const { openTopicWriter } = await import('../platform/bus/kafka/topic-writer.ts');
        return openTopicWriter(brokers, ports.log.child({ stage: 'connectors', destination: destination.name }));
      },
    });
  let destinations = await Promise.all(
    current().destinations.map(async (written) => ({ written, opened: await open(written, current().hub.name) })),
  );
  const dispatcher = await startDispatcher(
    { ...ports, partners: directory, random: Math.random },
    {
      destinations: destinations.map(({ opened }) => opened),
      ...{ owner, leaseMs: LEASE_MS, priorities: prioritiesOf(current()) },
      isNewerVersion: newerVersions(ports, () => current().version),
    },
  );
  const projector = await startFeedProjector({ ...ports, directory }, () => current().destinations);
  const key = await (await openDataFolder(dataDir, env)).secret(WEBHOOKS_PURPOSE);
  const hubName = current().hub.name;
  const sender = startWebhookSender({ ...ports, directory, random: Math.random }, { hubName, key });
  /** Connectors that are closed when the last delivery to them ends. */
  const leaving = new Set<Promise<void>>();

  const exchange = (next: typeof destinations, config: Config): void => {
    destinations = next;
    const left = dispatcher
      .exchange({ destinations: next.map(({ opened }) => opened), priorities: prioritiesOf(config) })
      .then(closeAll)
      .finally(() => leaving.delete(left));
    leaving.add(left);
  };
  return {
    prepare: async (config) => {
      const made: OpenDestination[] = [];
      const discard = () => void closeAll(made);
      try {
        const next: typeof destinations = [];
        for (const written of config.destinations) {
          // One that is as it was keeps its connections.
          const same = destinations.find((each) => isDeepStrictEqual(each.written, written));
          const opened = same?.opened ?? (await open(written, config.hub.name));
          if (same === undefined) made.push(opened);
          next.push(same ?? { written, opened });
        }
        return { commit: () => exchange(next, config), discard };
      } catch (error) {
        discard();
        throw error;
      }
    },
    stop: async (graceMs) => {
      await projector.stop();
      await sender.stop(graceMs);
      await dispatcher.stop(graceMs);
      await Promise.all(leaving);
      await closeAll(destinations.map(({ opened }) => opened));
      await decoded.close();
      await store.close();
    },
  };
}

async function closeAll(destinations: readonly OpenDestination[]): Promise<void> {
  await Promise.all(destinations.map(({ connector }) => connector.close()));
}

function prioritiesOf({ routes }: Config): ReadonlyMap<string, DeliveryPriority> {
  return new Map(routes.flatMap(({ name, priority }) => (priority === undefined ? [] : [[name, priority] as const])));
}

async function startProcessors(ports: Ports, { current, dataDir, owner }: StageOrder): Promise<RunningStage> {
  const { processors: settings, store, hub } = current();
  const ledgerId = await ports.ledger.keys.identity();
  const runner = await startRunner(ports, {
    plugins: processors,
    // When a step begins: what its name stands for then, so that a policy that was made stricter holds for all that is left.
    resolve: (step) => resolveStep(step, { policies: current().policies, models: current().models }),
    worker: { url: WORKER, data: { dataDir, store, ledgerId, node: hub.node } satisfies WorkerOrder },
    inUse: processorsIn(current()),
    workers: settings.workers,
    timeLimitMs: (processor) => {
      const { timeLimitsMs, timeLimitMs } = current().processors;
      return timeLimitsMs[processor] ?? timeLimitMs;
    },
    leaseMs: LEASE_MS,
    owner,
    isNewerVersion: newerVersions(ports, () => current().version),
  });
  return {
    prepare: async (config) => {
      await runner.prove(processorsIn(config));
      return { commit: () => undefined, discard: () => undefined };
    },
    stop: (graceMs) => runner.stop(graceMs),
  };
}

function processorsIn({ routes }: Config): readonly string[] {
  return routes.flatMap(({ process }) => process.map(({ processor }) => processor));
}

async function startRouters(ports: Ports, { current }: StageOrder): Promise<RunningStage> {
  const router = await startRouter(ports, () => {
    const { version, routes } = current();
    return { configVersion: version, routes };
  });
  return { stop: () => router.stop() };
}
