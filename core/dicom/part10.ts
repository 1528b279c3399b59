/** DICOM files (PS3.10 Section 7): reading the header without the pixels, checking the pixels' extent, writing file meta. */
import { HubError } from '../errors.ts';
import type { ByteSource } from '../store.ts';
import { DataSet, encodingOf, requireTransferSyntax } from './data-set.ts';
import type { Item } from './element.ts';
import { encodeElement, textElementBytes, writeTextElement } from './encode-element.ts';
import { inflateAside } from './inflate.ts';
import { isPixelDataTag, TAG } from './tags.ts';
import { hasLongHeader, isPixelDataOrLater, MoreBytesNeeded, UNDEFINED_LENGTH, unreadable, walk } from './walker.ts';

/** Root of our own UIDs: a UUID under 2.25 (PS3.5 Section B.2), fixed for this implementation. */
export const IMPLEMENTATION_CLASS_UID = '2.25.146934471093412650347586213850127738215';
export const IMPLEMENTATION_VERSION_NAME = 'IMAGING_HUB_0_1';

/** PS3.10 Section 8: the index of a medium (DICOMDIR); it holds names of patients, and no instance. */
export const MEDIA_STORAGE_DIRECTORY = '1.2.840.10008.1.3.10';

const PREAMBLE_LENGTH = 128;
const FIRST_READ_BYTES = 64 * 1024;
const LARGEST_ROOM_BYTES = 1024 * 1024;
/** Everything before the pixel data has to fit; the largest multi-frame headers met are about 30 MiB. */
const HEADER_LIMIT_BYTES = 64 * 1024 * 1024;
/** A deflated object is inflated in memory. */
const DEFLATED_LIMIT_BYTES = 256 * 1024 * 1024;

export interface Part10Header {
  readonly meta: DataSet;
  /** Up to the pixel data, or whole where there is none. */
  readonly dataSet: DataSet;
  readonly transferSyntaxUid: string;
  /** Where the data set begins in the source. */
  readonly dataSetOffset: number;
  /** The bytes the elements of `dataSet` are positions in: the source's beginning, or the inflated data set. */
  readonly bytes: Uint8Array;
  /** The whole inflated data set, when the transfer syntax is deflated: then offsets below are in it. */
  readonly inflated?: Uint8Array;
  readonly pixelData?: PixelDataPlace;
  /** Where the header ends: at the pixel data, or behind the last element. */
  readonly end: number;
}

/** Where the pixel data is, in the source or in `inflated`. */
export interface PixelDataPlace {
  readonly tag: number;
  readonly vr: string;
  /** Of the value; the element's own header is before it. */
  readonly offset: number;
  readonly elementOffset: number;
  /** `undefined` when encapsulated in fragments. */
  readonly length: number | undefined;
}

/** Memory that one header after the other is read into: each is good until the next one is read. */
export class HeaderRoom {
  #bytes = new Uint8Array(FIRST_READ_BYTES);

  /** @returns `undefined` for what is too much to be kept */
  of(sizeBytes: number): Uint8Array | undefined {
    if (sizeBytes > LARGEST_ROOM_BYTES) return undefined;
    if (sizeBytes > this.#bytes.length) this.#bytes = new Uint8Array(sizeBytes);
    return this.#bytes.subarray(0, sizeBytes);
  }
}

/**
 * Reads file meta information and data set up to the pixel data, in growing steps, so that pixels are not read.
 *
 * @param room - where it may be read into; otherwise every header has memory of its own
 * @throws {HubError} `dataset.empty`, `dataset.unreadable` with `offset`, `dataset.transfer-syntax-unknown`
 */
export async function readHeader(source: ByteSource, room?: HeaderRoom): Promise<Part10Header> {
  if (source.sizeBytes === 0) throw new HubError('dataset.empty', {});
  for (let size = FIRST_READ_BYTES; ; size *= 4) {
    const bytes = await readBeginning(source, Math.min(size, HEADER_LIMIT_BYTES, source.sizeBytes), room);
    try {
      const meta = readMeta(bytes, source.sizeBytes);
      if (requireTransferSyntax(meta.transferSyntaxUid).deflated) return await readDeflated(source, meta);
      return parseHeader(bytes, source.sizeBytes, meta);
    } catch (error) {
      if (!(error instanceof MoreBytesNeeded)) throw error;
      if (bytes.length >= source.sizeBytes) throw unreadable('ends-inside-element', source.sizeBytes);
      if (bytes.length >= HEADER_LIMIT_BYTES) throw unreadable('header-too-large', HEADER_LIMIT_BYTES);
    }
  }
}

async function readBeginning(source: ByteSource, sizeBytes: number, room?: HeaderRoom): Promise<Uint8Array> {
  const bytes = source.readInto === undefined ? undefined : room?.of(sizeBytes);
  if (bytes === undefined) return source.read(0, sizeBytes);
  await source.readInto?.(bytes, 0);
  return bytes;
}

/**
 * Where the data set of a whole Part 10 file begins; the data set itself is not looked at.
 *
 * @throws {HubError} `dataset.unreadable` with `offset`
 */
export function dataSetOffset(file: Uint8Array): number {
  try {
    return readMeta(file, file.byteLength).dataSetOffset;
  } catch (error) {
    throw error instanceof MoreBytesNeeded ? unreadable('ends-inside-element', file.byteLength) : error;
  }
}

/**
 * Reads the whole object into memory, pixel data included as an element of `dataSet`.
 *
 * @throws {HubError} as `readHeader`, and `dataset.unreadable` when pixel data or what follows it is cut off
 */
export async function readDataSet(source: ByteSource): Promise<Part10Header> {
  const header = await readHeader(source);
  const bytes = header.inflated ?? (await source.read(0, source.sizeBytes));
  const start = header.inflated === undefined ? header.dataSetOffset : 0;
  const encoding = encodingOf(requireTransferSyntax(header.transferSyntaxUid));
  try {
    const { root, end } = walk(bytes, encoding, { start });
    return { ...header, dataSet: new DataSet(root), bytes, end };
  } catch (error) {
    throw error instanceof MoreBytesNeeded ? unreadable('ends-inside-element', bytes.length) : error;
  }
}

/**
 * Checks that the pixel data is all there, without reading it: fragments are counted by their headers.
 *
 * @returns the offset behind the pixel data element; of the header's end where there is no pixel data
 * @throws {HubError} `dataset.unreadable` with `offset` when it is cut off or its fragments are broken
 */
export async function checkPixelData(source: ByteSource, header: Part10Header): Promise<number> {
  const place = header.pixelData;
  if (place === undefined) return header.end;
  const size = header.inflated?.length ?? source.sizeBytes;
  if (place.length !== undefined) {
    if (place.offset + place.length > size) throw unreadable('pixel-data-cut-off', place.elementOffset);
    return place.offset + place.length;
  }
  let last = 0;
  for await (const fragment of fragments(source, header, place)) last = fragment.offset + fragment.length;
  // The Sequence Delimitation Item, which `fragments` has seen.
  return (last === 0 ? place.offset : last) + 8;
}

/** One fragment of encapsulated pixel data, in the source (or `inflated`); the first one is the Basic Offset Table. */
export interface FragmentPlace {
  readonly offset: number;
  readonly length: number;
}

/** The fragments of encapsulated pixel data in order. @throws {HubError} `dataset.unreadable` with `offset` */
export async function* fragments(
  source: ByteSource,
  header: Part10Header,
  place: PixelDataPlace,
): AsyncGenerator<FragmentPlace> {
  const size = header.inflated?.length ?? source.sizeBytes;
  let offset = place.offset;
  while (true) {
    if (offset + 8 > size) throw unreadable('pixel-data-cut-off', offset);
    const bytes = header.inflated?.subarray(offset, offset + 8) ?? (await source.read(offset, 8));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const tag = (view.getUint16(0, true) * 0x10000 + view.getUint16(2, true)) >>> 0;
    const length = view.getUint32(4, true);
    if (tag === TAG.SequenceDelimitationItem) return;
    if (tag !== TAG.Item) throw unreadable('fragment-expected', offset);
    if (offset + 8 + length > size) throw unreadable('pixel-data-cut-off', offset);
    yield { offset: offset + 8, length };
    offset += 8 + length;
  }
}

export interface FileMetaFields {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly sourceAeTitle?: string;
}

const PREAMBLE_AND_PREFIX = Buffer.concat([new Uint8Array(PREAMBLE_LENGTH), Buffer.from('DICM', 'latin1')]);
const META_VERSION = encodeElement(TAG.FileMetaInformationVersion, 'OB', Uint8Array.of(0, 1));
const GROUP_LENGTH = Buffer.from(encodeElement(TAG.FileMetaInformationGroupLength, 'UL', new Uint8Array(4)));
const IMPLEMENTATION = Buffer.concat([
  encodeElement(TAG.ImplementationClassUID, 'UI', IMPLEMENTATION_CLASS_UID),
  encodeElement(TAG.ImplementationVersionName, 'SH', IMPLEMENTATION_VERSION_NAME),
]);

/** Preamble of zeros, `DICM` and the group 2 elements (PS3.10 Table 7.1-1), always explicit VR little endian. */
export function fileMeta(fields: FileMetaFields): Uint8Array {
  const { sopClassUid, sopInstanceUid, transferSyntaxUid, sourceAeTitle } = fields;
  // One a received instance: written in place, for elements made one by one and put together cost five times as much.
  const length =
    META_VERSION.length +
    IMPLEMENTATION.length +
    textElementBytes(sopClassUid) +
    textElementBytes(sopInstanceUid) +
    textElementBytes(transferSyntaxUid) +
    (sourceAeTitle === undefined ? 0 : textElementBytes(sourceAeTitle));
  const bytes = Buffer.allocUnsafe(PREAMBLE_AND_PREFIX.length + GROUP_LENGTH.length + length);
  let at = PREAMBLE_AND_PREFIX.copy(bytes);
  at += GROUP_LENGTH.copy(bytes, at);
  bytes.writeUInt32LE(length, at - 4);
  bytes.set(META_VERSION, at);
  at = writeTextElement(bytes, at + META_VERSION.length, TAG.MediaStorageSOPClassUID, 'UI', sopClassUid);
  at = writeTextElement(bytes, at, TAG.MediaStorageSOPInstanceUID, 'UI', sopInstanceUid);
  at = writeTextElement(bytes, at, TAG.TransferSyntaxUID, 'UI', transferSyntaxUid);
  at += IMPLEMENTATION.copy(bytes, at);
  if (sourceAeTitle !== undefined) writeTextElement(bytes, at, TAG.SourceApplicationEntityTitle, 'AE', sourceAeTitle);
  return bytes;
}

interface Meta {
  readonly meta: DataSet;
  readonly transferSyntaxUid: string;
  readonly dataSetOffset: number;
}

function readMeta(bytes: Uint8Array, sizeBytes: number): Meta {
  const magic = bytes.subarray(PREAMBLE_LENGTH, PREAMBLE_LENGTH + 4);
  if (Buffer.from(magic).toString('latin1') !== 'DICM') throw unreadable('not-a-part-10-file', 0);
  // The group length (0002,0000) is wrong in some files: the group ends where another begins.
  const { root, end } = walk(
    bytes,
    { explicit: true, bigEndian: false },
    { start: PREAMBLE_LENGTH + 4, end: sizeBytes, stopBefore: (tag) => tag >>> 16 !== 0x0002 },
  );
  const meta = new DataSet(root);
  const transferSyntaxUid = meta.string('TransferSyntaxUID');
  if (transferSyntaxUid === undefined) throw unreadable('no-transfer-syntax', PREAMBLE_LENGTH);
  return { meta, transferSyntaxUid, dataSetOffset: end };
}

function parseHeader(bytes: Uint8Array, sizeBytes: number, meta: Meta, inflated?: Uint8Array): Part10Header {
  const encoding = encodingOf(requireTransferSyntax(meta.transferSyntaxUid));
  const start = inflated === undefined ? meta.dataSetOffset : 0;
  const { root, end } = walk(bytes, encoding, { start, end: sizeBytes, stopBefore: isPixelDataOrLater });
  const place = pixelDataAt(bytes, end, sizeBytes, root);
  return {
    ...meta,
    dataSet: new DataSet(root),
    bytes,
    end,
    ...(inflated === undefined ? {} : { inflated }),
    ...(place === undefined ? {} : { pixelData: place }),
  };
}

async function readDeflated(source: ByteSource, meta: Meta): Promise<Part10Header> {
  const length = source.sizeBytes - meta.dataSetOffset;
  if (length > DEFLATED_LIMIT_BYTES) throw unreadable('deflated-too-large', meta.dataSetOffset);
  const inflated = await inflateAside(await source.read(meta.dataSetOffset, length));
  try {
    return parseHeader(inflated, inflated.length, meta, inflated);
  } catch (error) {
    throw error instanceof MoreBytesNeeded ? unreadable('ends-inside-element', inflated.length) : error;
  }
}

/** PS3.5 Section A.1: the VR of pixel data where none is written; that of ordinary ones is OW. */
const IMPLICIT_VRS: Readonly<Record<number, string>> = { [TAG.FloatPixelData]: 'OF', [TAG.DoubleFloatPixelData]: 'OD' };

function pixelDataAt(bytes: Uint8Array, offset: number, sizeBytes: number, root: Item): PixelDataPlace | undefined {
  if (offset + 8 > sizeBytes) return undefined;
  if (offset + 12 > bytes.length) {
    if (bytes.length < sizeBytes) throw new MoreBytesNeeded();
    if (offset + 8 > bytes.length) return undefined;
  }
  const littleEndian = !root.encoding.bigEndian;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tag = (view.getUint16(offset, littleEndian) * 0x10000 + view.getUint16(offset + 2, littleEndian)) >>> 0;
  if (!isPixelDataTag(tag)) return undefined;
  const stated = Buffer.from(bytes.subarray(offset + 4, offset + 6)).toString('latin1');
  const vr = root.encoding.explicit && /^[A-Z]{2}$/.test(stated) ? stated : undefined;
  const isLong = vr !== undefined && hasLongHeader(vr);
  if (isLong && offset + 12 > bytes.length) throw unreadable('header-beyond-container', offset);
  const length =
    vr === undefined
      ? view.getUint32(offset + 4, littleEndian)
      : isLong
        ? view.getUint32(offset + 8, littleEndian)
        : view.getUint16(offset + 6, littleEndian);
  return {
    tag,
    vr: vr ?? IMPLICIT_VRS[tag] ?? 'OW',
    offset: offset + (isLong ? 12 : 8),
    elementOffset: offset,
    length: length === UNDEFINED_LENGTH ? undefined : length,
  };
}
