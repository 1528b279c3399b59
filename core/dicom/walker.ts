/**
 * The byte walker: from bytes to elements and items, in every native encoding of PS3.5 Section 7. It copies nothing,
 * checks each length against the container it stands in, and is bounded in depth and number, so that a hostile header
 * costs no more than its own size.
 */
import { HubError } from '../errors.ts';
import { isPixelDependent, vrOf } from './dictionary.ts';
import { Element } from './element.ts';
import type { Encoding, Item } from './element.ts';
import { isPixelDataTag, TAG } from './tags.ts';

export const UNDEFINED_LENGTH = 0xffffffff;
/** Real data nests five to eight deep; the walker recurses once a level. */
const DEPTH_LIMIT = 64;
/** A multi-frame header of 20 000 frames has about a million elements. */
const ELEMENT_LIMIT = 4_000_000;

/** PS3.5 Section 7.1.2: VRs whose explicit header has two reserved bytes and a 32-bit length. */
const LONG_VRS = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);
const SHORT_VRS = new Set([
  ...['AE', 'AS', 'AT', 'CS', 'DA', 'DS', 'DT', 'FD', 'FL', 'IS', 'LO', 'LT', 'PN', 'SH', 'SL', 'SS', 'ST'],
  ...['TM', 'UI', 'UL', 'US'],
]);
const vrNames = new Map<number, string>();
for (const vr of [...LONG_VRS, ...SHORT_VRS]) vrNames.set((vr.charCodeAt(0) << 8) | vr.charCodeAt(1), vr);

const IMPLICIT: Encoding = { explicit: false, bigEndian: false };
const EXPLICIT: Encoding = { explicit: true, bigEndian: false };

/** True when the explicit header of this VR has a 32-bit length. An unknown VR is long too: PS3.5 Section 6.2, Note 2. */
export function hasLongHeader(vr: string): boolean {
  return !SHORT_VRS.has(vr);
}

/** True for a VR of PS3.5 Table 6.2-1. */
export function isKnownVr(vr: string): boolean {
  return LONG_VRS.has(vr) || SHORT_VRS.has(vr);
}

/** Thrown by the walker when the bytes at hand end inside an element that the whole still has room for. */
export class MoreBytesNeeded extends Error {}

export interface WalkOptions {
  /** Where the data set ends, if `bytes` is only its beginning. Default: the length of `bytes`. */
  readonly end?: number;
  readonly start?: number;
  /** Ends before the first top-level element this is true for. */
  readonly stopBefore?: (tag: number) => boolean;
}

export interface WalkResult {
  readonly root: Item;
  /** Where the walk ended: the offset of the element it stopped before, or of trailing zero bytes, or the end. */
  readonly end: number;
}

/**
 * Walks a data set.
 *
 * @param bytes - retained: elements are views into it
 * @throws {HubError} `dataset.unreadable` with the `offset` of what cannot be
 * @throws {MoreBytesNeeded} when `bytes` is a beginning and a length points beyond it
 */
export function walk(bytes: Uint8Array, encoding: Encoding, options: WalkOptions = {}): WalkResult {
  const walker = new Walker(bytes);
  const start = options.start ?? 0;
  const { elements, end } = walker.elements(start, options.end ?? bytes.length, encoding, 0, options.stopBefore);
  return { root: { encoding, elements, start, end, undefinedLength: false }, end };
}

class Walker {
  readonly #bytes: Uint8Array;
  #count = 0;
  /** Pixel Representation of the data set or item that is being walked, or of the nearest around it that states one. */
  #isSigned = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The elements from `start` to `limit`, or to an Item Delimitation Item where `limit` is that of the container. */
  elements(
    start: number,
    limit: number,
    encoding: Encoding,
    depth: number,
    stopBefore?: (tag: number) => boolean,
    isDelimited = false,
  ): { readonly elements: readonly Element[]; readonly end: number } {
    const elements: Element[] = [];
    let offset = start;
    while (offset < limit) {
      if (limit - offset < 8) {
        if (depth === 0 && this.#isZero(offset, limit)) break;
        throw unreadable('bytes-after-last-element', offset);
      }
      this.#need(offset + 8);
      const tag = this.#tag(offset, encoding.bigEndian);
      if (tag === TAG.ItemDelimitationItem) {
        if (isDelimited) return { elements, end: offset + 8 };
        // Some writers delimit an item although it states its length; nothing else may follow then.
        if (depth > 0 && offset + 8 === limit) return { elements, end: limit };
        throw unreadable('stray-delimiter', offset);
      }
      // Zero bytes up to an even block size, written after the data set.
      if (tag === 0 && depth === 0 && this.#isZero(offset, limit)) break;
      if (stopBefore?.(tag) === true) break;
      const element = this.#element(tag, offset, limit, encoding, depth);
      elements.push(element);
      offset = element.end;
    }
    if (isDelimited) throw unreadable('item-not-delimited', offset);
    return { elements, end: offset };
  }

  #element(tag: number, start: number, limit: number, encoding: Encoding, depth: number): Element {
    if (++this.#count > ELEMENT_LIMIT) throw unreadable('too-many-elements', start);
    const { encodedVr, length, valueStart } = this.#header(start, limit, encoding);
    const vr = this.#resolveVr(tag, encodedVr, encoding, length);
    const undefinedLength = length === UNDEFINED_LENGTH;
    if (undefinedLength) {
      const base = { tag, vr, encodedVr, start, valueStart, undefinedLength };
      if (vr === 'SQ' || encodedVr === 'UN' || encodedVr === undefined)
        // PS3.5 Section 6.2.2 (CP-246): UN of undefined length is a sequence in implicit VR little endian.
        return encodedVr === 'UN'
          ? this.#unknownSequence(base, limit, limit, true, depth)
          : this.#sequence(base, limit, limit, true, encoding, depth);
      return this.#fragments(base, limit, encoding);
    }
    const valueEnd = valueStart + length;
    if (valueEnd > limit) throw unreadable('length-beyond-container', start);
    if (vr === 'SQ') {
      const base = { tag, vr, encodedVr, start, valueStart, undefinedLength };
      return encodedVr === 'UN'
        ? this.#unknownSequence(base, valueEnd, limit, false, depth)
        : this.#sequence(base, valueEnd, limit, false, encoding, depth);
    }
    this.#need(valueEnd);
    if (tag === TAG.PixelRepresentation && length === 2)
      this.#isSigned = this.#uint16(valueStart, encoding.bigEndian) === 1;
    // Nearly every element: written out, for a header has a hundred, and to spread an object costs as much as to walk it.
    const end = valueEnd;
    return new Element(this.#bytes, {
      tag,
      vr,
      encodedVr,
      start,
      valueStart,
      valueEnd,
      end,
      undefinedLength,
      items: undefined,
    });
  }

  #header(
    start: number,
    limit: number,
    encoding: Encoding,
  ): { readonly encodedVr: string | undefined; readonly length: number; readonly valueStart: number } {
    const { bigEndian } = encoding;
    if (!encoding.explicit)
      return { encodedVr: undefined, length: this.#uint32(start + 4, bigEndian), valueStart: start + 8 };
    const first = this.#bytes[start + 4] ?? 0;
    const second = this.#bytes[start + 5] ?? 0;
    const known = vrNames.get((first << 8) | second);
    if (known === undefined && !(isCapital(first) && isCapital(second)))
      // Seen in the field: single elements without a VR in an explicit data set.
      return { encodedVr: undefined, length: this.#uint32(start + 4, bigEndian), valueStart: start + 8 };
    const vr = known ?? String.fromCharCode(first, second);
    if (!hasLongHeader(vr)) return { encodedVr: vr, length: this.#uint16(start + 6, bigEndian), valueStart: start + 8 };
    if (start + 12 > limit) throw unreadable('header-beyond-container', start);
    this.#need(start + 12);
    return { encodedVr: vr, length: this.#uint32(start + 8, bigEndian), valueStart: start + 12 };
  }

  #resolveVr(tag: number, encodedVr: string | undefined, encoding: Encoding, length: number): string {
    if (encodedVr !== undefined && encodedVr !== 'UN') return encodedVr;
    // What a big endian UN holds is not known to be in either byte order: leave it.
    if (encodedVr === 'UN' && encoding.bigEndian && length !== UNDEFINED_LENGTH) return 'UN';
    const vr = vrOf(tag) ?? (length === UNDEFINED_LENGTH ? 'SQ' : 'UN');
    return vr === 'US' && this.#isSigned && isPixelDependent(tag) ? 'SS' : vr;
  }

  /**
   * A sequence sent as UN is in implicit VR (PS3.5 Section 6.2.2). Some writers change the VR and leave the items as they
   * were, in explicit VR: their first element shows it.
   */
  #unknownSequence(base: ElementBase, limit: number, container: number, isDelimited: boolean, depth: number): Element {
    const firstVr = base.valueStart + 12;
    if (firstVr + 2 <= limit) this.#need(firstVr + 2);
    const looksExplicit = vrNames.has(((this.#bytes[firstVr] ?? 0) << 8) | (this.#bytes[firstVr + 1] ?? 0));
    try {
      return this.#sequence(base, limit, container, isDelimited, looksExplicit ? EXPLICIT : IMPLICIT, depth);
    } catch (error) {
      if (!looksExplicit || !(error instanceof HubError)) throw error;
      return this.#sequence(base, limit, container, isDelimited, IMPLICIT, depth);
    }
  }

  /** @param limit - end of the value when the length is defined, of the container when not */
  #sequence(
    base: ElementBase,
    limit: number,
    container: number,
    isDelimited: boolean,
    encoding: Encoding,
    depth: number,
  ): Element {
    if (depth + 1 > DEPTH_LIMIT) throw unreadable('nested-too-deep', base.start);
    const items: Item[] = [];
    const close = (valueEnd: number, end: number): Element =>
      new Element(this.#bytes, { ...base, valueEnd, end, items });
    let offset = base.valueStart;
    while (offset < limit) {
      if (offset + 8 > limit) throw unreadable('item-beyond-container', offset);
      this.#need(offset + 8);
      const tag = this.#tag(offset, encoding.bigEndian);
      const length = this.#uint32(offset + 4, encoding.bigEndian);
      if (tag === TAG.SequenceDelimitationItem) {
        if (isDelimited) return close(offset, offset + 8);
        if (offset + 8 === limit) return close(offset, limit);
      }
      if (tag !== TAG.Item) throw unreadable('item-expected', offset);
      if (++this.#count > ELEMENT_LIMIT) throw unreadable('too-many-elements', offset);
      const item = this.#item(offset, length, limit, encoding, depth + 1);
      items.push(item);
      offset = item.end;
    }
    if (isDelimited) throw unreadable('sequence-not-delimited', Math.min(offset, container));
    return close(limit, limit);
  }

  #item(start: number, length: number, limit: number, encoding: Encoding, depth: number): Item {
    const undefinedLength = length === UNDEFINED_LENGTH;
    const itemEnd = undefinedLength ? limit : start + 8 + length;
    if (itemEnd > limit) throw unreadable('item-beyond-container', start);
    // What an item says of its pixels holds inside it: an icon's are unsigned whatever the image's are (PS3.3 Section F.7).
    const isSigned = this.#isSigned;
    try {
      const { elements, end } = this.elements(start + 8, itemEnd, encoding, depth, undefined, undefinedLength);
      return { encoding, elements, start, end, undefinedLength };
    } finally {
      this.#isSigned = isSigned;
    }
  }

  /** PS3.5 Section A.4: encapsulated pixel data. The fragments are checked, not opened. */
  #fragments(base: ElementBase, limit: number, { bigEndian }: Encoding): Element {
    let offset = base.valueStart;
    while (true) {
      if (offset + 8 > limit) throw unreadable('fragments-not-delimited', Math.min(offset, limit));
      this.#need(offset + 8);
      const tag = this.#tag(offset, bigEndian);
      const length = this.#uint32(offset + 4, bigEndian);
      if (tag === TAG.SequenceDelimitationItem)
        return new Element(this.#bytes, { ...base, valueEnd: offset, end: offset + 8, items: undefined });
      if (tag !== TAG.Item) throw unreadable('fragment-expected', offset);
      if (offset + 8 + length > limit) throw unreadable('fragment-beyond-container', offset);
      offset += 8 + length;
    }
  }

  #need(end: number): void {
    if (end > this.#bytes.length) throw new MoreBytesNeeded();
  }

  #isZero(from: number, limit: number): boolean {
    this.#need(limit);
    for (let i = from; i < limit; i++) if (this.#bytes[i] !== 0) return false;
    return true;
  }

  #tag(offset: number, bigEndian: boolean): number {
    return ((this.#uint16(offset, bigEndian) << 16) | this.#uint16(offset + 2, bigEndian)) >>> 0;
  }

  #uint16(offset: number, bigEndian: boolean): number {
    const first = this.#bytes[offset] ?? 0;
    const second = this.#bytes[offset + 1] ?? 0;
    return bigEndian ? (first << 8) | second : (second << 8) | first;
  }

  #uint32(offset: number, bigEndian: boolean): number {
    const low = this.#uint16(bigEndian ? offset + 2 : offset, bigEndian);
    const high = this.#uint16(bigEndian ? offset : offset + 2, bigEndian);
    return ((high << 16) | low) >>> 0;
  }
}

interface ElementBase {
  readonly tag: number;
  readonly vr: string;
  readonly encodedVr: string | undefined;
  readonly start: number;
  readonly valueStart: number;
  readonly undefinedLength: boolean;
}

/** A walk's stop condition: pixel data and what follows it. */
export function isPixelDataOrLater(tag: number): boolean {
  return isPixelDataTag(tag) || tag > TAG.PixelData;
}

/** The error of bytes that are no data set. `detail` is a fixed word, never content. */
export function unreadable(detail: string, offset: number): HubError {
  return new HubError('dataset.unreadable', { detail, offset });
}

function isCapital(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}
