/**
 * How an object stands in a segment: a header that describes it, then its Part 10 bytes. A segment can be read without
 * anything else, so the ledger can be told again what it missed.
 *
 *   segment  = SEGMENT_MAGIC record*
 *   record   = header JSON prefix data-set           prefix: preamble and file meta information, written by the hub
 *   header   = magic u32 | JSON length u32 | prefix length u32 | data set length u64 | CRC-32 u32    (little endian)
 *
 * The CRC covers the header, the JSON and the prefix; the one in the JSON covers the data set. A record whose checksums
 * hold was written to its last byte. Format 1 has the data set's SHA-256 in its place, and is read like format 2: a
 * digest that no peer can forge costs more than all else an acknowledgement needs, and none is needed for it. It is made
 * from the record, for the ledger, which tells contents and promises by it.
 */
import { crc32 } from 'node:zlib';
import * as z from 'zod';

/** First bytes of every segment. */
export const SEGMENT_MAGIC = Buffer.from('HUB SPOOL 000002');
export const HEADER_BYTES = 24;
/** Room kept in front of an object that is written while its description is not known yet. */
export const RESERVED_BYTES = 4096;

/** First bytes of every record. */
export const RECORD_MAGIC_BYTES = Buffer.from('HREC');
const RECORD_MAGIC = RECORD_MAGIC_BYTES.readUInt32LE();
const MAX_JSON_BYTES = 65_536;
const MAX_PREFIX_BYTES = 65_536;

const uid = z.string().regex(/^[0-9.]{1,64}$/);
const provenance = z.strictObject({
  door: z.enum(['dimse', 'stow-rs', 'folder']),
  source: z.string(),
  callingAeTitle: z.string().optional(),
  calledAeTitle: z.string().optional(),
  associationId: z.string(),
});
const common = {
  provenance,
  receivedAt: z.string(),
  dataSetCrc32: z.int().min(0).max(0xffff_ffff).optional(),
  /** Format 1. */
  dataSetSha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
};
const descriptionSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('instance'),
    ...common,
    studyInstanceUid: uid,
    seriesInstanceUid: uid,
    sopInstanceUid: uid,
    sopClassUid: uid,
    transferSyntaxUid: uid,
    patientDigest: z.string(),
    /** What it means when its UID is known; absent is quarantine. */
    sameUid: z.enum(['reject', 'keep-both-as-revision', 'quarantine']).optional(),
  }),
  z.strictObject({
    kind: z.literal('quarantine'),
    ...common,
    quarantineId: z.uuid(),
    reason: z.string(),
    detail: z.string(),
    studyInstanceUid: uid.optional(),
    sopInstanceUid: uid.optional(),
  }),
]);
const writtenSchema = descriptionSchema.refine(
  ({ dataSetCrc32, dataSetSha256 }) => dataSetCrc32 !== undefined || dataSetSha256 !== undefined,
  'nothing says what its data set was',
);

/** What a record says about its object. `quarantine`: refused content, kept for whoever looks into it. */
export type Description = z.infer<typeof descriptionSchema>;

export interface RecordHeader {
  readonly description: Description;
  readonly prefixLength: number;
  readonly dataSetLength: number;
  /** Header, JSON and the room behind it; the Part 10 bytes start here. */
  readonly headLength: number;
}

/**
 * Header, JSON and, when not reserved, nothing more: the prefix follows as bytes of the object.
 *
 * @param reserved - pads the JSON so that the result has exactly this length
 */
export function encodeRecordHead(
  description: Description,
  prefix: Uint8Array,
  dataSetLength: number,
  reserved?: number,
): Buffer {
  let json = JSON.stringify(description);
  if (reserved !== undefined) {
    const room = reserved - HEADER_BYTES - Buffer.byteLength(json);
    if (room < 0) throw new RangeError(`a description of ${json.length} bytes has no room`);
    json += ' '.repeat(room);
  }
  const jsonLength = Buffer.byteLength(json);
  const head = Buffer.allocUnsafe(HEADER_BYTES + jsonLength);
  head.writeUInt32LE(RECORD_MAGIC, 0);
  head.writeUInt32LE(jsonLength, 4);
  head.writeUInt32LE(prefix.length, 8);
  head.writeBigUInt64LE(BigInt(dataSetLength), 12);
  head.write(json, HEADER_BYTES);
  head.writeUInt32LE(checksum(head, prefix), 20);
  return head;
}

/** Lengths from the first 24 bytes; undefined when they are not a record's. */
export function decodeLengths(
  head: Buffer,
): { jsonLength: number; prefixLength: number; dataSetLength: number } | undefined {
  if (head.length < HEADER_BYTES || head.readUInt32LE(0) !== RECORD_MAGIC) return undefined;
  const jsonLength = head.readUInt32LE(4);
  const prefixLength = head.readUInt32LE(8);
  const dataSetLength = Number(head.readBigUInt64LE(12));
  const isPlausible =
    jsonLength <= MAX_JSON_BYTES && prefixLength <= MAX_PREFIX_BYTES && Number.isSafeInteger(dataSetLength);
  return isPlausible ? { jsonLength, prefixLength, dataSetLength } : undefined;
}

/**
 * The whole head of a record.
 *
 * @param head - header and JSON as `decodeLengths` measured them
 * @returns undefined when the checksum does not hold: the write was cut off
 */
export function decodeRecordHead(head: Buffer, prefix: Uint8Array): RecordHeader | undefined {
  const lengths = decodeLengths(head);
  if (lengths === undefined || head.readUInt32LE(20) !== checksum(head, prefix)) return undefined;
  const description = writtenSchema.parse(JSON.parse(head.toString('utf8', HEADER_BYTES)));
  return {
    description,
    prefixLength: lengths.prefixLength,
    dataSetLength: lengths.dataSetLength,
    headLength: head.length,
  };
}

function checksum(head: Buffer, prefix: Uint8Array): number {
  return crc32(prefix, crc32(head.subarray(HEADER_BYTES), crc32(head.subarray(0, 20))));
}
