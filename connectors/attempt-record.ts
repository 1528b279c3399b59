/** How an attempt ended: what the ledger, the metrics and the log are told, and when it is tried again. */
import { isStoreAway } from '../core/away.ts';
import type { HubError } from '../core/errors.ts';
import type { NewEvent } from '../core/ledger/common.ts';
import type { DeliveryAttempt, FailureNotes, LeasedDelivery } from '../core/ledger/deliveries.ts';
import type { DestinationOptions } from '../core/plugins.ts';
import { DEFAULT_BREAKER, DEFAULT_RETRY, nextDelayMs } from '../core/retry.ts';
import type { RunItem } from '../core/store.ts';
import type { AttemptNotes } from './attempt-notes.ts';
import type { AttemptPorts } from './attempt-ports.ts';

interface AttemptEnd {
  readonly delivery: LeasedDelivery;
  readonly destination: DestinationOptions | undefined;
  /** What the destination was given; empty when nothing might go. */
  readonly items: readonly RunItem[];
  readonly startedAt: string;
  readonly durationMs: number;
  readonly notes: AttemptNotes;
  /** SOP Instance UIDs that got through, from earlier attempts too. */
  readonly delivered: readonly string[];
  readonly missing: readonly string[];
  readonly failure: HubError | undefined;
  readonly wait: Wait | undefined;
}

/** Everything was sent, and the destination says whether it has it by then. */
export interface Wait {
  readonly until: Date;
  /** What is waited for. */
  readonly detail: string;
}

/** Tells the ledger, and again where it cannot be reached. */
type Record = <Result>(call: () => Promise<Result>) => Promise<Result>;

/** A partner's Retry-After is honoured up to here. */
const MAX_RETRY_AFTER_MS = 3_600_000;
const MAX_DETAIL_LENGTH = 2_000;

export async function recordEnd(ports: AttemptPorts, end: AttemptEnd, record: Record): Promise<void> {
  if (end.failure !== undefined) await recordFailure(ports, end, end.failure, record);
  else if (end.wait !== undefined) await recordWait(ports, end, end.wait, record);
  else await recordSuccess(ports, end, record);
}

async function recordWait(
  ports: AttemptPorts,
  end: AttemptEnd,
  { until, detail }: Wait,
  record: Record,
): Promise<void> {
  const { deliveryId, fence } = end.delivery;
  const attempt: DeliveryAttempt = { ...attemptOf(end), outcome: 'waiting', detail };
  const isRecorded = await record(() => ports.ledger.deliveries.park(deliveryId, fence, attempt, end.delivered, until));
  if (isRecorded)
    ports.log.info('delivery waits to hear whether the destination has it', { until: until.toISOString() });
  else ports.log.warn('delivery was sent under a lease that was lost');
}

async function recordSuccess(ports: AttemptPorts, end: AttemptEnd, record: Record): Promise<void> {
  const { delivery, durationMs } = end;
  const { deliveryId, fence } = delivery;
  const instances = end.items.filter(({ kind }) => kind === 'instance').length;
  const event: NewEvent = { type: 'delivery.succeeded', ...envelopeOf(end), data: { ...factOf(end), instances } };
  const isRecorded = await record(() => ports.ledger.deliveries.succeed(deliveryId, fence, attemptOf(end), [event]));
  if (!isRecorded) {
    ports.log.warn('delivery succeeded under a lease that was lost');
    return;
  }
  ports.metrics.deliveries.increment({ destination: delivery.destination, outcome: 'succeeded' });
  ports.log.info('delivery succeeded', { instances, durationMs });
}

async function recordFailure(ports: AttemptPorts, end: AttemptEnd, failure: HubError, record: Record): Promise<void> {
  const { delivery, durationMs } = end;
  const { deliveryId, fence } = delivery;
  const isCounted = countsAsAttempt(ports, end, failure);
  const retryAt = retryTime(ports, end, failure, isCounted);
  const dead: NewEvent = {
    type: 'delivery.dead-lettered',
    ...envelopeOf(end),
    data: { ...factOf(end), reason: failure.code },
  };
  const about = aboutDestination(end, failure);
  const notes: FailureNotes = { missing: end.missing, isCounted, ...(about === undefined ? {} : { breaker: about }) };
  const isRecorded = await record(() =>
    ports.ledger.deliveries.fail(
      ...([
        deliveryId,
        fence,
        attemptOf(end),
        end.delivered,
        retryAt,
        retryAt === undefined ? [dead] : [],
        notes,
      ] as const),
    ),
  );
  if (!isRecorded) {
    ports.log.warn('delivery failed under a lease that was lost', { code: failure.code });
    return;
  }
  const outcome = retryAt === undefined ? 'dead-lettered' : 'retried';
  ports.metrics.deliveries.increment({ destination: delivery.destination, outcome });
  const fields = { code: failure.code, detail: failure.message, durationMs };
  if (failure.code === 'internal.unexpected') {
    ports.log.error('connector failed unexpectedly', { ...fields, error: failure.cause });
  }
  if (retryAt === undefined) ports.log.error('delivery is a dead letter', fields);
  else ports.log.warn('delivery failed, will be tried again', { ...fields, retryAt: retryAt.toISOString() });
}

function attemptOf({ delivery, startedAt, durationMs, notes, failure }: AttemptEnd): DeliveryAttempt {
  return {
    attempt: delivery.attempt,
    startedAt,
    durationMs,
    outcome: failure === undefined ? 'succeeded' : 'failed',
    ...(failure === undefined
      ? {}
      : { code: failure.code, retry: failure.row.retry, detail: failure.message.slice(0, MAX_DETAIL_LENGTH) }),
    ...(notes.request === undefined ? {} : { request: notes.request }),
    ...(notes.answer === undefined ? {} : { answer: notes.answer }),
    sizeBytes: notes.sizeBytes,
  };
}

/**
 * A failure that is the destination's: it opens its breaker when there are several in a row. A refusal for good is an
 * answer, and closes it. What failed on our side says nothing.
 */
function aboutDestination({ destination }: AttemptEnd, failure: HubError): FailureNotes['breaker'] {
  // `store.full`: only a destination that is a folder says so of itself; our own store is read.
  const isTheirs =
    failure.code.startsWith('partner.') || failure.code === 'delivery.mismatch' || failure.code === 'store.full';
  if (!isTheirs) return undefined;
  return failure.row.retry === 'permanent' ? 'answered' : (destination?.breaker ?? DEFAULT_BREAKER);
}

/**
 * The delivery that goes to see whether its destination is back pays for all that wait: to count its attempts would make
 * dead letters, one by one, of what would arrive a day later. After `patienceMs` they count again, so that two deliveries
 * that no destination can take do not wait for ever. Nor does one count for which the hub's own store was away.
 */
function countsAsAttempt({ clock }: AttemptPorts, end: AttemptEnd, failure: HubError): boolean {
  if (isStoreAway(failure)) return false;
  const { breakerOpenedAt } = end.delivery;
  const about = aboutDestination(end, failure);
  if (breakerOpenedAt === undefined || about === undefined || about === 'answered') return true;
  const { patienceMs } = end.destination?.breaker ?? DEFAULT_BREAKER;
  return clock.now().getTime() - Date.parse(breakerOpenedAt) >= patienceMs;
}

/** When to try again; undefined: never, the delivery is a dead letter. */
function retryTime(
  ports: AttemptPorts,
  { delivery, destination }: AttemptEnd,
  failure: HubError,
  isCounted: boolean,
): Date | undefined {
  switch (failure.row.retry) {
    case 'permanent':
      return undefined;
    // Every connector is idempotent (SOP Instance UID, webhook-id, file name), so what the partner may already have can be repeated.
    case 'ambiguous':
    case 'transient': {
      const policy = destination?.retry ?? DEFAULT_RETRY;
      const delayMs = nextDelayMs(
        isCounted ? policy : { ...policy, attempts: Infinity },
        delivery.attempt,
        ports.random(),
      );
      if (delayMs === undefined) return undefined;
      const asked = failure.fields['retryAfterMs'];
      const askedMs = typeof asked === 'number' ? Math.min(asked, MAX_RETRY_AFTER_MS) : 0;
      return new Date(ports.clock.now().getTime() + Math.max(delayMs, askedMs));
    }
    default:
      return failure.row.retry satisfies never;
  }
}

/** What both ends of a delivery say. */
function factOf({ delivery, destination, items }: AttemptEnd) {
  const partner = destination?.partner;
  return {
    studyInstanceUid: delivery.studyInstanceUid,
    revision: delivery.revision,
    runId: delivery.runId,
    route: delivery.route,
    ...(delivery.configVersion === undefined ? {} : { configVersion: delivery.configVersion }),
    deliveryId: delivery.deliveryId,
    destination: delivery.destination,
    // An event with `partner` reaches the partner's feed. If nothing was released for it, its study UID may be the original one.
    ...(partner === undefined || items.length === 0 ? {} : { partner }),
    releasedStudyInstanceUid: delivery.releasedStudyInstanceUid,
    attempts: delivery.attempt,
  };
}

function envelopeOf({ delivery }: AttemptEnd) {
  return {
    stream: 'hub.delivery.v1',
    key: delivery.studyInstanceUid,
    correlationId: delivery.correlationId,
  } as const;
}
