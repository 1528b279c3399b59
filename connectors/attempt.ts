/** One attempt at one delivery: what may go, the connector's work under a lease, and how its end is recorded. */
import { HubError, toHubError } from '../core/errors.ts';
import type { DeliveryAttempt, LeasedDelivery, Ledger, NewEvent } from '../core/ledger.ts';
import type { Connector, DestinationOptions } from '../core/plugins.ts';
import type { Clock, Logger } from '../core/ports.ts';
import { DEFAULT_RETRY, nextDelayMs } from '../core/retry.ts';
import type { RunItem } from '../core/store.ts';
import type { DeliveryMetrics } from './metrics.ts';
import { releasedItems } from './release.ts';

/** A destination of the configuration with its connector, opened. */
export interface OpenDestination {
  readonly options: DestinationOptions;
  readonly connector: Connector;
}

export interface AttemptPorts {
  readonly ledger: Pick<Ledger, 'deliveries'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: DeliveryMetrics;
}

interface AttemptOptions {
  readonly leaseMs: number;
  /** Aborted when the hub stops and has waited long enough. */
  readonly signal: AbortSignal;
}

/** A partner's Retry-After is honoured up to here. */
const MAX_RETRY_AFTER_MS = 3_600_000;
const MAX_DETAIL_LENGTH = 2_000;

/** Resolves when the end of the attempt is in the ledger, or the lease was lost and somebody else has the delivery. */
export async function attemptDelivery(
  ports: AttemptPorts,
  delivery: LeasedDelivery,
  destination: OpenDestination | undefined,
  options: AttemptOptions,
): Promise<void> {
  const { deliveryId, destination: name, attempt } = delivery;
  const log = ports.log.child({ deliveryId, destination: name, attempt, correlationId: delivery.correlationId });
  const lost = new AbortController();
  const lease = keepLease(ports, delivery, options.leaseMs, () => lost.abort());
  const signal = AbortSignal.any([options.signal, lost.signal]);
  const startedAt = ports.clock.now().toISOString();
  const startMs = performance.now();
  const delivered = new Set(delivery.delivered);
  let items: readonly RunItem[] = [];
  let failure: HubError | undefined;
  try {
    if (destination === undefined) throw new HubError('destination.unknown', { destination: name });
    items = releasedItems(delivery.items, {
      partnerThen: delivery.partner,
      partnerNow: destination.options.partner,
      studyInstanceUid: delivery.releasedStudyInstanceUid,
    });
    await destination.connector.deliver(
      {
        deliveryId,
        attempt,
        runId: delivery.runId,
        route: delivery.route,
        destination: name,
        ...(destination.options.partner === undefined ? {} : { partner: destination.options.partner }),
        studyInstanceUid: delivery.releasedStudyInstanceUid,
        revision: delivery.revision,
        items,
        delivered: new Set(delivery.delivered),
        revised: new Set(delivery.revised),
        signal,
      },
      (sopInstanceUid) => delivered.add(sopInstanceUid),
    );
  } catch (thrown) {
    failure = toHubError(thrown);
  } finally {
    clearInterval(lease);
  }

  if (failure !== undefined && signal.aborted) {
    // Nobody's failure. Another has the delivery already, or the next to start takes it up where it stands.
    log.info('delivery abandoned', { reason: lost.signal.aborted ? 'lease lost' : 'stopping' });
    if (!lost.signal.aborted)
      await ports.ledger.deliveries.giveBack(deliveryId, delivery.fence, [...delivered], ports.clock.now());
    return;
  }
  const durationMs = Math.round(performance.now() - startMs);
  ports.metrics.duration.observe({ destination: name }, durationMs / 1000);
  const outcome: AttemptEnd = { delivery, destination, items, startedAt, durationMs, log };
  if (failure === undefined) await recordSuccess(ports, outcome);
  else await recordFailure(ports, outcome, failure, [...delivered]);
}

interface AttemptEnd {
  readonly delivery: LeasedDelivery;
  readonly destination: OpenDestination | undefined;
  /** What the destination was given; empty when nothing might go. */
  readonly items: readonly RunItem[];
  readonly startedAt: string;
  readonly durationMs: number;
  readonly log: Logger;
}

async function recordSuccess(ports: AttemptPorts, end: AttemptEnd): Promise<void> {
  const { delivery, startedAt, durationMs, log } = end;
  const { deliveryId, fence, attempt } = delivery;
  const instances = countInstances(end.items);
  const isRecorded = await ports.ledger.deliveries.succeed(
    deliveryId,
    fence,
    { attempt, startedAt, durationMs, outcome: 'succeeded' },
    [{ type: 'delivery.succeeded', ...envelopeOf(end), data: { ...factOf(end), instances } }],
  );
  if (!isRecorded) {
    log.warn('delivery succeeded under a lease that was lost');
    return;
  }
  ports.metrics.deliveries.increment({ destination: delivery.destination, outcome: 'succeeded' });
  log.info('delivery succeeded', { instances, durationMs });
}

async function recordFailure(
  ports: AttemptPorts,
  end: AttemptEnd,
  failure: HubError,
  delivered: readonly string[],
): Promise<void> {
  const { delivery, startedAt, durationMs, log } = end;
  const { deliveryId, fence, attempt } = delivery;
  const retryAt = retryTime(ports, end, failure);
  const entry: DeliveryAttempt = {
    attempt,
    startedAt,
    durationMs,
    outcome: 'failed',
    code: failure.code,
    retry: failure.row.retry,
    detail: failure.message.slice(0, MAX_DETAIL_LENGTH),
  };
  const dead: NewEvent = {
    type: 'delivery.dead-lettered',
    ...envelopeOf(end),
    data: { ...factOf(end), reason: failure.code },
  };
  if (
    !(await ports.ledger.deliveries.fail(
      deliveryId,
      fence,
      entry,
      delivered,
      retryAt,
      retryAt === undefined ? [dead] : [],
    ))
  ) {
    log.warn('delivery failed under a lease that was lost', { code: failure.code });
    return;
  }
  const outcome = retryAt === undefined ? 'dead-lettered' : 'retried';
  ports.metrics.deliveries.increment({ destination: delivery.destination, outcome });
  const fields = { code: failure.code, detail: failure.message, durationMs };
  if (failure.code === 'internal.unexpected')
    log.error('connector failed unexpectedly', { ...fields, error: failure.cause });
  if (retryAt === undefined) log.error('delivery is a dead letter', fields);
  else log.warn('delivery failed, will be tried again', { ...fields, retryAt: retryAt.toISOString() });
}

/** When to try again; undefined: never, the delivery is a dead letter. */
function retryTime(ports: AttemptPorts, { delivery, destination }: AttemptEnd, failure: HubError): Date | undefined {
  switch (failure.row.retry) {
    case 'permanent':
      return undefined;
    // Every connector is idempotent (SOP Instance UID, webhook-id, file name), so what the partner may already have can be repeated.
    case 'ambiguous':
    case 'transient': {
      const delayMs = nextDelayMs(destination?.options.retry ?? DEFAULT_RETRY, delivery.attempt, ports.random());
      if (delayMs === undefined) return undefined;
      const asked = failure.fields['retryAfterMs'];
      const askedMs = typeof asked === 'number' ? Math.min(asked, MAX_RETRY_AFTER_MS) : 0;
      return new Date(ports.clock.now().getTime() + Math.max(delayMs, askedMs));
    }
    default:
      return failure.row.retry satisfies never;
  }
}

/** Renews each third of the lease, so that one slow or failed renewal does not lose it. */
function keepLease(
  { ledger, clock, log }: AttemptPorts,
  { deliveryId, fence }: LeasedDelivery,
  leaseMs: number,
  onLost: () => void,
): NodeJS.Timeout {
  return setInterval(() => {
    ledger.deliveries.renew(deliveryId, fence, leaseMs, clock.now()).then(
      (isOurs) => {
        if (!isOurs) onLost();
      },
      (error: unknown) => log.warn('lease could not be renewed', { error: toHubError(error).message }),
    );
  }, leaseMs / 3);
}

/** What both ends of a delivery say. */
function factOf({ delivery, destination, items }: AttemptEnd) {
  const partner = destination?.options.partner;
  return {
    studyInstanceUid: delivery.studyInstanceUid,
    revision: delivery.revision,
    runId: delivery.runId,
    route: delivery.route,
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

function countInstances(items: readonly RunItem[]): number {
  return items.filter(({ kind }) => kind === 'instance').length;
}
