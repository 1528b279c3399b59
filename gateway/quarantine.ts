/** Refused content is kept in the spool like everything else; the pump puts it on the ledger's quarantine list. */
import { randomUUID } from 'node:crypto';
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
  object: { readonly dataSetSha256: string; readonly receivedAt: string },
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
