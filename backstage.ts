/**
 * Composition root of the thread behind the doors: routes, coordinates processing, delivers. It reaches the ledger's
 * writer through a port of its own, and stands back when the processor is short and a scanner waits.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { busChoice } from './bus-choice.ts';
import { type Environment, readSecret } from './config/environment.ts';
import { startDispatcher } from './connectors/dispatcher.ts';
import { startFeedProjector } from './connectors/feed/projector.ts';
import { createPartnerDirectory } from './connectors/partner-api/directory.ts';
import { openDestination } from './connectors/registry.ts';
import { WEBHOOKS_PURPOSE } from './connectors/webhook/key-box.ts';
import { startWebhookSender } from './connectors/webhook/sender.ts';
import { HubError, toHubError } from './core/errors.ts';
import type { Ledger } from './core/ledger.ts';
import type { DeliveryPriority } from './core/ledger/deliveries.ts';
import type { Clock, EventBus, Logger, Metrics } from './core/ports.ts';
import { openHubStore, type WorkerOrder } from './hub-store.ts';
import { ledgerPlace } from './ledger-place.ts';
import { type OpenedBus, openBus } from './platform/bus/open.ts';
import { openDataFolder } from './platform/data-folder.ts';
import { attachLedger } from './platform/ledger/open.ts';
import { createMetrics } from './platform/metrics.ts';
import { runInThread, type StageCondition, type ThreadStages } from './platform/threads/inside.ts';
import { yieldToReceiving } from './platform/threads/priority.ts';
import { processors, resolveStep } from './processors/registry.ts';
import { startRunner } from './processors/runner.ts';
import { startRouter } from './routers/router.ts';
import type { Config, Stage } from './shapes.ts';

/** What the thread is told. */
export interface BackstageOrder {
  readonly config: Config;
  readonly env: Environment;
  readonly stages: readonly Stage[];
  readonly dataDir: string;
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

/** Starts a stage, and says how it is stopped. */
type StageStart = (ports: Ports, order: BackstageOrder, owner: string) => Promise<(graceMs: number) => Promise<void>>;

const LEASE_MS = 60_000;
const WORKER = new URL('./worker.ts', import.meta.url);
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
  const opened = await openBus(busChoice(told.config, told.env), { ledger, log, clock, metrics });
  const { bus } = opened;
  const owner = `${hostname()}:${String(process.pid)}:${randomUUID()}`;
  /** Undone from the last to the first, whether the hub stops or the start fails halfway. */
  const undo: ((graceMs: number) => Promise<void>)[] = [() => ledger.close(), () => bus.stop()];
  const stop = async (graceMs: number): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step(graceMs);
  };
  const startAll = async (): Promise<void> => {
    for (const [stage, start] of STARTS) {
      if (told.stages.includes(stage)) undo.push(await start({ bus, ledger, log, metrics, clock }, told, owner));
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
        if (toHubError(error).code !== 'ledger.unreachable') throw error;
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
  return { stop: stopAll, metrics: () => metrics.values(), conditions: () => conditionsOf(opened.problems()) };
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

async function startConnectors(ports: Ports, { config, env, dataDir }: BackstageOrder, owner: string) {
  const store = await openHubStore(config.store, env, dataDir);
  const destinations = config.destinations.map((destination) =>
    openDestination(destination, {
      store: store.objects,
      hubName: config.hub.name,
      log: ports.log.child({ stage: 'connectors', destination: destination.name }),
      secret: (reference) => readSecret(reference, env),
    }),
  );
  const dispatcher = await startDispatcher(
    { ...ports, random: Math.random },
    { destinations, owner, leaseMs: LEASE_MS, priorities: prioritiesOf(config) },
  );
  const directory = createPartnerDirectory(ports.ledger, () => config.partners);
  const projector = await startFeedProjector({ ...ports, directory }, config.destinations);
  const key = await (await openDataFolder(dataDir, env)).secret(WEBHOOKS_PURPOSE);
  const sender = startWebhookSender({ ...ports, directory, random: Math.random }, { hubName: config.hub.name, key });
  return async (graceMs: number) => {
    await projector.stop();
    await sender.stop(graceMs);
    await dispatcher.stop(graceMs);
    await Promise.all(destinations.map(({ connector }) => connector.close()));
    await store.close();
  };
}

function prioritiesOf({ routes }: Config): ReadonlyMap<string, DeliveryPriority> {
  return new Map(routes.flatMap(({ name, priority }) => (priority === undefined ? [] : [[name, priority] as const])));
}

async function startProcessors(ports: Ports, { config, dataDir }: BackstageOrder, owner: string) {
  const { workers, timeLimitMs, timeLimitsMs } = config.processors;
  const catalogue = { policies: config.policies, models: config.models };
  const runner = await startRunner(ports, {
    plugins: processors,
    resolve: (step) => resolveStep(step, catalogue),
    worker: { url: WORKER, data: { dataDir, store: config.store } satisfies WorkerOrder },
    workers,
    timeLimitMs: (processor) => timeLimitsMs[processor] ?? timeLimitMs,
    leaseMs: LEASE_MS,
    owner,
  });
  return (graceMs: number) => runner.stop(graceMs);
}

async function startRouters(ports: Ports, { config }: BackstageOrder) {
  const active = { configVersion: config.version, routes: config.routes };
  const router = await startRouter(ports, () => active);
  return () => router.stop();
}
