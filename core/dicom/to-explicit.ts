/** A data set of any native encoding as explicit VR little endian (PS3.5 Section A.2), which every DICOMweb client reads. */
import type { Element, Item } from './element.ts';
import { encodeElementOfAnyLength } from './encode-element.ts';
import { TAG } from './tags.ts';
import { UNDEFINED_LENGTH } from './walker.ts';

/** Bytes of one unit of a binary VR, for what is big endian. AT is two units of two. */
const UNIT_BYTES: ReadonlyMap<string, 2 | 4 | 8> = new Map([
  ...(['US', 'SS', 'OW', 'AT'] as const).map((vr) => [vr, 2] as const),
  ...(['UL', 'SL', 'FL', 'OF', 'OL'] as const).map((vr) => [vr, 4] as const),
  ...(['FD', 'OD', 'OV', 'SV', 'UV'] as const).map((vr) => [vr, 8] as const),
]);

export interface ExplicitOptions {
  /** Elements of the top level that are left out. */
  readonly without?: ReadonlySet<number>;
  /** Encoded elements of the top level that are put in, instead of those of their tags. */
  readonly with?: ReadonlyMap<number, Uint8Array>;
}

/**
 * The elements of a data set in explicit VR little endian, in the order of their tags. Group lengths are left out
 * (PS3.5 Section 7.2), and what is encapsulated within (the icon of a compressed image) too, for native data sets may
 * not hold it. A value too long for its VR's length field becomes UN (PS3.5 Section 6.2.2).
 */
export function toExplicitLittleEndian(item: Item, options: ExplicitOptions = {}): Uint8Array {
  const encoded = new Map<number, Uint8Array>(options.with);
  for (const element of item.elements) {
    if (options.without?.has(element.tag) === true || encoded.has(element.tag)) continue;
    if ((element.tag & 0xffff) === 0 || isEncapsulated(element)) continue;
    encoded.set(element.tag, encode(element, item.encoding.bigEndian));
  }
  return Buffer.concat([...encoded].toSorted(([one], [other]) => one - other).map(([, bytes]) => bytes));
}

/** A value's bytes in little endian. @param bytes - turned in place when `bigEndian` */
export function toLittleEndian(vr: string, bytes: Buffer, bigEndian: boolean): Buffer {
  const unit = bigEndian ? UNIT_BYTES.get(vr) : undefined;
  if (unit === undefined || bytes.length % unit !== 0) return bytes;
  if (unit === 2) return bytes.swap16();
  return unit === 4 ? bytes.swap32() : bytes.swap64();
}

function encode(element: Element, bigEndian: boolean): Uint8Array {
  const { tag, vr, items } = element;
  if (items !== undefined) {
    const bodies = items.map((item) => sequenceItem(toExplicitLittleEndian(item)));
    return Buffer.concat([undefinedLengthHeader(tag), ...bodies, delimiter(TAG.SequenceDelimitationItem)]);
  }
  const value = toLittleEndian(vr, Buffer.from(element.value), bigEndian);
  return encodeElementOfAnyLength(tag, vr, value);
}

function isEncapsulated({ undefinedLength, items }: Element): boolean {
  return undefinedLength && items === undefined;
}

function sequenceItem(body: Uint8Array): Uint8Array {
  return Buffer.concat([delimiter(TAG.Item, body.length), body]);
}

/** Of a sequence: long ones are written without counting first. */
function undefinedLengthHeader(tag: number): Uint8Array {
  return longHeader(tag, 'SQ', UNDEFINED_LENGTH);
}

/** The header of an element whose value is written by the caller. @param vr - one with a 32-bit length */
export function longHeader(tag: number, vr: string, length: number): Uint8Array {
  const header = Buffer.alloc(12);
  header.writeUInt16LE(tag >>> 16, 0);
  header.writeUInt16LE(tag & 0xffff, 2);
  header.write(vr, 4, 'latin1');
  header.writeUInt32LE(length, 8);
  return header;
}

function delimiter(tag: number, length = 0): Uint8Array {
  const header = Buffer.alloc(8);
  header.writeUInt16LE(tag >>> 16, 0);
  header.writeUInt16LE(tag & 0xffff, 2);
  header.writeUInt32LE(length, 4);
  return header;
}
