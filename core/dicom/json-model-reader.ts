/**
 * From the DICOM JSON Model (PS3.18 Annex F) to the bytes of a data set in explicit VR little endian. Values that come
 * beside the JSON (bulk data) leave a gap, so that the largest of them need not be in memory.
 */
import { HubError } from '../errors.ts';
import { keywordOf, vrOf } from './dictionary.ts';
import { encodeElement, encodeElementOfAnyLength } from './encode-element.ts';
import { encodeNumbers, numberText } from './encode.ts';
import { BINARY_VRS, jsonKey, NAME_GROUPS, UTF_8 } from './json-model.ts';
import { TAG } from './tags.ts';
import { isKnownVr, UNDEFINED_LENGTH } from './walker.ts';

/** A value that comes beside the JSON; the element's own header is not in the pieces before it. */
export interface BulkDataGap {
  readonly uri: string;
  readonly tag: number;
  readonly vr: string;
  /** False inside of sequences. */
  readonly isTopLevel: boolean;
}

export interface JsonInstance {
  /** The data set in order: bytes and gaps. */
  readonly pieces: readonly (Uint8Array | BulkDataGap)[];
  /** Transfer Syntax UID (0002,0010), when the JSON names one: what the bulk data is in. */
  readonly transferSyntaxUid: string | undefined;
  /** First value of a top-level attribute that is text or a number. */
  readonly value: (tag: number) => string | undefined;
}

const DEPTH_LIMIT = 64;
/** Of JSON, for one of the data set: data set, element, values, item. */
const JSON_LEVELS = 4;
const KEY = /^[0-9A-Fa-f]{8}$/;
/** Without the white space in it. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** One value whatever it holds. */
const UNSPLIT_VRS = new Set(['ST', 'LT', 'UT', 'UR']);
const INTEGERS: ReadonlyMap<string, readonly [bigint, bigint]> = new Map([
  ['US', [0n, 0xffffn]],
  ['SS', [-0x8000n, 0x7fffn]],
  ['UL', [0n, 0xffffffffn]],
  ['SL', [-0x80000000n, 0x7fffffffn]],
  ['UV', [0n, 0xffffffffffffffffn]],
  ['SV', [-0x8000000000000000n, 0x7fffffffffffffffn]],
]);
const FLOATS = new Set(['FL', 'FD']);
const UNBOUNDED: ReadonlyMap<string, number> = new Map([
  ['nan', NaN],
  ['inf', Infinity],
  ['-inf', -Infinity],
]);
/** PS3.5 Table 6.2-1: IS. */
const IS_RANGE = [-0x80000000n, 0x7fffffffn] as const;

/**
 * Reads one data set of a metadata resource.
 *
 * @throws {HubError} `dataset.unreadable` with a fixed word for `detail` when it is not the JSON model or a value is
 * none of its VR
 */
export function readJsonInstance(json: unknown): JsonInstance {
  const dataSet = requireObject(json, 'json-data-set-expected');
  const pieces = new Pieces();
  writeDataSet(dataSet, pieces, 0);
  return {
    pieces: pieces.all,
    transferSyntaxUid: firstText(dataSet, TAG.TransferSyntaxUID),
    value: (tag) => firstText(dataSet, tag),
  };
}

/** What a data set that cannot be read calls itself, so far as it does. */
export function jsonText(json: unknown, tag: number): string | undefined {
  return isObject(json) ? firstText(json, tag) : undefined;
}

type JsonObject = Readonly<Record<string, unknown>>;

/** Bytes side by side become one piece. */
class Pieces {
  readonly all: (Uint8Array | BulkDataGap)[] = [];
  #open: Uint8Array[] = [];

  bytes(...bytes: readonly Uint8Array[]): void {
    if (this.#open.length === 0) this.all.push(new Uint8Array(0));
    this.#open.push(...bytes);
  }

  gap(gap: BulkDataGap): void {
    this.close();
    this.all.push(gap);
  }

  close(): void {
    if (this.#open.length > 0) this.all[this.all.length - 1] = Buffer.concat(this.#open);
    this.#open = [];
  }
}

function writeDataSet(dataSet: JsonObject, pieces: Pieces, depth: number): void {
  if (depth > DEPTH_LIMIT) throw malformed('nested-too-deep');
  const elements = Object.entries(dataSet).map(([key, element]) => {
    if (!KEY.test(key)) throw malformed('json-tag');
    return [Number.parseInt(key, 16), requireObject(element, 'json-element')] as const;
  });
  elements.sort(([one], [other]) => one - other);
  const isRoot = depth === 0;
  let written = -1;
  const write = (tag: number, element: JsonObject): void => {
    if (tag === written) throw malformed('json-tag-twice');
    written = tag;
    writeElement(tag, element, pieces, depth);
  };
  // All text is written in UTF-8, whatever the sender's own data set was in (PS3.18 Section F.2).
  const characterSet = { vr: 'CS', Value: [UTF_8] };
  let needsCharacterSet =
    isRoot && (dataSet[jsonKey(TAG.SpecificCharacterSet)] !== undefined || hasForeignText(dataSet));
  for (const [tag, element] of elements) {
    // File meta information and group lengths are the hub's own to write.
    if (tag >>> 16 <= 0x0002 || (tag & 0xffff) === 0) continue;
    if (tag >>> 16 === 0xfffe) throw malformed('json-tag');
    if (needsCharacterSet && tag >= TAG.SpecificCharacterSet) {
      write(TAG.SpecificCharacterSet, characterSet);
      needsCharacterSet = false;
    }
    if (tag !== TAG.SpecificCharacterSet) write(tag, element);
  }
  if (needsCharacterSet) write(TAG.SpecificCharacterSet, characterSet);
  if (isRoot) pieces.close();
}

function writeElement(tag: number, element: JsonObject, pieces: Pieces, depth: number): void {
  const stated = element['vr'] ?? vrOf(tag) ?? 'UN';
  if (typeof stated !== 'string' || !isKnownVr(stated)) throw malformed('json-vr', tag);
  const { Value: values, InlineBinary: inline, BulkDataURI: uri } = element;
  if ([values, inline, uri].filter((one) => one !== undefined && one !== null).length > 1)
    throw malformed('json-several-values', tag);
  if (typeof uri === 'string') {
    if (stated === 'SQ') throw malformed('json-sequence-as-bulk-data', tag);
    pieces.gap({ uri, tag, vr: stated, isTopLevel: depth === 0 });
    return;
  }
  if (typeof inline === 'string') {
    // Text in bytes would be in a character set that nobody named.
    if (!BINARY_VRS.has(stated)) throw malformed('json-inline-binary', tag);
    pieces.bytes(encodeElement(tag, stated, bytesOf(inline, tag)));
    return;
  }
  if ((values !== undefined && values !== null && !Array.isArray(values)) || uri !== undefined || inline !== undefined)
    throw malformed('json-value', tag);
  const list: readonly unknown[] = Array.isArray(values) ? values : [];
  if (stated === 'SQ') {
    writeSequence(tag, list, pieces, depth);
    return;
  }
  pieces.bytes(encodeElementOfAnyLength(tag, stated, encodeValues(tag, stated, list)));
}

/** Undefined lengths throughout: a gap's length is not known yet (PS3.5 Section 7.5.2). */
function writeSequence(tag: number, items: readonly unknown[], pieces: Pieces, depth: number): void {
  pieces.bytes(header(tag, 'SQ', UNDEFINED_LENGTH));
  for (const item of items) {
    pieces.bytes(ITEM);
    writeDataSet(item === null ? {} : requireObject(item, 'json-item'), pieces, depth + 1);
    pieces.bytes(ITEM_END);
  }
  pieces.bytes(SEQUENCE_END);
}

function bytesOf(inline: string, tag: number): Uint8Array {
  const text = inline.replaceAll(/\s+/g, '');
  const isWhole = BASE64.test(text) && text.replace(/=+$/, '').length % 4 !== 1;
  if (!isWhole) throw malformed('json-inline-binary', tag);
  return Buffer.from(text, 'base64');
}

function encodeValues(tag: number, vr: string, values: readonly unknown[]): Uint8Array {
  if (values.length === 0) return new Uint8Array(0);
  if (BINARY_VRS.has(vr)) throw malformed('json-bytes-as-value', tag);
  const range = INTEGERS.get(vr);
  if (range !== undefined)
    return encodeNumbers(
      vr,
      present(values).map((value) => integerOf(value, range, tag)),
    );
  if (FLOATS.has(vr))
    return encodeNumbers(
      vr,
      present(values).map((value) => floatOf(vr, value, tag)),
    );
  if (vr === 'AT')
    return encodeNumbers(
      vr,
      present(values).map((value) => tagOf(value, tag)),
    );
  if (UNSPLIT_VRS.has(vr) && values.length > 1) throw malformed('json-several-values', tag);
  return Buffer.from(values.map((value) => textOf(vr, value, tag)).join('\\'), 'utf8');
}

/** Binary values cannot be empty one by one. */
function present(values: readonly unknown[]): readonly unknown[] {
  return values.filter((value) => value !== null);
}

function integerOf(value: unknown, [least, most]: readonly [bigint, bigint], tag: number): bigint {
  const isWhole = typeof value === 'number' ? Number.isInteger(value) : /^[+-]?\d{1,20}$/.test(String(value));
  if (!isWhole) throw malformed('json-number', tag);
  // What was sent may have been another number; PS3.18 Table F.2.3-1 lets the sender write it as text.
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw malformed('json-number-not-exact', tag);
  const integer = BigInt(typeof value === 'number' ? value : String(value).replace(/^\+/, ''));
  if (integer < least || integer > most) throw malformed('json-number-range', tag);
  return integer;
}

function floatOf(vr: string, value: unknown, tag: number): number {
  const text = typeof value === 'string' ? value.trim().toLowerCase().replace('infinity', 'inf') : '';
  const unbounded = UNBOUNDED.get(text);
  if (unbounded !== undefined) return unbounded;
  const number = typeof value === 'number' ? value : text === '' ? NaN : Number(text);
  if (Number.isNaN(number)) throw malformed('json-number', tag);
  if (!Number.isFinite(vr === 'FL' ? Math.fround(number) : number)) throw malformed('json-number-range', tag);
  return number;
}

function tagOf(value: unknown, tag: number): number {
  if (typeof value !== 'string' || !KEY.test(value)) throw malformed('json-attribute-tag', tag);
  return Number.parseInt(value, 16);
}

function textOf(vr: string, value: unknown, tag: number): string {
  if (value === null) return '';
  if (vr === 'PN' && typeof value === 'object') return nameOf(value, tag);
  if (typeof value === 'number' && vr === 'DS' && Number.isFinite(value)) return numberText(vr, value);
  if (typeof value === 'number' && vr === 'IS') return String(integerOf(value, IS_RANGE, tag));
  // No text in the JSON model is a number; of what some senders write so nevertheless, only this is what they meant.
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (typeof value !== 'string') throw malformed('json-value', tag);
  // A backslash would make two values of it; only text of one value may have it.
  if (value.includes('\\') && !UNSPLIT_VRS.has(vr)) throw malformed('json-backslash', tag);
  return value;
}

function nameOf(value: object, tag: number): string {
  const name = requireObject(value, 'json-person-name');
  if (Object.keys(name).some((key) => !isNameGroup(key))) throw malformed('json-person-name', tag);
  const groups = NAME_GROUPS.map((group) => {
    const text = name[group] ?? '';
    if (typeof text !== 'string' || /[\\=]/.test(text)) throw malformed('json-person-name', tag);
    return text;
  });
  return groups.join('=').replace(/=+$/, '');
}

function isNameGroup(key: string): boolean {
  return NAME_GROUPS.some((group) => group === key);
}

function firstText(dataSet: JsonObject, tag: number): string | undefined {
  const element = dataSet[jsonKey(tag)] ?? dataSet[jsonKey(tag).toLowerCase()];
  const values = isObject(element) ? element['Value'] : undefined;
  const first: unknown = Array.isArray(values) ? values[0] : undefined;
  return typeof first === 'string' || typeof first === 'number' ? String(first) : undefined;
}

function hasForeignText(value: unknown, depth = 0): boolean {
  if (depth > DEPTH_LIMIT * JSON_LEVELS) throw malformed('nested-too-deep');
  if (typeof value === 'string') return /[^\0-\x7f]/.test(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some((one) => hasForeignText(one, depth + 1));
}

function header(tag: number, vr: string, length: number): Uint8Array {
  const bytes = Buffer.from(encodeElement(tag, vr, new Uint8Array(0)));
  bytes.writeUInt32LE(length, 8);
  return bytes;
}

function delimiter(tag: number, length: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(tag >>> 16, 0);
  bytes.writeUInt16LE(tag & 0xffff, 2);
  bytes.writeUInt32LE(length, 4);
  return bytes;
}

/** The same for all: three bytes of JSON make an item, and there may be millions. */
const ITEM = delimiter(TAG.Item, UNDEFINED_LENGTH);
const ITEM_END = delimiter(TAG.ItemDelimitationItem, 0);
const SEQUENCE_END = delimiter(TAG.SequenceDelimitationItem, 0);

function requireObject(value: unknown, detail: string): JsonObject {
  if (!isObject(value)) throw malformed(detail);
  return value;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `attribute` is a keyword of PS3.6, never what the sender wrote. */
function malformed(detail: string, tag?: number): HubError {
  const attribute = tag === undefined ? undefined : keywordOf(tag);
  return new HubError('dataset.unreadable', { detail, ...(attribute === undefined ? {} : { attribute }) });
}
