/** What becomes of an instance whose SOP Instance UID is taken by other bytes. */
import { HubError } from '../core/errors.ts';
import type { Ledger } from '../core/ledger.ts';
import type { InstanceVersion, SameUidRule } from '../core/ledger/instances.ts';
import type { Logger } from '../core/ports.ts';
import type { BlobRef, ByteSource } from '../core/store.ts';
import type { Arrival, Conflict } from './arrivals.ts';
import type { LedgerPatience } from './ledger-patience.ts';
import { haveSameContent } from './same-content.ts';

export interface SameUidPorts {
  readonly ledger: { readonly instances: Pick<Ledger['instances'], 'versions'> };
  readonly patience: LedgerPatience;
  readonly log: Logger;
  readonly sameUidOf: (source: string) => SameUidRule;
  /** The Part 10 bytes of what was received. */
  readonly openReceived: (blob: BlobRef) => Promise<ByteSource>;
}

/**
 * `same`: it is there already, in another transfer syntax or as a version that was replaced. `revise`: it becomes the
 * current version. `reject`: nothing of it is kept. The others: an error for the sender, and a copy is held.
 */
export type Settlement = 'same' | 'revise' | 'reject' | 'quarantine' | 'patient-mismatch';

/**
 * Decides as the ledger's own transaction will: where this cannot be known it is `quarantine`, which keeps everything.
 *
 * @param conflict - what it is in the way of is durable, or recorded
 */
export async function settleConflict(
  arrival: Arrival & { readonly transferSyntaxUid: string; readonly dataSetSha256: string },
  source: ByteSource,
  rule: SameUidRule,
  conflict: Conflict,
  ports: SameUidPorts,
): Promise<Settlement> {
  const versions = await versionsOf(arrival, ports);
  if (versions.some(({ dataSetSha256 }) => dataSetSha256 === arrival.dataSetSha256)) return 'same';
  const current = versions.find(({ isCurrent }) => isCurrent);
  // What waits to be recorded is not compared: a moment later it could be, and until then both are kept as told.
  if (conflict.pending === undefined && current !== undefined && (await isSame(arrival, source, current, ports))) {
    return 'same';
  }
  if (rule === 'reject') return 'reject';
  const place = conflict.pending ?? current;
  const isOfSamePlace =
    place?.studyInstanceUid === arrival.studyInstanceUid && place.seriesInstanceUid === arrival.seriesInstanceUid;
  if (rule !== 'keep-both-as-revision' || !isOfSamePlace) return 'quarantine';
  return conflict.isOtherPatient ? 'patient-mismatch' : 'revise';
}

/** What a sender is told of it. */
export function conflictError(settlement: Settlement | undefined): HubError {
  if (settlement === 'patient-mismatch') return new HubError('dataset.patient-mismatch');
  return new HubError(settlement === 'reject' ? 'dataset.conflict-rejected' : 'dataset.conflict');
}

async function versionsOf(
  { sopInstanceUid }: Arrival,
  { ledger, patience }: SameUidPorts,
): Promise<readonly InstanceVersion[]> {
  return (await patience.ask(() => ledger.instances.versions(sopInstanceUid))) ?? [];
}

async function isSame(
  { transferSyntaxUid }: { readonly transferSyntaxUid: string },
  source: ByteSource,
  current: InstanceVersion,
  { openReceived, log }: SameUidPorts,
): Promise<boolean> {
  if (current.transferSyntaxUid === transferSyntaxUid) return false;
  try {
    const stored = await openReceived(current.blob);
    try {
      return await haveSameContent(
        { source, transferSyntaxUid },
        { source: stored, transferSyntaxUid: current.transferSyntaxUid },
      );
    } finally {
      await stored.close();
    }
  } catch (error) {
    // It may have been moved or removed at this moment: then they count as different, and both are kept.
    log.warn('instances with one SOP Instance UID could not be compared', { reason: String(error) });
    return false;
  }
}
