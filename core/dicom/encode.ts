/** Writes data sets of our own making (phantom, segmentation): explicit VR little endian, sorted, padded, UTF-8 where needed. */
import assert from 'node:assert';
import { isPixelDependent, lookup } from './dictionary.ts';
import { encodeElement } from './encode-element.ts';
import { fileMeta } from './part10.ts';
import type { FileMetaFields } from './part10.ts';
import { TAG } from './tags.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from './transfer-syntaxes.ts';

type Plain = string | number | readonly string[] | readonly number[] | Uint8Array | readonly Attributes[];
/**
 * Values by keyword. Numbers and texts are converted by the VR, `Uint8Array` is written as it is, nested objects are
 * the items of a sequence. `{ vr, value }` chooses among the VRs PS3.6 allows (`OB or OW`, `US or SS`); an empty
 * string or array writes the attribute with zero length (Type 2).
 */
export interface Attributes {
  readonly [keyword: string]: Plain | { readonly vr: string; readonly value: Plain } | undefined;
}

const UTF_8 = 'ISO_IR 192';
const WRITERS: Readonly<
  Record<string, { size: number; write(view: DataView, offset: number, value: number | bigint): void }>
> = {
  US: { size: 2, write: (view, offset, value) => view.setUint16(offset, Number(value), true) },
  SS: { size: 2, write: (view, offset, value) => view.setInt16(offset, Number(value), true) },
  OW: { size: 2, write: (view, offset, value) => view.setUint16(offset, Number(value), true) },
  UL: { size: 4, write: (view, offset, value) => view.setUint32(offset, Number(value), true) },
  OL: { size: 4, write: (view, offset, value) => view.setUint32(offset, Number(value), true) },
  SL: { size: 4, write: (view, offset, value) => view.setInt32(offset, Number(value), true) },
  FL: { size: 4, write: (view, offset, value) => view.setFloat32(offset, Number(value), true) },
  OF: { size: 4, write: (view, offset, value) => view.setFloat32(offset, Number(value), true) },
  FD: { size: 8, write: (view, offset, value) => view.setFloat64(offset, Number(value), true) },
  OD: { size: 8, write: (view, offset, value) => view.setFloat64(offset, Number(value), true) },
  OB: { size: 1, write: (view, offset, value) => view.setUint8(offset, Number(value)) },
  OV: { size: 8, write: (view, offset, value) => view.setBigUint64(offset, BigInt(value), true) },
  UV: { size: 8, write: (view, offset, value) => view.setBigUint64(offset, BigInt(value), true) },
  SV: { size: 8, write: (view, offset, value) => view.setBigInt64(offset, BigInt(value), true) },
  // The values are tags: group, then element.
  AT: {
    size: 4,
    write: (view, offset, value) => {
      view.setUint16(offset, Math.floor(Number(value) / 0x10000), true);
      view.setUint16(offset + 2, Number(value) % 0x10000, true);
    },
  },
};

/**
 * Encodes a data set without file meta information. Text beyond ASCII is written as UTF-8, and Specific Character Set
 * says so; a keyword that PS3.6 does not have, or a value its VR cannot hold, is our own mistake and throws.
 */
export function encodeDataSet(attributes: Attributes): Uint8Array {
  const needsUtf8 = attributes['SpecificCharacterSet'] === undefined && hasForeignText(attributes);
  return encodeItem(needsUtf8 ? { ...attributes, SpecificCharacterSet: UTF_8 } : attributes);
}

/** A whole DICOM file in explicit VR little endian, or another explicit little endian syntax for encapsulated pixels. */
export function encodePart10(
  attributes: Attributes,
  meta: Partial<FileMetaFields> & { readonly sourceAeTitle?: string } = {},
): Uint8Array {
  return Buffer.concat([
    fileMeta({
      ...meta,
      sopClassUid: meta.sopClassUid ?? requireUid(attributes, 'SOPClassUID'),
      sopInstanceUid: meta.sopInstanceUid ?? requireUid(attributes, 'SOPInstanceUID'),
      transferSyntaxUid: meta.transferSyntaxUid ?? EXPLICIT_VR_LITTLE_ENDIAN,
    }),
    encodeDataSet(attributes),
  ]);
}

function encodeItem(attributes: Attributes): Uint8Array {
  const elements: { readonly tag: number; readonly vr: string; readonly value: Plain }[] = [];
  for (const [keyword, given] of Object.entries(attributes)) {
    if (given === undefined) continue;
    const entry = lookup(keyword);
    assert(entry !== undefined, `not a keyword of PS3.6: ${keyword}`);
    const chosen = isChosen(given) ? given : { vr: vrFor(entry.tag, entry.vr, attributes), value: given };
    elements.push({ tag: entry.tag, ...chosen });
  }
  elements.sort((one, other) => one.tag - other.tag);
  return Buffer.concat(elements.map(({ tag, vr, value }) => encodeElement(tag, vr, encodeValue(vr, value))));
}

function vrFor(tag: number, vr: string, attributes: Attributes): string {
  return vr === 'US' && isPixelDependent(tag) && attributes['PixelRepresentation'] === 1 ? 'SS' : vr;
}

function encodeValue(vr: string, value: Plain): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const values: readonly (string | number | Attributes)[] = typeof value === 'object' ? value : [value];
  if (vr === 'SQ')
    return Buffer.concat(
      values.map((item) => {
        assert(typeof item === 'object', 'a sequence has items');
        const body = encodeItem(item);
        const header = new Uint8Array(8);
        const view = new DataView(header.buffer);
        view.setUint16(0, TAG.Item >>> 16, true);
        view.setUint16(2, TAG.Item & 0xffff, true);
        view.setUint32(4, body.length, true);
        return Buffer.concat([header, body]);
      }),
    );
  if (WRITERS[vr] === undefined) return Buffer.from(values.map((one) => textOf(vr, one)).join('\\'), 'utf8');
  const numbers = values.filter((one) => one !== '');
  return encodeNumbers(
    vr,
    numbers.map((one) => {
      assert(typeof one === 'number', `${vr} holds numbers`);
      return one;
    }),
  );
}

/** The value of a binary VR in little endian; AT takes tags. */
export function encodeNumbers(vr: string, numbers: readonly (number | bigint)[]): Uint8Array {
  const writer = WRITERS[vr];
  assert(writer !== undefined, `${vr} holds no numbers`);
  const bytes = new Uint8Array(numbers.length * writer.size);
  const view = new DataView(bytes.buffer);
  numbers.forEach((one, index) => writer.write(view, index * writer.size, one));
  return bytes;
}

function textOf(vr: string, value: string | number | Attributes): string {
  assert(typeof value !== 'object', `${vr} holds no items`);
  return typeof value === 'string' ? value : numberText(vr, value);
}

/** A finite number as DS, IS and other text VRs have it. */
export function numberText(vr: string, value: number): string {
  assert(Number.isFinite(value), `${vr} holds finite numbers`);
  if (vr === 'IS') return String(Math.trunc(value));
  // PS3.5 Table 6.2-1: DS is at most 16 characters.
  const text = String(value);
  if (text.length <= 16) return text;
  for (let digits = 15; digits > 0; digits--) {
    const shorter = String(Number(value.toPrecision(digits)));
    if (shorter.length <= 16) return shorter;
  }
  return value.toExponential(8);
}

function hasForeignText(value: Attributes[string] | Attributes): boolean {
  if (typeof value === 'string') return /[^\0-\x7f]/.test(value);
  if (typeof value !== 'object' || value instanceof Uint8Array) return false;
  return Object.values(value).some((one: Attributes[string]) => hasForeignText(one));
}

function isChosen(value: Plain | { readonly vr: string; readonly value: Plain }): value is {
  readonly vr: string;
  readonly value: Plain;
} {
  return typeof value === 'object' && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function requireUid(attributes: Attributes, keyword: string): string {
  const value = attributes[keyword];
  assert(typeof value === 'string' && value !== '', `${keyword} is required`);
  return value;
}
