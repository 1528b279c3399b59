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
import { openDestination } from './connectors/registry.ts';
import type { Ledger } from './core/ledger.ts';
import type { Clock, EventBus, Logger, Metrics } from './core/ports.ts';
import { openHubStore, type WorkerOrder } from './hub-store.ts';
import { type OpenedBus, openBus } from './platform/bus/open.ts';
import { openDataFolder } from './platform/data-folder.ts';
import { attachSqliteLedger } from './platform/ledger/sqlite/client.ts';
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
  readonly ledgerPort: MessagePort;
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
  const clock: Clock = { now: () => new Date() };
  const { ledgerFile } = await openDataFolder(told.dataDir, told.env);
  const ledger = attachSqliteLedger({ file: ledgerFile, port: told.ledgerPort, clock });
  const metrics = createMetrics({ log, withProcess: false });
  const opened = openBus(busChoice(told.config, told.env), { ledger, log, clock, metrics });
  const { bus } = opened;
  const owner = `${hostname()}:${String(process.pid)}:${randomUUID()}`;
  /** Undone from the last to the first, whether the hub stops or the start fails halfway. */
  const undo: ((graceMs: number) => Promise<void>)[] = [() => ledger.close(), () => bus.stop()];
  const stop = async (graceMs: number): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step(graceMs);
  };
  try {
    for (const [stage, start] of STARTS) {
      if (told.stages.includes(stage)) undo.push(await start({ bus, ledger, log, metrics, clock }, told, owner));
    }
  } catch (error) {
    await stop(0);
    throw error;
  }
  return { stop, metrics: () => metrics.values(), conditions: () => conditionsOf(opened.problems()) };
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
    { destinations, owner, leaseMs: LEASE_MS },
  );
  const projector = await startFeedProjector(ports, config.destinations);
  return async (graceMs: number) => {
    await projector.stop();
    await dispatcher.stop(graceMs);
    await Promise.all(destinations.map(({ connector }) => connector.close()));
    await store.close();
  };
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
