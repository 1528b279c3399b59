/**
 * Works the runs that routes have opened: each step a job under a lease, done in a worker thread, its result and its
 * facts recorded in one transaction. What dies anywhere in between is worked again, under a higher fence.
 */
import { toHubError } from '../core/errors.ts';
import { isEventOf } from '../core/events.ts';
import type { Ledger } from '../core/ledger.ts';
import type { LeasedJob, RunStep } from '../core/ledger/runs.ts';
import type { IsNewerVersion } from '../core/newer-version.ts';
import { nowAndThen } from '../core/now-and-then.ts';
import type { ProcessorPlugin } from '../core/plugins.ts';
import type { Clock, EventBus, Logger, Metrics } from '../core/ports.ts';
import { attemptStep } from './attempt.ts';
import { processorMetrics } from './metrics.ts';
import { unprocessedEvent } from './result-events.ts';
import { type WorkerEntry, WorkerPool } from './worker-pool.ts';

const GROUP = 'processors';
/** Between looks at the ledger when nothing wakes the runner: for leases of dead processes and retries that are due. */
const IDLE_POLL_MS = 5_000;
const DEFAULT_LEASE_MS = 60_000;
const DEFAULT_TIME_LIMIT_MS = 30 * 60_000;

export interface RunnerPorts {
  readonly bus: EventBus;
  readonly ledger: Ledger;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** 0 ≤ random < 1, for the jitter of retries. */
  readonly random?: () => number;
}

export interface RunnerOptions {
  /** Only what is said of them is used here; the workers have their own. */
  readonly plugins: readonly Pick<ProcessorPlugin, 'name' | 'isPassable'>[];
  /** Frozen options of a step, as its plug-in resolved them. @throws {HubError} `config.invalid` */
  readonly resolve: (step: RunStep) => unknown;
  readonly worker: WorkerEntry;
  /** Names of the plug-ins that the configuration has steps of: they are tried before the first step. */
  readonly inUse?: readonly string[];
  /** Steps at the same time. */
  readonly workers: number;
  /** After which threads without a step are ended. */
  readonly restMs?: number;
  /** Names this process in leases. */
  readonly owner: string;
  readonly leaseMs?: number;
  /** For one attempt at one step of the processor named. */
  readonly timeLimitMs?: (processor: string) => number;
  /** Of a run that other replicas have routed; absent: there are none. */
  readonly isNewerVersion?: IsNewerVersion;
  /** Delays before the second and later attempts. */
  readonly retry?: { readonly firstDelayMs: number; readonly maxDelayMs: number };
  readonly onProgress?: (step: {
    readonly runId: string;
    readonly processor: string;
    readonly fraction: number;
  }) => void;
}

export interface Runner {
  /** Tries plug-ins that were not in use before. @throws {HubError} `plugin.unusable` */
  prove(processors: readonly string[]): Promise<void>;
  /** Claims nothing new, lets steps under way end within `graceMs`, then gives them back. Harmless twice. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Starts working; what a crash left behind is taken up again when its lease has run out.
 *
 * @throws {HubError} `plugin.unusable` when a plug-in that is in use cannot be loaded
 */
export async function startRunner(ports: RunnerPorts, options: RunnerOptions): Promise<Runner> {
  const { ledger, clock } = ports;
  const log = ports.log.child({ stage: 'processors' });
  const leaseMs = options.leaseMs ?? DEFAULT_LEASE_MS;
  const metrics = processorMetrics(ports.metrics);
  metrics.jobs.collect(() => countJobs(ledger, options.plugins, metrics.jobs));

  const { restMs } = options;
  const pool = new WorkerPool({
    entry: options.worker,
    size: options.workers,
    ...(restMs === undefined ? {} : { restMs }),
  });
  let inUse = options.inUse ?? [];
  await pool.prove(inUse);
  const underWay = new Set<Promise<void>>();
  const retries = new Set<NodeJS.Timeout>();
  const abandon = new AbortController();
  let isStopping = false;
  let isWanted = false;
  let claiming: Promise<void> | undefined;
  const sayFailure = nowAndThen();
  let timer: NodeJS.Timeout | undefined;

  const begin = (job: LeasedJob): void => {
    if (isStopping) {
      giveBack(job);
      return;
    }
    const step = attemptStep(
      { ledger, clock, log, metrics, pool, random: ports.random ?? Math.random },
      {
        resolve: options.resolve,
        isPassable: (processor) =>
          options.plugins.some(({ name, isPassable }) => name === processor && isPassable === true),
        leaseMs,
        timeLimitMs: options.timeLimitMs?.(job.run.steps[job.step]?.processor ?? '') ?? DEFAULT_TIME_LIMIT_MS,
        ...(options.retry === undefined ? {} : { retry: options.retry }),
        ...(options.isNewerVersion === undefined ? {} : { isNewerVersion: options.isNewerVersion }),
        onProgress: options.onProgress ?? (() => {}),
        signal: abandon.signal,
      },
      job,
    )
      .then((retryInMs) => {
        if (retryInMs !== undefined) wakeIn(retryInMs);
      })
      .catch((error: unknown) => {
        // The ledger itself failed: the lease runs out and the step is worked again.
        log.error('step could not be recorded', { jobId: job.jobId, error: toHubError(error).message });
      })
      .finally(() => {
        underWay.delete(step);
        wake();
      });
    underWay.add(step);
  };

  /** Claimed while the hub began to stop. */
  const giveBack = ({ jobId, fence }: LeasedJob): void => {
    const given = ledger.runs
      .giveBack(jobId, fence, clock.now())
      .then(() => undefined)
      // The lease runs out all the same.
      .catch((error: unknown) => log.warn('step could not be given back', { jobId, error: toHubError(error).message }))
      .finally(() => underWay.delete(given));
    underWay.add(given);
  };

  const claim = async (): Promise<void> => {
    while (isWanted && !isStopping) {
      isWanted = false;
      // Never more than can start at once: a claimed job that waits for a thread only burns its lease.
      const free = options.workers - underWay.size;
      if (free < 1) break;
      const jobs = await ledger.runs.claim(options.owner, leaseMs, clock.now(), free);
      jobs.forEach(begin);
    }
  };

  const wakeIn = (delayMs: number): void => {
    if (isStopping) return;
    const retry = setTimeout(() => {
      retries.delete(retry);
      wake();
    }, delayMs);
    retries.add(retry);
  };

  /** One claim at a time; a wake during it makes it look once more. */
  function wake(): void {
    isWanted = true;
    if (isStopping || claiming !== undefined) return;
    clearTimeout(timer);
    claiming = claim()
      .catch((error: unknown) =>
        sayFailure((times) => log.error('jobs cannot be claimed', { error: toHubError(error).message, times })),
      )
      .finally(() => {
        claiming = undefined;
        if (isStopping) return;
        timer = setTimeout(wake, Math.min(IDLE_POLL_MS, leaseMs));
        if (isWanted && underWay.size < options.workers) wake();
      });
  }

  const subscription = await ports.bus.subscribe(
    { group: GROUP, streams: ['hub.work.v1'], from: 'earliest' },
    async (event) => {
      if (!isEventOf(event, 'study.routed')) return;
      const { runId, processors } = event.data;
      const run = processors.length === 0 ? await ledger.runs.get(runId) : undefined;
      await ledger.runs.start(
        { group: GROUP, eventId: event.id },
        runId,
        run === undefined ? [] : [unprocessedEvent(run)],
      );
      wake();
    },
  );
  let warming: Promise<void> | undefined;
  /** What is being received will be worked soon, and a thread takes half a second to start: it does so in the quiet period. */
  const warmUp = async (): Promise<void> => {
    if ((await ledger.studies.nextDue()) !== undefined && !isStopping) pool.warm([...new Set(inUse)]);
  };
  const stopListening = ledger.onCommit(() => {
    wake();
    if (pool.isWarm || inUse.length === 0) return;
    warming ??= warmUp()
      // The step itself will start its thread, and say what is wrong.
      .catch((error: unknown) => log.debug('no thread was started ahead', { error: toHubError(error).message }))
      .finally(() => (warming = undefined));
  });
  wake();

  let stopped: Promise<void> | undefined;
  const stop = async (graceMs: number): Promise<void> => {
    isStopping = true;
    clearTimeout(timer);
    retries.forEach((retry) => clearTimeout(retry));
    stopListening();
    await subscription.stop();
    await claiming;
    await warming;
    const cut = setTimeout(() => abandon.abort(), graceMs);
    await Promise.all(underWay);
    clearTimeout(cut);
    await pool.close();
  };
  const prove = async (names: readonly string[]): Promise<void> => {
    await pool.prove(names);
    inUse = names;
  };
  return { prove, stop: (graceMs) => (stopped ??= stop(graceMs)) };
}

async function countJobs(
  ledger: Ledger,
  plugins: RunnerOptions['plugins'],
  gauge: ReturnType<typeof processorMetrics>['jobs'],
): Promise<void> {
  gauge.reset();
  for (const { name } of plugins) {
    gauge.set({ state: 'waiting', processor: name }, 0);
    gauge.set({ state: 'running', processor: name }, 0);
  }
  for (const { state, processor, jobs } of await ledger.runs.backlog()) gauge.set({ state, processor }, jobs);
}
