/** Values that come beside the JSON of a store request, as the bytes of their elements (PS3.18 Sections 8.7.3 and 10.5.1). */
import type { BulkDataGap, JsonInstance } from '../../core/dicom/json-model-reader.ts';
import { encodeElement } from '../../core/dicom/encode-element.ts';
import { hasLongHeader, UNDEFINED_LENGTH } from '../../core/dicom/walker.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { transferSyntax } from '../../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../../core/errors.ts';
import type { MediaType } from '../../peers/dicomweb/media-type.ts';

/** PS3.18 Tables 8.7.3-3 to 8.7.3-5: what a compressed part is in when it does not say so. JPEG says it itself. */
const DEFAULT_TRANSFER_SYNTAXES: Readonly<Record<string, string>> = {
  'image/jls': '1.2.840.10008.1.2.4.80',
  'image/jp2': '1.2.840.10008.1.2.4.90',
  'image/jpx': '1.2.840.10008.1.2.4.92',
  'image/jphc': '1.2.840.10008.1.2.4.201',
  'image/jxl': '1.2.840.10008.1.2.4.110',
  'image/dicom-rle': '1.2.840.10008.1.2.5',
  'video/mpeg': '1.2.840.10008.1.2.4.100',
  'video/mp4': '1.2.840.10008.1.2.4.102',
};
const JPEG = 'image/jpeg';
/** Start of frame, ISO/IEC 10918-1 Table B.1, to the transfer syntax of its process. */
const JPEG_FRAMES: Readonly<Record<number, string>> = {
  0xc0: '1.2.840.10008.1.2.4.50',
  0xc1: '1.2.840.10008.1.2.4.51',
  0xc3: '1.2.840.10008.1.2.4.57',
};
const JPEG_FIRST_ORDER = '1.2.840.10008.1.2.4.70';
const START_OF_SCAN = 0xda;
const FRAGMENT_BYTES = 1024 * 1024;

/**
 * The transfer syntax that pixel data of a part is compressed in; undefined: it is native.
 *
 * @param first - the part's first bytes
 * @param stated - Transfer Syntax UID (0002,0010) of the metadata
 * @throws {HubError} `dataset.transfer-syntax-unknown`, `dataset.unreadable`
 */
export function compressionOf(type: MediaType, first: Uint8Array, stated: string | undefined): string | undefined {
  const isOctets = type.type === '' || type.type === 'application/octet-stream';
  const uid =
    type.parameters.get('transfer-syntax') ??
    (isOctets
      ? stated
      : type.type === JPEG
        ? jpegProcess(first)
        : (DEFAULT_TRANSFER_SYNTAXES[type.type] ?? 'unknown media type'));
  if (uid === undefined || uid === '*') return undefined;
  const syntax = transferSyntax(uid);
  if (syntax === undefined || syntax.deflated) throw new HubError('dataset.transfer-syntax-unknown');
  return syntax.encapsulated ? uid : undefined;
}

/** The header of a value of native bytes and known length; what is too long for its VR is UN (PS3.5 Section 6.2.2). */
export function elementHeader(tag: number, vr: string, length: number): Uint8Array {
  const padded = length + (length % 2);
  if (!hasLongHeader(vr)) {
    if (padded > 0xfffe) return elementHeader(tag, 'UN', length);
    const short = Buffer.from(encodeElement(tag, vr, new Uint8Array(0)));
    short.writeUInt16LE(padded, 6);
    return short;
  }
  if (padded > 0xfffffffe) throw new HubError('dataset.unreadable', { detail: 'bulk-data-too-long-for-its-vr' });
  const long = Buffer.from(encodeElement(tag, vr, new Uint8Array(0)));
  long.writeUInt32LE(padded, 8);
  return long;
}

/** PS3.5 Section A.4: the element of compressed pixel data begins, with an empty Basic Offset Table. */
export function encapsulationHead(): Uint8Array {
  const head = Buffer.from(encodeElement(TAG.PixelData, 'OB', new Uint8Array(0)));
  head.writeUInt32LE(UNDEFINED_LENGTH, 8);
  return Buffer.concat([head, itemHeader(TAG.Item, 0)]);
}

/** One fragment, padded to even length. */
export function fragment(bytes: Uint8Array): Uint8Array {
  const isOdd = bytes.length % 2 === 1;
  return Buffer.concat([
    itemHeader(TAG.Item, bytes.length + (isOdd ? 1 : 0)),
    bytes,
    ...(isOdd ? [Uint8Array.of(0)] : []),
  ]);
}

export function encapsulationTail(): Uint8Array {
  return itemHeader(TAG.SequenceDelimitationItem, 0);
}

/** An element of compressed pixel data: PS3.5 Section A.4 lets a frame have several fragments, so its length need not be known. */
export async function* encapsulated(chunks: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  yield encapsulationHead();
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    held.push(chunk);
    bytes += chunk.length;
    if (bytes < FRAGMENT_BYTES) continue;
    let whole = Buffer.concat(held);
    for (; whole.length >= FRAGMENT_BYTES; whole = whole.subarray(FRAGMENT_BYTES))
      yield fragment(whole.subarray(0, FRAGMENT_BYTES));
    held = [whole];
    bytes = whole.length;
  }
  if (bytes > 0) yield fragment(Buffer.concat(held));
  yield encapsulationTail();
}

/** PS3.5 Section 8.1.1: what native pixel data must have, so that it can be announced before it is there. */
export function nativeLength(json: JsonInstance, gap: BulkDataGap): number | undefined {
  if (gap.tag !== TAG.PixelData || !gap.isTopLevel) return undefined;
  const number = (tag: number, otherwise: number) => Number(json.value(tag) ?? otherwise);
  const pixels = number(TAG.Rows, NaN) * number(TAG.Columns, NaN) * number(TAG.NumberOfFrames, 1);
  const bits = pixels * number(TAG.SamplesPerPixel, 1) * number(TAG.BitsAllocated, NaN);
  return Number.isSafeInteger(bits) && bits > 0 ? Math.ceil(bits / 8) : undefined;
}

function itemHeader(tag: number, length: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(tag >>> 16, 0);
  bytes.writeUInt16LE(tag & 0xffff, 2);
  bytes.writeUInt32LE(length, 4);
  return bytes;
}

/** Looks for the start of frame, and for the predictor of a lossless one. */
function jpegProcess(bytes: Uint8Array): string {
  const at = (offset: number): number => bytes[offset] ?? 0;
  let process: string | undefined;
  let offset = 2;
  while (at(0) === 0xff && at(1) === 0xd8 && offset + 4 <= bytes.length && at(offset) === 0xff) {
    const marker = at(offset + 1);
    const length = at(offset + 2) * 256 + at(offset + 3);
    process ??= JPEG_FRAMES[marker];
    if (marker === START_OF_SCAN) {
      // ISO/IEC 10918-1 Section B.2.3: Ss stands behind the component selectors; in lossless mode it is the predictor.
      const predictor = at(offset + 5 + 2 * at(offset + 4));
      if (process === JPEG_FRAMES[0xc3] && predictor === 1) return JPEG_FIRST_ORDER;
      break;
    }
    offset += 2 + length;
  }
  if (process === undefined) throw new HubError('dataset.unreadable', { detail: 'jpeg-process-not-known' });
  return process;
}
