/** A data set as its readers want it: values by keyword, text decoded, sequences as data sets. */
import assert from 'node:assert';
import { HubError } from '../errors.ts';
import { withoutPadding, withoutTrailingPadding } from '../padding.ts';
import { decodeText, latin1, parseCharacterSets } from './character-sets.ts';
import { lookup } from './dictionary.ts';
import type { Element as WalkedElement, Encoding, Item } from './element.ts';
import { inflateDataSet } from './inflate.ts';
import { TAG } from './tags.ts';
import { transferSyntax } from './transfer-syntaxes.ts';
import type { TransferSyntax } from './transfer-syntaxes.ts';
import { isPixelDataOrLater, MoreBytesNeeded, unreadable, walk } from './walker.ts';

/** One element of a `DataSet`. `value` is a view into the bytes that were parsed. */
export interface Element {
  readonly tag: number;
  readonly vr: string;
  readonly value: Uint8Array;
  /** Present for sequences. */
  readonly items?: readonly DataSet[];
}

/** PS3.5 Section 6.1.2.3: the VRs Specific Character Set applies to. */
const TEXT_VRS = new Set(['SH', 'LO', 'ST', 'LT', 'UC', 'UT', 'PN', 'UN']);
/** One value whatever it holds; leading spaces are significant. */
const UNSPLIT_VRS = new Set(['ST', 'LT', 'UT', 'UR']);
const STRING_VRS = new Set([...TEXT_VRS, 'AE', 'AS', 'CS', 'DA', 'DS', 'DT', 'IS', 'TM', 'UI', 'UR']);

/** Read-only view of one data set or item. Unknown keywords are our own mistake and throw. */
export class DataSet {
  /** The walked bytes behind this view, for whoever copies them faithfully. */
  readonly item: Item;
  readonly #inherited: readonly string[];
  readonly #byTag = new Map<number, WalkedElement>();
  #characterSets: readonly string[] | undefined;

  constructor(item: Item, inheritedCharacterSets: readonly string[] = []) {
    this.item = item;
    this.#inherited = inheritedCharacterSets;
    // The first of two elements with one tag is the one readers see, everywhere.
    for (const element of item.elements) if (!this.#byTag.has(element.tag)) this.#byTag.set(element.tag, element);
  }

  /** Terms of Specific Character Set in force here: its own, or those of the data set around it. */
  get characterSets(): readonly string[] {
    if (this.#characterSets === undefined) {
      const own = this.#byTag.get(TAG.SpecificCharacterSet);
      this.#characterSets = own === undefined ? this.#inherited : parseCharacterSets(own.value);
    }
    return this.#characterSets;
  }

  /** True when the attribute is present, even if empty. */
  has(keyword: string): boolean {
    return this.#byTag.has(tagOf(keyword));
  }

  /** The first value, decoded and trimmed; `undefined` when absent or empty. */
  string(keyword: string): string | undefined {
    const value = this.strings(keyword)[0];
    return value === '' ? undefined : value;
  }

  /** All values, decoded and trimmed; empty when absent or of zero length. */
  strings(keyword: string): readonly string[] {
    const element = this.#byTag.get(tagOf(keyword));
    return element === undefined ? [] : this.#strings(element);
  }

  /** The first value as a number; `undefined` when absent, empty or not a number. */
  number(keyword: string): number | undefined {
    const value = this.numbers(keyword)[0];
    return value === undefined || Number.isNaN(value) ? undefined : value;
  }

  /** All values as numbers, NaN where a text is none. 64-bit integers lose precision above 2^53. */
  numbers(keyword: string): readonly number[] {
    const element = this.#byTag.get(tagOf(keyword));
    return element === undefined ? [] : numbersOf(element, this.item.encoding.bigEndian);
  }

  /** The items of a sequence; empty when absent. */
  items(keyword: string): readonly DataSet[] {
    const element = this.#byTag.get(tagOf(keyword));
    return element?.items === undefined ? [] : this.#itemsOf(element.items);
  }

  element(tag: number): Element | undefined {
    const element = this.#byTag.get(tag);
    return element === undefined ? undefined : this.#view(element);
  }

  /** In the order they stand in. */
  get elements(): readonly Element[] {
    return this.item.elements.map((element) => this.#view(element));
  }

  /** The text of any element of this data set, whole and untrimmed. */
  text(element: Element): string {
    return TEXT_VRS.has(element.vr) ? decodeText(element.value, this.characterSets) : latin1(element.value);
  }

  /** The values of an element that has text; empty for other VRs. */
  textValues(element: Pick<Element, 'vr' | 'value'>): readonly string[] {
    return this.#strings(element);
  }

  /**
   * A private element by the creator that reserved its block in this very data set (PS3.5 Section 7.8.1).
   *
   * @param elementByte - low byte of the element number
   */
  privateElement(creator: string, group: number, elementByte: number): Element | undefined {
    for (let block = 0x10; block <= 0xff; block++) {
      const reservation = this.#byTag.get(((group << 16) | block) >>> 0);
      if (reservation === undefined || latin1(reservation.value).replaceAll('\0', ' ').trim() !== creator) continue;
      const element = this.element(((group << 16) | (block << 8) | elementByte) >>> 0);
      if (element !== undefined) return element;
    }
    return undefined;
  }

  #strings({ vr, value }: Pick<Element, 'vr' | 'value'>): readonly string[] {
    if (!STRING_VRS.has(vr) || value.length === 0) return [];
    const text = TEXT_VRS.has(vr) ? decodeText(value, this.characterSets) : latin1(value);
    // PS3.5 Section 6.2: trailing padding is not significant, and for these VRs leading spaces are.
    if (UNSPLIT_VRS.has(vr)) return [withoutTrailingPadding(text)];
    return text.includes('\\') ? text.split('\\').map((part) => withoutPadding(part)) : [withoutPadding(text)];
  }

  #view(element: WalkedElement): Element {
    const { tag, vr, value, items } = element;
    return items === undefined ? { tag, vr, value } : { tag, vr, value, items: this.#itemsOf(items) };
  }

  #itemsOf(items: readonly Item[]): readonly DataSet[] {
    const characterSets = this.characterSets;
    return items.map((item) => new DataSet(item, characterSets));
  }
}

export interface ParseOptions {
  readonly stopAtPixelData?: boolean;
}

/**
 * Parses a data set that is whole in memory, without preamble and file meta information.
 *
 * @param bytes - retained; values are views into it (of the inflated copy, for deflated)
 * @throws {HubError} `dataset.unreadable` with `offset`, `dataset.transfer-syntax-unknown`
 */
export function parseDataSet(bytes: Uint8Array, transferSyntaxUid: string, options: ParseOptions = {}): DataSet {
  const syntax = requireTransferSyntax(transferSyntaxUid);
  const body = syntax.deflated ? inflateDataSet(bytes) : bytes;
  try {
    return new DataSet(walk(body, encodingOf(syntax), stopping(options.stopAtPixelData ?? false)).root);
  } catch (error) {
    throw error instanceof MoreBytesNeeded ? unreadable('ends-inside-element', body.length) : error;
  }
}

/**
 * Parses the beginning of a data set that is still arriving, up to its pixel data.
 *
 * @returns `undefined` when more bytes are needed, always so for a deflated one
 * @throws {HubError} `dataset.unreadable` with `offset`, `dataset.transfer-syntax-unknown`
 */
export function parseHeaderPrefix(prefix: Uint8Array, transferSyntaxUid: string): DataSet | undefined {
  const syntax = requireTransferSyntax(transferSyntaxUid);
  if (syntax.deflated) return undefined;
  try {
    const end = Number.MAX_SAFE_INTEGER;
    return new DataSet(walk(prefix, encodingOf(syntax), { end, stopBefore: isPixelDataOrLater }).root);
  } catch (error) {
    if (error instanceof MoreBytesNeeded) return undefined;
    throw error;
  }
}

export function requireTransferSyntax(transferSyntaxUid: string): TransferSyntax {
  const syntax = transferSyntax(transferSyntaxUid);
  if (syntax === undefined) throw new HubError('dataset.transfer-syntax-unknown', {});
  return syntax;
}

export function encodingOf(syntax: TransferSyntax): Encoding {
  return { explicit: syntax.explicit, bigEndian: syntax.bigEndian };
}

function stopping(stopAtPixelData: boolean) {
  return stopAtPixelData ? { stopBefore: isPixelDataOrLater } : {};
}

function tagOf(keyword: string): number {
  const entry = lookup(keyword);
  assert(entry !== undefined, `not a keyword of PS3.6: ${keyword}`);
  return entry.tag;
}

type NumberReader = (view: DataView, offset: number, littleEndian: boolean) => number;
const BINARY: Readonly<Record<string, { readonly size: number; readonly read: NumberReader }>> = {
  US: { size: 2, read: (view, offset, le) => view.getUint16(offset, le) },
  SS: { size: 2, read: (view, offset, le) => view.getInt16(offset, le) },
  OW: { size: 2, read: (view, offset, le) => view.getUint16(offset, le) },
  UL: { size: 4, read: (view, offset, le) => view.getUint32(offset, le) },
  OL: { size: 4, read: (view, offset, le) => view.getUint32(offset, le) },
  SL: { size: 4, read: (view, offset, le) => view.getInt32(offset, le) },
  FL: { size: 4, read: (view, offset, le) => view.getFloat32(offset, le) },
  OF: { size: 4, read: (view, offset, le) => view.getFloat32(offset, le) },
  FD: { size: 8, read: (view, offset, le) => view.getFloat64(offset, le) },
  OD: { size: 8, read: (view, offset, le) => view.getFloat64(offset, le) },
  UV: { size: 8, read: (view, offset, le) => Number(view.getBigUint64(offset, le)) },
  OV: { size: 8, read: (view, offset, le) => Number(view.getBigUint64(offset, le)) },
  SV: { size: 8, read: (view, offset, le) => Number(view.getBigInt64(offset, le)) },
  AT: { size: 4, read: (view, offset, le) => view.getUint16(offset, le) * 0x10000 + view.getUint16(offset + 2, le) },
};

/** The numbers an element holds: binary VRs, DS and IS; empty for the others. */
export function numbersOf(
  element: { readonly vr: string; readonly value: Uint8Array },
  bigEndian: boolean,
): readonly number[] {
  const { vr, value } = element;
  if (vr === 'DS' || vr === 'IS') {
    if (value.length === 0) return [];
    return latin1(value)
      .split('\\')
      .map((text) => (/^[\0 ]*$/.test(text) ? Number.NaN : Number(withoutTrailingPadding(text))));
  }
  const reader = BINARY[vr];
  if (reader === undefined) return [];
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const numbers: number[] = [];
  for (let offset = 0; offset + reader.size <= value.length; offset += reader.size)
    numbers.push(reader.read(view, offset, !bigEndian));
  return numbers;
}
