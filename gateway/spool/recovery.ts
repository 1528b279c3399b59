/**
 * What the ledger was not told of before the hub stopped: the records behind the last known position of each segment.
 * A record that was cut off was never acknowledged: writing and syncing take turns, so nothing acknowledged follows it,
 * and it goes. A record that others follow was written once and changed since: it is quarantined, and they stay.
 */
import { HubError } from '../../core/errors.ts';
import type { SpoolPosition } from '../../core/ledger/instances.ts';
import type { Logger } from '../../core/ports.ts';
import { formatBlobRef } from '../../core/store.ts';
import { damagedDescription } from '../quarantine.ts';
import { type ContentDigests, digested, type Guard, type RecordPlace } from './content.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';
import type { Committed } from './reception.ts';
import {
  HEADER_BYTES,
  RECORD_MAGIC_BYTES,
  SEGMENT_MAGIC,
  decodeLengths,
  decodeRecordHead,
  type Description,
  type RecordHeader,
} from './record.ts';

const REWRITE_BYTES = 1024 * 1024;
const SEARCH_BYTES = 1024 * 1024;
/** Several times what a record of a shared segment may be, and what is written under one sync. */
const MAX_SEARCH_BYTES = 64 * 1024 * 1024;
/** An object made of beginnings of records must not keep the hub from starting. */
const MAX_CANDIDATES = 1_000;

/** An object of the spool and what is said about it. */
export interface SpooledRecord extends Committed {
  readonly description: Description;
  /** Known when a recovery has read it. */
  readonly digests?: ContentDigests;
}

/**
 * Reads, checks and mends every segment behind its position.
 *
 * @returns the records the ledger lacks in the order they were received, those of a segment as they lie there, each durable
 */
export async function recoverSpool(
  files: SpoolFiles,
  positions: readonly SpoolPosition[],
  log: Logger,
): Promise<readonly SpooledRecord[]> {
  const known = new Map(positions.map(({ segment, offset }) => [segment, offset]));
  const records: { readonly record: SpooledRecord; readonly receivedAt: string }[] = [];
  for (const name of await files.list()) {
    const file = await files.open(name);
    try {
      const found = await recoverSegment(name, file, Math.max(known.get(name) ?? 0, SEGMENT_MAGIC.length), log);
      let receivedAt = '';
      for (const record of found.records) {
        // Never before the one in front of it, whatever the clock did: a position tells of all up to it.
        if (record.description.receivedAt > receivedAt) ({ receivedAt } = record.description);
        records.push({ record, receivedAt });
      }
      if (found.isEmpty) await files.remove(name);
    } finally {
      await file.close();
    }
  }
  // As they came, not as their segments began: a large object's segment is older than what arrived meanwhile, and the
  // ledger gives UIDs and patients to whom it hears of first. The sort is stable.
  const order = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);
  return records.sort((one, other) => order(one.receivedAt, other.receivedAt)).map(({ record }) => record);
}

async function recoverSegment(
  name: string,
  file: SpoolFile,
  start: number,
  log: Logger,
): Promise<{ records: readonly SpooledRecord[]; isEmpty: boolean }> {
  const sizeBytes = await file.sizeBytes();
  const records: SpooledRecord[] = [];
  let offset = start;
  let isCut = true;
  while (offset < sizeBytes) {
    const record = await readRecord(name, file, offset, sizeBytes);
    if (record !== undefined) records.push(record);
    const damaged = record === undefined ? await readDamaged(name, file, offset, sizeBytes) : undefined;
    if (damaged !== undefined) {
      log.error('a record of the spool is damaged, what is left of it is quarantined', { segment: name, offset });
      records.push(damaged);
    }
    const next = (record ?? damaged)?.endOffset;
    if (next === undefined) break;
    offset = next;
  }
  if (offset < sizeBytes) {
    isCut =
      (await isTorn(file, offset)) &&
      (await isBoundary(file, start, sizeBytes)) &&
      !(await isFollowed(name, file, offset, sizeBytes));
    const fields = { segment: name, offset, tailBytes: sizeBytes - offset };
    if (isCut && (await isRoom(file, offset, sizeBytes))) log.debug('spool segment had room left', fields);
    else if (isCut) log.warn('spool segment ended in an unfinished record, which is cut off', fields);
    else log.error('spool segment ends in bytes that are no record, they are left where they are', fields);
    if (isCut) await file.truncate(offset);
  }
  if (sizeBytes > start) {
    await rewrite(file, start, offset);
    await file.sync();
  }
  return { records, isEmpty: isCut && offset <= SEGMENT_MAGIC.length };
}

/**
 * Writes what is there once more. After kill -9, or a sync that failed, whole records may be in the page cache only, and
 * after a failed sync the kernel may hold them for clean: a sync alone would say "good" and be wrong. Written again they
 * have to go to the disk, and the ledger hears only of what went there. The bytes do not change, so a power cut in
 * between does no harm.
 */
async function rewrite(file: SpoolFile, start: number, end: number): Promise<void> {
  for (let at = start; at < end; at += REWRITE_BYTES) {
    await file.write([await readAt(file, at, Math.min(REWRITE_BYTES, end - at))], at);
  }
}

/**
 * What a crash leaves of a record that was not acknowledged: a beginning, or nothing but zeros where it should begin. A
 * header that is neither is one that was written and changed since.
 */
async function isTorn(file: SpoolFile, offset: number): Promise<boolean> {
  const head = await readAt(file, offset, HEADER_BYTES);
  return head.length < HEADER_BYTES || head.every((byte) => byte === 0) || decodeLengths(head) !== undefined;
}

/** Nothing but the zeros that are laid behind small records. */
async function isRoom(file: SpoolFile, offset: number, sizeBytes: number): Promise<boolean> {
  for (let at = offset; at < sizeBytes; at += SEARCH_BYTES) {
    const bytes = await readAt(file, at, Math.min(SEARCH_BYTES, sizeBytes - at));
    if (bytes.some((byte) => byte !== 0)) return false;
  }
  return true;
}

/** Whether a record ends there: a position that is not of this file, but of another one of its name, is none to cut by. */
async function isBoundary(file: SpoolFile, position: number, sizeBytes: number): Promise<boolean> {
  let offset = SEGMENT_MAGIC.length;
  while (offset < position) {
    const place = await placeOf(file, offset, sizeBytes);
    if (place === undefined) return false;
    offset = place.endOffset;
  }
  return offset === position;
}

/**
 * Whether a whole record stands anywhere behind: what the disk changed may reach over the end of one record into the head
 * of the next, which then leads nowhere. It is only asked before bytes are cut off. What is found is not taken for
 * received, for an object may hold bytes that look like a record. A large object's file has no magic until it is whole.
 */
async function isFollowed(segment: string, file: SpoolFile, offset: number, sizeBytes: number): Promise<boolean> {
  if (!(await readAt(file, 0, SEGMENT_MAGIC.length)).equals(SEGMENT_MAGIC)) return false;
  const end = Math.min(sizeBytes, offset + MAX_SEARCH_BYTES);
  let candidates = 0;
  for (let at = offset + 1; at < end; at += SEARCH_BYTES) {
    const bytes = await readAt(file, at, SEARCH_BYTES + RECORD_MAGIC_BYTES.length - 1);
    for (let n = bytes.indexOf(RECORD_MAGIC_BYTES); n !== -1; n = bytes.indexOf(RECORD_MAGIC_BYTES, n + 1)) {
      if ((candidates += 1) > MAX_CANDIDATES) return true;
      // What is no description though its checksum holds is none of ours.
      const record = await readRecord(segment, file, at + n, sizeBytes).catch(() => undefined);
      if (record !== undefined) return true;
    }
  }
  return false;
}

/**
 * A record that is not whole though another one follows it: it was written, perhaps acknowledged, and the disk changed
 * it since. It must not take those behind it along, and what is left of it is for somebody to look at. Several in a row
 * may be changed: their heads lead to the whole one.
 */
async function readDamaged(
  segment: string,
  file: SpoolFile,
  offset: number,
  sizeBytes: number,
): Promise<SpooledRecord | undefined> {
  const place = await placeOf(file, offset, sizeBytes);
  if (place === undefined || !(await leadsToRecord(segment, file, place, sizeBytes))) return undefined;
  const head = await readHead(file, offset, place);
  const found = await digested(file, place, NO_GUARD);
  const error = new HubError('store.missing', { detail: 'changed on the disk before the ledger knew it' });
  const description = damagedDescription(`${segment}#${offset}`, error, found.dataSetSha256, head?.description);
  return spooled(segment, place, description, found);
}

async function leadsToRecord(segment: string, file: SpoolFile, from: RecordPlace, sizeBytes: number): Promise<boolean> {
  for (let place: RecordPlace | undefined = from; place !== undefined;) {
    if ((await readRecord(segment, file, place.endOffset, sizeBytes)) !== undefined) return true;
    place = await placeOf(file, place.endOffset, sizeBytes);
  }
  return false;
}

/** The record at `offset`, or undefined when it is not whole. */
async function readRecord(
  segment: string,
  file: SpoolFile,
  offset: number,
  sizeBytes: number,
): Promise<SpooledRecord | undefined> {
  const place = await placeOf(file, offset, sizeBytes);
  const head = place === undefined ? undefined : await readHead(file, offset, place);
  if (place === undefined || head === undefined) return undefined;
  const found = await digested(file, place, head.description);
  return found.isAsReceived ? spooled(segment, place, head.description, found) : undefined;
}

const NO_GUARD: Guard = {};

/** Where a record's header says that its parts are; undefined when that is not in the file. */
export async function placeOf(file: SpoolFile, offset: number, sizeBytes: number): Promise<RecordPlace | undefined> {
  const lengths = decodeLengths(await readAt(file, offset, HEADER_BYTES));
  if (lengths === undefined) return undefined;
  const bodyOffset = offset + HEADER_BYTES + lengths.jsonLength;
  const dataSetOffset = bodyOffset + lengths.prefixLength;
  const endOffset = dataSetOffset + lengths.dataSetLength;
  return endOffset > sizeBytes ? undefined : { bodyOffset, dataSetOffset, endOffset };
}

export async function readHead(file: SpoolFile, offset: number, place: RecordPlace): Promise<RecordHeader | undefined> {
  const prefix = await readAt(file, place.bodyOffset, place.dataSetOffset - place.bodyOffset);
  return decodeRecordHead(await readAt(file, offset, place.bodyOffset - offset), prefix);
}

export function spooled(
  segment: string,
  place: RecordPlace,
  description: Description,
  { sha256, dataSetSha256, prefixCrc32 }: ContentDigests,
): SpooledRecord {
  const { bodyOffset, dataSetOffset, endOffset } = place;
  const sizeBytes = endOffset - bodyOffset;
  const blob = formatBlobRef(`spool/${segment}`, bodyOffset, sizeBytes);
  const dataSetBytes = endOffset - dataSetOffset;
  const digests = { sha256, dataSetSha256, prefixCrc32 };
  return { description, segment, endOffset, blob, sizeBytes, dataSetBytes, digests };
}

async function readAt(file: SpoolFile, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, await file.read(buffer, position));
}
