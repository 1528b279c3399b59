/**
 * The DICOM JSON Model (PS3.18 Annex F), from a data set to JSON: text in UTF-8, numbers as numbers, bytes inline or by
 * reference. The other way is in `json-model-reader.ts`.
 */
import assert from 'node:assert';
import { withoutTrailingPadding } from '../padding.ts';
import { latin1 } from './character-sets.ts';
import { numbersOf, type DataSet, type Element } from './data-set.ts';
import { lookup } from './dictionary.ts';
import { TAG } from './tags.ts';

export type JsonValue = string | number | null | PersonName | JsonDataSet;
/** PS3.18 Section F.2.2: at most one of the three; none is an attribute of zero length. */
export interface JsonElement {
  readonly vr: string;
  readonly Value?: readonly JsonValue[];
  readonly InlineBinary?: string;
  readonly BulkDataURI?: string;
}
/** Elements by their tag, `00100010`. */
export interface JsonDataSet {
  readonly [tag: string]: JsonElement;
}
/** PS3.18 Section F.2.2: the component groups of a person's name that are there. */
export interface PersonName {
  readonly Alphabetic?: string;
  readonly Ideographic?: string;
  readonly Phonetic?: string;
}

/** Where an element stands: the sequence items around it, outermost first. */
export type ItemPath = readonly { readonly tag: number; readonly item: number }[];

export interface ToJsonOptions {
  /** Where a value with bytes (OB, OD, OF, OL, OV, OW, UN) can be fetched; undefined puts it into the JSON. */
  readonly bulkDataUri?: (element: Element, path: ItemPath) => string | undefined;
}

/** PS3.18 Table F.2.3-1: the VRs whose value is bytes; each in units of so many, for what is big endian. */
export const BINARY_VRS: ReadonlyMap<string, number> = new Map([
  ['OB', 1],
  ['OD', 8],
  ['OF', 4],
  ['OL', 4],
  ['OV', 8],
  ['OW', 2],
  ['UN', 1],
]);
export const UTF_8 = 'ISO_IR 192';
export const NAME_GROUPS = ['Alphabetic', 'Ideographic', 'Phonetic'] as const;
const NUMBER_TEXT_VRS = new Set(['DS', 'IS']);
const LONG_INTEGERS: Readonly<Record<string, (view: DataView, offset: number, littleEndian: boolean) => bigint>> = {
  SV: (view, offset, littleEndian) => view.getBigInt64(offset, littleEndian),
  UV: (view, offset, littleEndian) => view.getBigUint64(offset, littleEndian),
};
/**
 * PS3.5 Table 6.2-1, as JSON has numbers too; what a sender wrote otherwise stays the text it is. Each digit can be matched
 * in one way only: a value of a megabyte of them would else take hours.
 */
const PLAIN_NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
/** PS3.18 Table F.2.3-1: beside those with bytes, the VRs whose value may stand elsewhere; it does when it is this long. */
const LONG_VRS = new Set(['DS', 'FD', 'FL', 'IS', 'LT', 'SL', 'SS', 'ST', 'SV', 'UC', 'UL', 'US', 'UT', 'UV']);
const LONG_VALUE_BYTES = 256 * 1024;

/** `00100010`: a tag as a key of the JSON model. */
export function jsonKey(tag: number): string {
  return (tag >>> 0).toString(16).toUpperCase().padStart(8, '0');
}

/**
 * A data set or item as JSON. Group lengths are left out, and Specific Character Set says UTF-8, which the JSON is in.
 *
 * Encapsulated pixel data has no inline form: `bulkDataUri` has to answer for it.
 */
export function dataSetToJson(dataSet: DataSet, options: ToJsonOptions = {}, path: ItemPath = []): JsonDataSet {
  const json: Record<string, JsonElement> = {};
  for (const { key, element, isEncapsulated } of told(dataSet))
    json[key] = elementToJson(dataSet, element, isEncapsulated, options, path);
  return json;
}

/**
 * The text of the same JSON between its braces, in small pieces: whoever writes a header of megabytes can do something
 * else in between, and holds none of it.
 */
export function* jsonMembers(dataSet: DataSet, options: ToJsonOptions = {}, path: ItemPath = []): Generator<string> {
  let before = '';
  for (const { key, element, isEncapsulated } of told(dataSet)) {
    const { tag, items = [] } = element;
    if (items.length === 0) {
      yield `${before}"${key}":${JSON.stringify(elementToJson(dataSet, element, isEncapsulated, options, path))}`;
    } else {
      yield `${before}"${key}":{"vr":"SQ","Value":[`;
      for (const [n, item] of items.entries()) {
        yield n === 0 ? '{' : ',{';
        yield* jsonMembers(item, options, [...path, { tag, item: n }]);
        yield '}';
      }
      yield ']}';
    }
    before = ',';
  }
}

/** What of a data set goes into JSON, the first of two elements with one tag. */
function* told(
  dataSet: DataSet,
): Generator<{ readonly key: string; readonly element: Element; readonly isEncapsulated: boolean }> {
  const encapsulated = new Set(
    dataSet.item.elements
      .filter(({ undefinedLength, items }) => undefinedLength && items === undefined)
      .map(({ tag }) => tag),
  );
  const seen = new Set<number>();
  for (const element of dataSet.elements) {
    const { tag } = element;
    if ((tag & 0xffff) === 0 || seen.has(tag)) continue;
    seen.add(tag);
    yield { key: jsonKey(tag), element, isEncapsulated: encapsulated.has(tag) };
  }
}

/** Text values by keyword, as the ledger keeps them, in the shape that their VR has; undefined for an unknown keyword. */
export function textToJson(
  keyword: string,
  values: readonly string[],
): { readonly key: string; readonly element: JsonElement } | undefined {
  const entry = lookup(keyword);
  if (entry === undefined) return undefined;
  const { vr, tag } = entry;
  return { key: jsonKey(tag), element: withValues(vr, valuesOfText(vr, values)) };
}

function elementToJson(
  dataSet: DataSet,
  element: Element,
  isEncapsulated: boolean,
  options: ToJsonOptions,
  path: ItemPath,
): JsonElement {
  const { tag, vr, value } = element;
  if (element.items !== undefined) {
    const items = element.items.map((item, n) => dataSetToJson(item, options, [...path, { tag, item: n }]));
    return withValues('SQ', items);
  }
  if (tag === TAG.SpecificCharacterSet) return { vr, Value: [UTF_8] };
  const unit = BINARY_VRS.get(vr);
  if (unit !== undefined || isEncapsulated) {
    if (value.length === 0 && !isEncapsulated) return { vr };
    const uri = options.bulkDataUri?.(element, path);
    if (uri !== undefined) return { vr, BulkDataURI: uri };
    assert(!isEncapsulated, 'encapsulated pixel data is referred to, not put into JSON');
    return { vr, InlineBinary: inline(value, dataSet.item.encoding.bigEndian ? (unit ?? 1) : 1) };
  }
  if (value.length > LONG_VALUE_BYTES && LONG_VRS.has(vr)) {
    const uri = options.bulkDataUri?.(element, path);
    if (uri !== undefined) return { vr, BulkDataURI: uri };
  }
  return withValues(vr, valuesOf(dataSet, element));
}

function valuesOf(dataSet: DataSet, element: Element): readonly JsonValue[] {
  const { vr, value } = element;
  const { bigEndian } = dataSet.item.encoding;
  const readLong = LONG_INTEGERS[vr];
  if (readLong !== undefined) {
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    return Array.from({ length: Math.floor(value.length / 8) }, (_, n) => exact(readLong(view, n * 8, !bigEndian)));
  }
  if (vr === 'AT') return numbersOf(element, bigEndian).map(jsonKey);
  if (!NUMBER_TEXT_VRS.has(vr)) {
    const numbers = numbersOf(element, bigEndian);
    if (numbers.length > 0) return numbers.map(finite);
  }
  const texts = dataSet.textValues(element);
  // A VR this hub does not know is text to nobody: it is told as it stands.
  if (texts.length === 0 && value.length > 0 && !isBinaryNumber(vr)) return [withoutTrailingPadding(latin1(value))];
  return valuesOfText(vr, texts);
}

function valuesOfText(vr: string, texts: readonly string[]): readonly JsonValue[] {
  if (texts.every((text) => text === '')) return [];
  return texts.map((text) => {
    if (text === '') return null;
    if (vr === 'PN') return personName(text);
    const isNumeric = NUMBER_TEXT_VRS.has(vr) || isBinaryNumber(vr);
    return isNumeric && PLAIN_NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
  });
}

/** PS3.5 Section 6.2: component groups are delimited by `=`. */
function personName(text: string): PersonName | null {
  const groups = text.split('=');
  const name: { Alphabetic?: string; Ideographic?: string; Phonetic?: string } = {};
  NAME_GROUPS.forEach((group, n) => {
    const value = groups[n]?.trim() ?? '';
    if (value !== '') name[group] = value;
  });
  return Object.keys(name).length === 0 ? null : name;
}

function withValues(vr: string, values: readonly JsonValue[]): JsonElement {
  return values.length === 0 ? { vr } : { vr, Value: values };
}

function isBinaryNumber(vr: string): boolean {
  return ['US', 'SS', 'UL', 'SL', 'FL', 'FD', 'SV', 'UV', 'AT'].includes(vr);
}

/** JSON has no number for them; these are the words that other origin servers use. */
function finite(value: number): number | string {
  if (Number.isFinite(value)) return value;
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'inf' : '-inf';
}

/** PS3.18 Table F.2.3-1: SV and UV may be text, where a number would not be exact. */
function exact(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

/** PS3.18 Section F.2.7: Base64 of the value in little endian. */
function inline(value: Uint8Array, unit: number): string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (unit === 1 || bytes.length % unit !== 0) return bytes.toString('base64');
  const swapped = Buffer.from(bytes);
  if (unit === 2) swapped.swap16();
  else if (unit === 4) swapped.swap32();
  else swapped.swap64();
  return swapped.toString('base64');
}
