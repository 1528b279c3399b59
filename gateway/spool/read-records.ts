/** Records on their way to the ledger are read again, once: it is told what is on the disk, and only what was received. */
import { HubError } from '../../core/errors.ts';
import { parseBlobRef } from '../../core/store.ts';
import { damagedDescription } from '../quarantine.ts';
import type { Digested, Guard } from './content.ts';
import type { Digester } from './digester.ts';
import type { Description } from './record.ts';
import type { SpooledRecord } from './recovery.ts';

export interface ReadRecord extends SpooledRecord {
  /** Absent until it was read. */
  digested?: Digested;
}

/**
 * Reads what was not read yet; what a recovery has read it does not read again.
 *
 * @throws {HubError} `store.failed`; then the next attempt begins where this one did
 */
export async function readRecords(records: readonly ReadRecord[], digester: Digester): Promise<void> {
  const unread: ReadRecord[] = [];
  for (const record of records) {
    if (record.digests !== undefined) record.digested = { ...record.digests, isAsReceived: true };
    else if (record.digested === undefined) unread.push(record);
  }
  if (unread.length === 0) return;
  const made = await digester.digest(
    unread.map(({ segment, blob, endOffset, dataSetBytes, description }) => ({
      segment,
      place: { bodyOffset: parseBlobRef(blob).offset, dataSetOffset: endOffset - dataSetBytes, endOffset },
      guard: guardOf(description),
    })),
  );
  for (const [n, record] of unread.entries()) {
    const digests = made[n];
    if (digests !== undefined) record.digested = digests;
  }
}

/** Of a record that was read. */
export function digestsOf({ digested }: ReadRecord): Digested {
  if (digested === undefined) throw new TypeError('a record is told that was not read');
  return digested;
}

/** The record as it is, or what is left of it where its bytes are not what was received any more: the same each time. */
export function asFound(record: ReadRecord): SpooledRecord {
  const { digested, blob, description } = record;
  if (digested?.isAsReceived !== false) return record;
  const error = new HubError('store.missing', { detail: 'changed on the disk before the ledger knew it' });
  return { ...record, description: damagedDescription(blob, error, digested.dataSetSha256, description) };
}

function guardOf({ dataSetCrc32, dataSetSha256 }: Description): Guard {
  return {
    ...(dataSetCrc32 === undefined ? {} : { dataSetCrc32 }),
    ...(dataSetSha256 === undefined ? {} : { dataSetSha256 }),
  };
}
