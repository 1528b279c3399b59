/** One attempt at one delivery: what may go, the connector's work under a lease, and whether the destination really has it. */
import { HubError, toHubError } from '../core/errors.ts';
import type { LeasedDelivery } from '../core/ledger/deliveries.ts';
import type { Connector, DeliveryOrder, DestinationOptions } from '../core/plugins.ts';
import type { IsNewerVersion } from '../core/newer-version.ts';
import { withheld } from '../core/partners.ts';
import { recordWhileHeld } from '../core/retry.ts';
import type { RunItem } from '../core/store.ts';
import { AttemptNotes, noting } from './attempt-notes.ts';
import type { AttemptPorts } from './attempt-ports.ts';
import { recordEnd, type Wait } from './attempt-record.ts';
import { keepLease } from './lease.ts';
import { releasedItems } from './release.ts';

/** A destination of the configuration with its connector, opened. */
export interface OpenDestination {
  readonly options: DestinationOptions;
  readonly connector: Connector;
}

/** Another replica may know the destination already. */
const NOT_KNOWN_YET_MS = 5_000;

interface AttemptOptions {
  readonly leaseMs: number;
  /** Of `performance.now()`, before the delivery was asked for. */
  readonly leasedAtMs: number;
  readonly isNewerVersion: IsNewerVersion;
  /** Aborted when the hub stops and has waited long enough. */
  readonly signal: AbortSignal;
}

/** Resolves when the end of the attempt is in the ledger, or the lease was lost and somebody else has the delivery. */
export async function attemptDelivery(
  ports: AttemptPorts,
  delivery: LeasedDelivery,
  destination: OpenDestination | undefined,
  options: AttemptOptions,
): Promise<void> {
  const { deliveryId, destination: name, attempt } = delivery;
  const log = ports.log.child({ deliveryId, destination: name, attempt, correlationId: delivery.correlationId });
  const lease = keepLease({ ...ports, log }, delivery, options.leaseMs, options.leasedAtMs);
  const signal = AbortSignal.any([options.signal, lease.lost]);
  const notes = new AttemptNotes(signal);
  const startedAt = ports.clock.now().toISOString();
  const startMs = performance.now();
  const work: Work = { delivery, delivered: new Set(delivery.delivered), missing: [], items: [] };
  let failure: HubError | undefined;
  try {
    if (destination === undefined) throw new HubError('destination.unknown', { destination: name });
    await noting(notes, () => deliver(ports, work, destination, signal));
  } catch (thrown) {
    failure = toHubError(thrown);
  } finally {
    lease.stop();
  }
  const record = <Result>(call: () => Promise<Result>) => recordWhileHeld(call, lease.heldUntilMs(), options.signal);

  if (failure !== undefined && signal.aborted) {
    // Nobody's failure. Another has the delivery already, or the next to start takes it up where it stands.
    log.info('delivery abandoned', { reason: lease.lost.aborted ? 'lease lost' : 'stopping' });
    if (lease.isTaken()) return;
    const delivered = [...work.delivered];
    await record(() => ports.ledger.deliveries.giveBack(deliveryId, delivery.fence, delivered, ports.clock.now()));
    return;
  }
  if (destination === undefined && (await options.isNewerVersion(delivery.configVersion))) {
    log.warn('delivery waits for a configuration that other replicas have', { configVersion: delivery.configVersion });
    const at = new Date(ports.clock.now().getTime() + NOT_KNOWN_YET_MS);
    await record(() => ports.ledger.deliveries.giveBack(deliveryId, delivery.fence, [...work.delivered], at));
    return;
  }
  const durationMs = Math.round(performance.now() - startMs);
  ports.metrics.duration.observe({ destination: name }, durationMs / 1000);
  ports.metrics.bytes.increment({ destination: name }, notes.sizeBytes);
  await recordEnd(
    { ...ports, log },
    {
      ...{ delivery, destination: destination?.options, items: work.items, startedAt, durationMs, notes },
      ...{ delivered: [...work.delivered], missing: work.missing, failure, wait: work.wait },
    },
    record,
  );
}

interface Work {
  readonly delivery: LeasedDelivery;
  /** SOP Instance UIDs that the destination has confirmed. */
  readonly delivered: Set<string>;
  /** Of these, what it was found not to have. */
  missing: readonly string[];
  /** What the destination is given; empty when nothing may go. */
  items: readonly RunItem[];
  wait?: Wait;
}

/** @throws {HubError} why it has not got there */
async function deliver(
  ports: AttemptPorts,
  work: Work,
  { options, connector }: OpenDestination,
  signal: AbortSignal,
): Promise<void> {
  const { delivery } = work;
  if (options.partner !== undefined) await requireEntitled(ports, options.partner, delivery);
  work.items = releasedItems(delivery.items, {
    partnerThen: delivery.partner,
    partnerNow: options.partner,
    studyInstanceUid: delivery.releasedStudyInstanceUid,
  });
  const order: DeliveryOrder = {
    deliveryId: delivery.deliveryId,
    attempt: delivery.attempt,
    runId: delivery.runId,
    route: delivery.route,
    destination: delivery.destination,
    ...(options.partner === undefined ? {} : { partner: options.partner }),
    studyInstanceUid: delivery.releasedStudyInstanceUid,
    revision: delivery.revision,
    items: work.items,
    delivered: new Set(delivery.delivered),
    revised: new Set(delivery.revised),
    signal,
  };
  await connector.deliver(order, (sopInstanceUid) => work.delivered.add(sopInstanceUid));
  if (options.verify === undefined || options.verify === 'none') return;
  if (connector.reconcile === undefined) {
    throw new HubError('config.invalid', { detail: `${options.type} cannot ask what a destination has: no verify` });
  }
  const { missing, detail, waitUntil } = await connector.reconcile(order);
  if (waitUntil !== undefined) {
    work.wait = { until: waitUntil, detail: detail ?? 'waits for the destination' };
    return;
  }
  if (missing.length === 0) return;
  work.missing = missing;
  for (const sopInstanceUid of missing) work.delivered.delete(sopInstanceUid);
  throw new HubError('delivery.mismatch', {
    missing: missing.length,
    of: work.items.filter(({ kind }) => kind === 'instance').length,
    ...(detail === undefined ? {} : { detail }),
  });
}

/** @throws {HubError} `policy.unsafe` when the partner may not have what the route releases, or nothing from then */
async function requireEntitled(
  { partners, clock }: AttemptPorts,
  name: string,
  { route, createdAt }: LeasedDelivery,
): Promise<void> {
  const partner = await partners.find(name);
  const wanted = { route, atMs: Date.parse(createdAt) };
  const why = partner === undefined ? 'unknown' : withheld(partner, wanted, clock.now().getTime());
  if (why !== undefined) throw new HubError('policy.unsafe', { detail: `the partner is not entitled to it: ${why}` });
}
