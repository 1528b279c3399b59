/**
 * The one way into the hub. All doors stream their bytes into a reception of the spool and then call `ingest`; what it
 * returns, they may acknowledge.
 */
import assert from 'node:assert/strict';
import { HubError, toHubError, type ErrorCode } from '../core/errors.ts';
import type { SeriesInstanceUid, SopClassUid, SopInstanceUid, StudyInstanceUid } from '../core/identifiers.ts';
import { filedExpected, filedExamined, type FileNames } from './filing.ts';
import type { Ledger } from '../core/ledger.ts';
import type { Attributes } from '../core/ledger/common.ts';
import type { RefusedCopy } from '../core/ledger/quarantine.ts';
import type { Clock, Logger } from '../core/ports.ts';
import type { Arrivals, Durable, Known, Verdict } from './arrivals.ts';
import { examine } from './examine.ts';
import type { Examined } from './header/describe.ts';
import type { HeaderReader } from './header/header-reader.ts';
import type { LedgerPatience } from './ledger-patience.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { Offer } from './offer.ts';
import { quarantineDescription } from './quarantine.ts';
import { conflictError, settleConflict, type SameUidPorts, type Settlement } from './same-uid.ts';
import type { SpoolPump } from './spool/pump.ts';
import { type Committed, digestFrom, type ReceivedObject, type Reception } from './spool/reception.ts';
import type { Description } from './spool/record.ts';

export interface IngestPorts extends Pick<SameUidPorts, 'sameUidOf' | 'openReceived'> {
  readonly ledger: Pick<Ledger, 'instances' | 'commitments' | 'quarantine'>;
  readonly patience: LedgerPatience;
  /** Names that what a source sends is filed under; undefined: those it comes with. */
  readonly namesOf: (source: string) => FileNames | undefined;
  readonly arrivals: Arrivals;
  readonly headers: HeaderReader;
  readonly pump: SpoolPump;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An instance its sender may be told Success of. */
export interface Ingested {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly seriesInstanceUid: SeriesInstanceUid;
  readonly sopInstanceUid: SopInstanceUid;
  readonly sopClassUid: SopClassUid;
  readonly sizeBytes: number;
  /** The study it is filed under: another one for what a partner returns. */
  readonly filedStudyInstanceUid: StudyInstanceUid;
}

/**
 * Makes a received object durable.
 *
 * @param reception - all bytes pushed; it is used up, whatever happens
 * @returns when the bytes, and the record that says what they are, would survive the power plug
 * @throws {HubError} why the sender must not be told Success; of readable and unreadable content alike a copy is kept,
 *   unless the sender keeps what cannot be read
 */
export async function ingest(reception: Reception, offer: Offer, hub: IngestPorts): Promise<Ingested> {
  const { door, source } = offer.provenance;
  const startedMs = performance.now();
  try {
    const object = await reception.finish(); // streamed into the spool, refused while the disk is low
    const instance = await validate(reception, object, offer, hub); // unreadable: a copy to quarantine, the caller gets the error
    const filed = filedExamined(instance, hub.namesOf(source)); // what a partner returns meets nobody else's, whatever it claims
    const outcome = await commit(reception, object, filed, offer, hub); // fdatasync, shared with all that waits
    hub.metrics.instances.increment({ door, source, outcome });
    const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, sopClassUid } = instance;
    const { sizeBytes } = object;
    const { studyInstanceUid: filedStudyInstanceUid } = filed;
    return { studyInstanceUid, seriesInstanceUid, sopInstanceUid, sopClassUid, sizeBytes, filedStudyInstanceUid }; // now the caller may answer Success
  } catch (error) {
    const failure = toHubError(error);
    hub.metrics.instances.increment({ door, source, outcome: OUTCOMES[failure.code] ?? 'refused' });
    throw failure;
  } finally {
    hub.metrics.ackSeconds.observe({ door }, (performance.now() - startedMs) / 1000);
    await reception.abandon();
  }
}

const OUTCOMES: Partial<Record<ErrorCode, string>> = {
  'store.full': 'failed',
  'store.failed': 'failed',
  'internal.unexpected': 'failed',
  'dataset.conflict': 'conflict',
  'dataset.conflict-rejected': 'rejected',
  'dataset.patient-mismatch': 'patient-mismatch',
};

async function validate(
  reception: Reception,
  object: ReceivedObject,
  offer: Offer,
  hub: IngestPorts,
): Promise<Examined> {
  try {
    if (offer.refusal !== undefined) throw offer.refusal;
    return await examine(object.source, object.dataSetBytes, offer.expected, hub.headers);
  } catch (error) {
    const refusal = toHubError(error);
    if (offer.isKeptBySender === true) throw refusal;
    const { dataSetCrc32 } = object;
    const expected = filedExpected(offer.expected, hub.namesOf(offer.provenance.source));
    const dataSetSha256 = await object.dataSetSha256();
    const description = quarantineDescription({ ...offer, expected }, refusal, {
      ...{ dataSetCrc32, dataSetSha256 },
      receivedAt: now(hub),
    });
    if (await isHeldAlready({ ...description, dataSetSha256 }, hub)) throw refusal;
    await store(reception, description, hub);
    const { associationId } = offer.provenance;
    hub.log.warn('instance refused, a copy is in quarantine', { code: refusal.code, ...refusal.fields, associationId });
    throw refusal;
  }
}

async function commit(
  reception: Reception,
  object: ReceivedObject,
  instance: Examined,
  offer: Offer,
  hub: IngestPorts,
): Promise<'stored' | 'same' | 'revised'> {
  const { attributes: _, ...identity } = instance;
  const { sopInstanceUid } = identity;
  let dataSetSha256: string | undefined;
  const rule = hub.sameUidOf(offer.provenance.source);
  /** What a conflict with a certain content comes to: finding out takes time, in which another may come. */
  let settled: { readonly against: string; readonly settlement: Settlement } | undefined;
  for (;;) {
    const known = await askLedger(instance, hub);
    const isUnique = known.dataSetSha256 === undefined && !hub.arrivals.has(sopInstanceUid);
    if (!isUnique && (dataSetSha256 === undefined || !hub.arrivals.isComparable(sopInstanceUid))) {
      dataSetSha256 ??= await object.dataSetSha256();
      await hub.arrivals.makeComparable(sopInstanceUid);
      continue; // That took time, in which another may have come, or the ledger heard of it.
    }
    const arrival = { ...identity, dataSetSha256 };
    // From here to `arrivals.add` nothing waits: two copies that come at once cannot both be new.
    const verdict = hub.arrivals.judge(arrival, known);
    if (verdict.kind === 'same') {
      // Success for a repeat is a promise like any other: the first copy has to be durable.
      if (await isFulfilled(verdict.durable)) return 'same';
      continue;
    }
    // The patient of a study is whose instance the ledger hears of first: a refused copy must not come before it.
    if (verdict.kind === 'patient-mismatch' && verdict.durable !== undefined) {
      if (!(await isFulfilled(verdict.durable))) continue;
    }
    if (verdict.kind === 'patient-mismatch' && dataSetSha256 === undefined) {
      dataSetSha256 = await object.dataSetSha256();
      continue;
    }
    if (verdict.kind === 'conflict' && settled?.against !== verdict.against) {
      // A version has to follow something, and a rejection something that stays: if that fails, this one is the first.
      if (verdict.pending !== undefined && !(await isFulfilled(verdict.pending.durable))) continue;
      const settlement = await settleConflict(compared(arrival), object.source, rule, verdict, hub);
      settled = { against: verdict.against, settlement };
      continue;
    }
    let settlement = verdict.kind === 'conflict' ? settled?.settlement : undefined;
    if (settlement === 'same') return 'same';
    // What no record tells a later storage commitment is kept after all.
    if (settlement === 'reject' && !(await isNoted(compared(arrival), offer, hub))) settlement = 'quarantine';
    if (settlement === 'reject') {
      const { studyInstanceUid } = arrival;
      const { associationId } = offer.provenance;
      hub.log.warn('instance rejected, nothing of it is kept', { studyInstanceUid, sopInstanceUid, associationId });
      throw conflictError('reject');
    }
    const isRevision = settlement === 'revise';
    const isTaken = verdict.kind === 'new' || isRevision;
    if (!isTaken) {
      const refusal = refusalOf(verdict, settlement);
      if (await isHeldAlready({ ...compared(arrival), reason: refusal.code }, hub)) throw refusal;
    }
    const description: Description = {
      kind: 'instance',
      provenance: offer.provenance,
      receivedAt: now(hub),
      dataSetCrc32: object.dataSetCrc32,
      ...identity,
      // The ledger decides again, and by this, whatever the configuration says by then.
      ...((isTaken || settlement === 'patient-mismatch') && rule !== 'quarantine' ? { sameUid: rule } : {}),
    };
    const durable = store(reception, description, hub, instance.attributes);
    if (isTaken) {
      hub.arrivals.add(arrival, description, durable, isRevision);
      try {
        await durable;
      } catch (error) {
        hub.arrivals.forget(description);
        throw error;
      }
      return isRevision ? 'revised' : 'stored';
    }
    // Stored like the others: when the pump tells the ledger, it sees the same and quarantines what must be.
    await durable;
    throw refusalOf(verdict, settlement);
  }
}

function refusalOf(verdict: Verdict, settlement: Settlement | undefined): HubError {
  return verdict.kind === 'conflict' ? conflictError(settlement) : new HubError('dataset.patient-mismatch');
}

async function store(
  reception: Reception,
  description: Description,
  hub: IngestPorts,
  attributes?: Attributes,
): Promise<Durable> {
  const committed = await reception.commit(description);
  // Nothing may come between: a durable record the pump does not know of would be passed over by the next position.
  hub.pump.add({ ...committed, description }, attributes);
  const { door, source } = description.provenance;
  hub.metrics.bytes.increment({ door, source }, committed.sizeBytes);
  return { dataSetSha256: async () => readDigest(committed, hub) };
}

async function readDigest(
  { blob, sizeBytes, dataSetBytes }: Committed,
  { openReceived }: IngestPorts,
): Promise<string> {
  const stored = await openReceived(blob);
  try {
    return await digestFrom(stored, sizeBytes - dataSetBytes);
  } finally {
    await stored.close();
  }
}

/** Where there is a conflict something was compared. */
function compared<Of extends { readonly dataSetSha256?: string | undefined }>(
  arrival: Of,
): Of & { readonly dataSetSha256: string } {
  const { dataSetSha256 } = arrival;
  assert(dataSetSha256 !== undefined);
  return { ...arrival, dataSetSha256 };
}

/** A ledger that is down or slow costs the sender a moment, not the acknowledgement: the pump's record decides later. */
async function askLedger(instance: Examined, hub: IngestPorts): Promise<Known> {
  const { sopInstanceUid, studyInstanceUid } = instance;
  const known = await hub.patience.ask(() => hub.ledger.instances.known(sopInstanceUid, studyInstanceUid));
  return known ?? {};
}

/** Nothing of a rejected copy is kept, so the ledger has to know that there was one before its sender does. */
async function isNoted(
  { sopInstanceUid, dataSetSha256 }: { readonly sopInstanceUid: string; readonly dataSetSha256: string },
  { provenance }: Offer,
  { ledger, patience }: IngestPorts,
): Promise<boolean> {
  const copy = { sopInstanceUid, dataSetSha256, source: provenance.source };
  const noted = await patience.ask(async () => {
    await ledger.commitments.rejected(copy);
    return true;
  });
  return noted ?? false;
}

/** A sender that tries again fills no disk: what is held already is counted, and not kept once more. */
async function isHeldAlready(copy: RefusedCopy, { ledger, patience, log }: IngestPorts): Promise<boolean> {
  const { reason, dataSetSha256, sopInstanceUid } = copy;
  const isHeld = await patience.ask(() => ledger.quarantine.repeated({ reason, dataSetSha256, sopInstanceUid }));
  if (isHeld === true) log.debug('instance refused again, a copy is in quarantine already', { reason, sopInstanceUid });
  return isHeld === true;
}

async function isFulfilled(promise: Promise<unknown>): Promise<boolean> {
  return promise.then(
    () => true,
    () => false,
  );
}

function now(hub: IngestPorts): string {
  return hub.clock.now().toISOString();
}
