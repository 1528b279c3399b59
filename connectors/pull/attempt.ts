/** One attempt to fetch a study, and what the ledger is told of it. */
import { HubError, toHubError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { ClaimedPullStudy } from '../../core/ledger/pulls.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import { nextDelayMs } from '../../core/retry.ts';
import { fetchStudy } from './fetch-study.ts';
import type { PullMetrics } from './metrics.ts';
import type { PullOptions } from './options.ts';
import type { PullSource } from './source.ts';

export interface AttemptPorts {
  readonly ledger: Pick<Ledger, 'studies' | 'instances' | 'pulls'>;
  readonly source: PullSource;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: PullMetrics;
  readonly random: () => number;
}

/** `down`: nobody answered at all, which says nothing about the study. `full`: the hub itself takes nothing now. */
export type AttemptOutcome = 'done' | 'failed' | 'given-back' | 'down' | 'full';

/** Nobody is there, or nobody has time: not counted, however long it lasts. */
const DOWN: ReadonlySet<string> = new Set(['partner.unreachable', 'partner.busy']);
/** The hub's own trouble. */
const OWN: ReadonlySet<string> = new Set([
  ...['store.full', 'store.failed', 'gateway.stopping', 'ledger.unreachable', 'ledger.denied'],
]);
const OWN_DELAY_MS = 5_000;

/** @throws {HubError} only what the ledger says: then the study stays lent, until the pull is taken over */
export async function attemptStudy(
  claimed: ClaimedPullStudy,
  options: PullOptions,
  ports: AttemptPorts,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  const { ledger, clock, log, metrics } = ports;
  const { name: pull } = options;
  const { studyInstanceUid: study, fence, attempt } = claimed;
  const startedMs = performance.now();
  const seconds = () => (performance.now() - startedMs) / 1000;
  const progress = { hasAnswered: false };
  const source: PullSource = {
    ...ports.source,
    series: async (...asked) => {
      const series = await ports.source.series(...asked);
      progress.hasAnswered = true;
      return series;
    },
  };
  try {
    const { settleMs } = options.timeouts;
    const bySeries = options.from.kind === 'c-move' && options.bytesPerSecond !== undefined;
    const outcome = await fetchStudy(claimed, { ledger, source }, { pull, settleMs, bySeries }, signal);
    const isFetched = outcome.how === 'fetched';
    const event = {
      type: 'study.pulled',
      stream: 'hub.ingest.v1',
      key: study,
      data: { studyInstanceUid: study, pull, instances: outcome.held, attempts: attempt },
    } as const;
    await ledger.pulls.finish(pull, study, fence, outcome, isFetched ? [event] : []);
    metrics.studies.increment({ pull, outcome: outcome.how });
    metrics.duration.observe({ pull }, seconds());
    const fields = { studyInstanceUid: study, pull, instances: outcome.held, attempt, durationSeconds: seconds() };
    if (isFetched) log.info('study pulled', fields);
    else log.debug('study was here already', fields);
    return 'done';
  } catch (error) {
    const failure = toHubError(error);
    const isOwn = OWN.has(failure.code);
    const isDown = !progress.hasAnswered && DOWN.has(failure.code);
    if (signal.aborted || isOwn || isDown) {
      const dueAt = new Date(clock.now().getTime() + (isOwn && !signal.aborted ? OWN_DELAY_MS : 0));
      await ledger.pulls.giveBack(pull, study, fence, dueAt);
      return signal.aborted ? 'given-back' : isOwn ? 'full' : 'down';
    }
    metrics.duration.observe({ pull }, seconds());
    await fail(claimed, failure, options, ports);
    return 'failed';
  }
}

async function fail(
  { studyInstanceUid: study, fence, attempt }: ClaimedPullStudy,
  failure: HubError,
  { name: pull, retry }: PullOptions,
  { ledger, clock, log, metrics, random }: AttemptPorts,
): Promise<void> {
  const delayMs = nextDelayMs(retry, attempt, random());
  const retryAt = delayMs === undefined ? undefined : new Date(clock.now().getTime() + delayMs);
  const held = failure.fields['held'];
  await ledger.pulls.fail(
    pull,
    study,
    fence,
    { code: failure.code, reason: failure.message, ...(typeof held === 'number' ? { held } : {}) },
    retryAt,
    retryAt === undefined
      ? [
          {
            type: 'pull.failed',
            stream: 'hub.ingest.v1',
            key: study,
            data: { studyInstanceUid: study, pull, reason: failure.code, attempts: attempt },
          },
        ]
      : [],
  );
  metrics.studies.increment({ pull, outcome: retryAt === undefined ? 'failed' : 'retried' });
  const fields = { studyInstanceUid: study, pull, attempt, code: failure.code, ...failure.fields };
  if (failure.code === 'internal.unexpected')
    log.error('study not pulled', { ...fields, reason: String(failure.cause) });
  else log.warn(retryAt === undefined ? 'study not pulled, and given up' : 'study not pulled, tried again', fields);
}
