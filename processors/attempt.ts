/** One attempt at one step: works it under its lease and records how it ended. */
import { randomUUID } from 'node:crypto';
import { isLedgerAway, isStoreAway } from '../core/away.ts';
import { HubError, toHubError } from '../core/errors.ts';
import type { Ledger } from '../core/ledger.ts';
import type { KeptResult } from '../core/ledger/overrides.ts';
import type { NewQuarantine } from '../core/ledger/quarantine.ts';
import type { LeasedJob, RunStep } from '../core/ledger/runs.ts';
import type { Clock, Logger } from '../core/ports.ts';
import type { ProcessorResult } from '../core/plugins.ts';
import type { IsNewerVersion } from '../core/newer-version.ts';
import { nextDelayMs, recordWhileHeld } from '../core/retry.ts';
import { deviceOf } from './device.ts';
import type { ProcessorMetrics } from './metrics.ts';
import { packNameOf } from './pack-name.ts';
import { eventsOf } from './result-events.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface AttemptPorts {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ProcessorMetrics;
  readonly pool: WorkerPool;
  readonly random: () => number;
}

export interface AttemptOptions {
  readonly resolve: (step: RunStep) => unknown;
  /** Whether a run may go on without what the processor makes, where a person says so. */
  readonly isPassable: (processor: string) => boolean;
  readonly leaseMs: number;
  readonly timeLimitMs: number;
  readonly isNewerVersion?: IsNewerVersion;
  readonly retry?: { readonly firstDelayMs: number; readonly maxDelayMs: number };
  readonly onProgress: (step: {
    readonly runId: string;
    readonly processor: string;
    readonly fraction: number;
  }) => void;
  /** Aborted: the hub is stopping and the step is left to whoever takes it up again. */
  readonly signal: AbortSignal;
}

const RETRY = { firstDelayMs: 5_000, maxDelayMs: 60_000 };
/** While store or ledger are away: as long as that takes. */
const AWAY_RETRY = { attempts: Infinity, firstDelayMs: 5_000, maxDelayMs: 20_000 };
/** Attempts that may fail. */
const MAX_ATTEMPTS = 3;
/** Attempts that may get lost: a study on which the whole process dies (native code) has no failure to show, only starts. */
const MAX_LOSSES = 10;

type Outcome =
  /** `heldUntilMs`: of `performance.now()`, when the lease runs out. */
  | { readonly kind: 'ended'; readonly result: ProcessorResult; readonly heldUntilMs: number }
  | { readonly kind: 'failed'; readonly error: HubError; readonly isFinal?: boolean }
  /** Another process has the job. */
  | { readonly kind: 'lost' }
  /** The hub stops before the step has come to an end. */
  | { readonly kind: 'abandoned' };

/** @returns milliseconds to the next attempt, if there will be one here */
export async function attemptStep(
  ports: AttemptPorts,
  options: AttemptOptions,
  job: LeasedJob,
): Promise<number | undefined> {
  const { ledger, clock, metrics } = ports;
  const { jobId, fence, run } = job;
  const step = run.steps[job.step];
  const processor = step?.processor ?? 'unknown';
  const log = ports.log.child({
    studyInstanceUid: run.studyInstanceUid,
    correlationId: run.correlationId,
    runId: run.runId,
    route: run.route,
    processor,
  });
  const startedAt = performance.now();
  const outcome = await workUnderLease({ ...ports, log }, options, job);
  const durationSeconds = (performance.now() - startedAt) / 1000;
  const observe = (how: string) => metrics.duration.observe({ processor, outcome: how }, durationSeconds);
  const fields = { attempt: job.attempt, durationSeconds };

  const quarantine = async (
    how: string,
    entry: Pick<NewQuarantine, 'reason' | 'detail' | 'items'>,
    kept: KeptResult | undefined,
  ) => {
    const isRecorded = await ledger.runs.quarantine(
      jobId,
      fence,
      {
        ...entry,
        quarantineId: randomUUID(),
        stage: 'processors',
        studyInstanceUid: run.studyInstanceUid,
        runId: run.runId,
        // The run is held; other routes of the study have their own.
        holdsStudy: false,
      },
      options.isPassable(processor) ? kept : undefined,
    );
    observe(isRecorded ? how : 'lost');
    if (!isRecorded) {
      log.warn('step result came after its lease', fields);
      return;
    }
    metrics.quarantined.increment({ reason: entry.reason });
    log.error('run quarantined', { ...fields, reason: entry.reason });
  };

  /** It says nothing about the study, which must not end in quarantine for it. */
  const wait = async (error: HubError): Promise<number | undefined> => {
    const policy = { ...AWAY_RETRY, ...options.retry };
    const delayMs = nextDelayMs(policy, job.attempt, ports.random()) ?? policy.maxDelayMs;
    const isRecorded = await ledger.runs.giveBack(jobId, fence, new Date(clock.now().getTime() + delayMs));
    observe(isRecorded ? 'retried' : 'lost');
    log.warn('step waits for what the hub needs for it', { ...fields, error, retryInMs: delayMs });
    return isRecorded ? delayMs : undefined;
  };

  const fail = async (error: HubError, isFinal = error.row.retry === 'permanent'): Promise<number | undefined> => {
    const policy = { ...(options.retry ?? RETRY), attempts: MAX_ATTEMPTS };
    const delayMs = isFinal ? undefined : nextDelayMs(policy, job.failures + 1, ports.random());
    if (delayMs === undefined) {
      const entry = { reason: error.code, detail: error.message, items: quarantinedItems(job) };
      // Of a step that came to nothing: what it was given.
      await quarantine('quarantined', entry, { items: run.items, events: eventsOf(run, [], run.items) });
      return undefined;
    }
    const retryAt = new Date(clock.now().getTime() + delayMs);
    const isRecorded = await ledger.runs.retryStep(jobId, fence, retryAt, error.code);
    observe(isRecorded ? 'retried' : 'lost');
    log.warn('step failed, will be tried again', { ...fields, error, retryInMs: delayMs });
    return isRecorded ? delayMs : undefined;
  };

  switch (outcome.kind) {
    case 'lost':
      observe('lost');
      log.warn('step abandoned', fields);
      return undefined;
    case 'abandoned':
      // Nobody's failure: the next to start takes it up without waiting for the lease, and it does not count.
      await ledger.runs.giveBack(jobId, fence, clock.now());
      observe('lost');
      log.warn('step abandoned', fields);
      return undefined;
    case 'ended': {
      const { result } = outcome;
      if (result.outcome === 'held') {
        const { reason, detail, sopInstanceUids, kept } = result;
        const entry = { reason, detail, items: quarantinedItems(job, new Set(sopInstanceUids)) };
        try {
          const events = kept === undefined ? [] : eventsOf(run, kept.events, kept.items);
          await quarantine('held', entry, kept === undefined ? undefined : { ...kept, events });
        } catch (error) {
          const failure = toHubError(error);
          // The lease runs out, and it is worked again.
          if (isLedgerAway(failure)) throw failure;
          // As with a result: what can never be told must not be worked again for ever.
          return await fail(failure);
        }
        return undefined;
      }
      const { items, crosswalk = [], quality = [] } = result;
      let isRecorded: boolean;
      try {
        const events = eventsOf(run, result.events, items);
        // An hour's work is not thrown away for a ledger that is away for seconds.
        isRecorded = await recordWhileHeld(
          () => ledger.runs.finishStep(jobId, fence, { items, events, crosswalk, quality }),
          outcome.heldUntilMs,
          options.signal,
        );
      } catch (error) {
        // A fact the ledger does not take (too large, a defect of the plug-in) must not be worked again for ever.
        return await fail(toHubError(error));
      }
      observe(isRecorded ? 'done' : 'lost');
      if (isRecorded) log.info('step done', { ...fields, items: items.length });
      else log.warn('step result came after its lease', fields);
      return undefined;
    }
    case 'failed':
      return (await mayPass(outcome.error, options, job))
        ? await wait(outcome.error)
        : await fail(outcome.error, outcome.isFinal);
    default:
      return outcome satisfies never;
  }
}

/** What failed is not the step: the hub's own store or ledger was away, or a replica does not know its names yet. */
async function mayPass(error: HubError, { isNewerVersion }: AttemptOptions, { run }: LeasedJob): Promise<boolean> {
  if (isStoreAway(error) || isLedgerAway(error)) return true;
  return error.code === 'config.invalid' && (await isNewerVersion?.(run.configVersion)) === true;
}

async function workUnderLease(ports: AttemptPorts, options: AttemptOptions, job: LeasedJob): Promise<Outcome> {
  const { pool, log } = ports;
  const { run, step: index } = job;
  const step = run.steps[index];
  if (job.losses >= MAX_LOSSES) {
    const detail = `begun ${MAX_LOSSES} times without coming to an end`;
    return { kind: 'failed', error: new HubError('processor.failed', { detail }), isFinal: true };
  }
  const lease = keepLease(ports, options.leaseMs, job);
  const signal = AbortSignal.any([options.signal, lease.lost]);
  try {
    if (step === undefined) throw new TypeError(`run ${run.runId} has no step ${index}`);
    const result = await pool.run({
      order: {
        processor: step.processor,
        options: options.resolve(step),
        runId: run.runId,
        route: run.route,
        studyInstanceUid: run.studyInstanceUid,
        revision: run.revision,
        items: run.items,
        packName: packNameOf({ runId: run.runId, step: index, fence: job.fence }),
      },
      log,
      timeLimitMs: options.timeLimitMs,
      signal,
      onProgress: (fraction) => options.onProgress({ runId: run.runId, processor: step.processor, fraction }),
      crosswalk: ports.ledger.crosswalk,
      quality: { past: (question) => ports.ledger.quality.past(question), device: () => deviceOf(ports.ledger, run) },
    });
    if (lease.lost.aborted) return { kind: 'lost' };
    return { kind: 'ended', result, heldUntilMs: lease.heldUntilMs() };
  } catch (thrown) {
    if (lease.lost.aborted) return { kind: 'lost' };
    return options.signal.aborted ? { kind: 'abandoned' } : { kind: 'failed', error: toHubError(thrown) };
  } finally {
    lease.stop();
  }
}

/**
 * Renews the lease every third of it. Survives a ledger that stutters; a lease that ran out because this process
 * froze is seen as lost, even before the ledger says so.
 */
function keepLease(
  { ledger, clock, log }: AttemptPorts,
  leaseMs: number,
  job: LeasedJob,
): { readonly lost: AbortSignal; heldUntilMs(): number; stop(): void } {
  const lost = new AbortController();
  let heldUntil = performance.now() + leaseMs;
  const renew = async (): Promise<void> => {
    const from = performance.now();
    try {
      if (await ledger.runs.renew(job.jobId, job.fence, leaseMs, clock.now())) heldUntil = from + leaseMs;
      else lost.abort();
    } catch (error) {
      log.warn('lease could not be renewed', { error: toHubError(error).message });
      if (performance.now() > heldUntil) lost.abort();
    }
  };
  const timer = setInterval(() => void renew(), leaseMs / 3);
  return { lost: lost.signal, heldUntilMs: () => heldUntil, stop: () => clearInterval(timer) };
}

/** What stands in the quarantine entry: the instances named, else all of the run. */
function quarantinedItems({ run }: LeasedJob, sopInstanceUids?: ReadonlySet<string>): NewQuarantine['items'] {
  const instances = run.items.filter((item) => item.kind === 'instance');
  const named = instances.filter(({ sopInstanceUid }) => sopInstanceUids?.has(sopInstanceUid) ?? true);
  // A plug-in that holds a run without naming instances, or names its own outputs, holds all of it.
  return (named.length === 0 ? instances : named).map(({ blob, sizeBytes, sopInstanceUid }) => ({
    blob,
    sizeBytes,
    sopInstanceUid,
  }));
}
