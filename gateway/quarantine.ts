/** Refused content is kept in the spool like everything else; the pump puts it on the ledger's quarantine list. */
import { createHash, randomUUID } from 'node:crypto';
import type { HubError } from '../core/errors.ts';
import { isUid } from '../core/identifiers.ts';
import type { Offer } from './offer.ts';
import type { Description } from './spool/record.ts';

const MAX_DETAIL_LENGTH = 500;

/**
 * The record of an object that was refused.
 *
 * Its id is made here and stands in the record, so that telling the ledger twice makes one entry.
 *
 * @param error - its sentence is kept; HubErrors carry no patient value
 */
export function quarantineDescription(
  offer: Offer,
  error: HubError,
  object: { readonly dataSetCrc32: number; readonly dataSetSha256: string; readonly receivedAt: string },
): Extract<Description, { kind: 'quarantine' }> {
  const { studyInstanceUid, sopInstanceUid } = offer.expected;
  return {
    kind: 'quarantine',
    provenance: offer.provenance,
    ...object,
    quarantineId: randomUUID(),
    reason: error.code,
    detail: error.message.slice(0, MAX_DETAIL_LENGTH),
    // What the sender said it was; nothing of a data set that could not be trusted.
    ...(studyInstanceUid !== undefined && isUid(studyInstanceUid) ? { studyInstanceUid } : {}),
    ...(sopInstanceUid !== undefined && isUid(sopInstanceUid) ? { sopInstanceUid } : {}),
  };
}

/**
 * The record of an object whose bytes are not what was received any more.
 *
 * @param place - names the record, the same after each restart
 * @param known - its own description, when that can still be trusted
 */
export function damagedDescription(
  place: string,
  error: HubError,
  dataSetSha256: string,
  known: Description | undefined,
): Extract<Description, { kind: 'quarantine' }> {
  const { studyInstanceUid, sopInstanceUid } = known ?? {};
  return {
    kind: 'quarantine',
    provenance: known?.provenance ?? { door: 'folder', source: 'spool', associationId: place },
    receivedAt: known?.receivedAt ?? new Date(0).toISOString(),
    dataSetSha256,
    quarantineId: quarantineIdOf(place),
    reason: error.code,
    detail: error.message,
    ...(studyInstanceUid === undefined ? {} : { studyInstanceUid }),
    ...(sopInstanceUid === undefined ? {} : { sopInstanceUid }),
  };
}

/** An id that comes out the same each time, so that an entry repeated after a crash is one entry (RFC 9562 Section 5.8). */
export function quarantineIdOf(place: string): string {
  const hex = createHash('sha256').update(place).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
