/**
 * What the ledger was not told of before the hub stopped: the records behind the last known position of each segment.
 * A record that was cut off was never acknowledged; it and what follows it go.
 */
import { createHash } from 'node:crypto';
import type { SpoolPosition } from '../../core/ledger.ts';
import type { Logger } from '../../core/ports.ts';
import { formatBlobRef } from '../../core/store.ts';
import { fileSource } from './byte-sources.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';
import type { Committed } from './reception.ts';
import { HEADER_BYTES, SEGMENT_MAGIC, decodeLengths, decodeRecordHead, type Description } from './record.ts';

/** An object of the spool and what is said about it. */
export interface SpooledRecord extends Committed {
  readonly description: Description;
}

/**
 * Reads, checks and mends every segment behind its position.
 *
 * @returns the records the ledger lacks, oldest segment first, each of them durable
 */
export async function recoverSpool(
  files: SpoolFiles,
  positions: readonly SpoolPosition[],
  log: Logger,
): Promise<readonly SpooledRecord[]> {
  const known = new Map(positions.map(({ segment, offset }) => [segment, offset]));
  const records: SpooledRecord[] = [];
  for (const name of await files.list()) {
    const file = await files.open(name);
    try {
      const found = await recoverSegment(name, file, known.get(name) ?? SEGMENT_MAGIC.length, log);
      records.push(...found.records);
      if (found.isEmpty) await files.remove(name);
    } finally {
      await file.close();
    }
  }
  return records;
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
  if (sizeBytes > start) {
    for (;;) {
      const record = await readRecord(name, file, offset, sizeBytes);
      if (record === undefined) break;
      records.push(record);
      offset = record.endOffset;
    }
    if (offset < sizeBytes) {
      log.warn('spool segment ended in an unfinished record', { segment: name, offset, cutBytes: sizeBytes - offset });
      await file.truncate(offset);
    }
    // After kill -9 whole records may be in the page cache only. The ledger must not point at bytes that a power cut
    // could still take, so they are made durable before anyone hears of them.
    await file.sync();
  }
  return { records, isEmpty: offset <= SEGMENT_MAGIC.length };
}

/** The record at `offset`, or undefined when it is not whole. */
async function readRecord(
  segment: string,
  file: SpoolFile,
  offset: number,
  sizeBytes: number,
): Promise<SpooledRecord | undefined> {
  const lengths = decodeLengths(await readAt(file, offset, HEADER_BYTES));
  if (lengths === undefined) return undefined;
  const bodyOffset = offset + HEADER_BYTES + lengths.jsonLength;
  const dataSetOffset = bodyOffset + lengths.prefixLength;
  const endOffset = dataSetOffset + lengths.dataSetLength;
  if (endOffset > sizeBytes) return undefined;
  const prefix = await readAt(file, bodyOffset, lengths.prefixLength);
  const head = decodeRecordHead(await readAt(file, offset, bodyOffset - offset), prefix);
  if (head === undefined) return undefined;

  const whole = createHash('sha256').update(prefix);
  const dataSet = createHash('sha256');
  for await (const chunk of fileSource(file, dataSetOffset, lengths.dataSetLength).stream()) {
    whole.update(chunk);
    dataSet.update(chunk);
  }
  if (dataSet.digest('hex') !== head.description.dataSetSha256) return undefined;
  const partTenBytes = lengths.prefixLength + lengths.dataSetLength;
  return {
    description: head.description,
    segment,
    endOffset,
    blob: formatBlobRef(`spool/${segment}`, bodyOffset, partTenBytes),
    sizeBytes: partTenBytes,
    sha256: whole.digest('hex'),
  };
}

async function readAt(file: SpoolFile, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, await file.read(buffer, position));
}
