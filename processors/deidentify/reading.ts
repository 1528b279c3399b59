/** What one element of an output says, with everything in it, in every way it can be read: what the proof searches. */
import { decodeText, latin1, parseCharacterSets } from '../../core/dicom/character-sets.ts';
import { isPrivate } from '../../core/dicom/dictionary.ts';
import type { Element, Encoding, Item } from '../../core/dicom/element.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { withoutPadding } from '../../core/padding.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import { isPublicCode } from './descriptions.ts';
import { layersOfBytes, layersOfText } from './hidden-layers.ts';
import { otherReadings } from './other-readings.ts';
import { normalised } from './known-values.ts';
import { isMethodCode, methodBefore } from './markers.ts';
import { keptPrivate } from './private-elements.ts';
import { isRegisteredUid } from './tables.ts';
import { isInstanceUid, uidValues } from './value-rules.ts';

/** Searched as text. Dates and times are among them: what is kept of them may be no date. */
const TEXT_VRS = new Set(['AE', 'AS', 'CS', 'DA', 'DT', 'LO', 'LT', 'PN', 'SH', 'ST', 'TM', 'UC', 'UR', 'UT']);
const CHARSET_VRS = new Set(['LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UT', 'UN']);
/** Searched as bytes; wide characters are found without their zero bytes. */
const BYTE_VRS = new Set(['OB', 'OW', 'UN']);
/** Two letters may be a code of the standard there; so may they in what the policy keeps by name. */
const CODE_VRS = new Set(['CS', 'DA', 'DT', 'TM', 'AS']);
/** Digits of the shortest number that is looked at as an identifier. */
const SHORTEST_IDENTIFYING = 6;
/** Numbers in bytes that have room for as many digits. */
const WIDE_NUMBERS: Readonly<Record<string, 4 | 8>> = { UL: 4, SL: 4, FL: 4, FD: 8, SV: 8, UV: 8 };
const FEW_NUMBERS = 4;
/** Larger values are images and tables of numbers. */
const FEW_BYTES = 65_536;
/** Nine or ten digits, with those of milliseconds behind them or without: seconds since 1970. */
const SECONDS = /(?<![\d.])(\d{9,10})(?:\d{3})?(?!\d)/g;
/** As long as those of instances are: devices and versions have shorter ones. None of the standard's. */
const UID = /(?<![\d.])(?!1\.2\.840\.10008\.)(?=[\d.]{32})[0-2](?:\.(?:0|[1-9]\d*)){5,}/g;
/** A stretch of letters in a value of numbers: somebody wrote a text with the wrong VR. */
const LETTERS_IN_NUMBERS = 4;
/** Larger values are images and tables of numbers: they are searched as they are, not unpacked. */
const UNPACKED_LIMIT_BYTES = 8 * 1024 * 1024;

/** Words of two and three characters are asked for as whole values: no longer text is one. */
const LONGEST_VALUE = 32;

/** What one element says: the same bytes say the same, whichever instance they stand in. */
export interface Reading {
  /** Texts, normalised, each with a zero byte behind it: no pattern holds one. */
  readonly bytes: Uint8Array;
  readonly texts: readonly ReadText[];
  /** Whole values that are looked for by themselves. */
  readonly values: readonly ReadValue[];
  /** What must not be there; fixed words. */
  readonly faults: readonly string[];
}

export interface ReadText {
  /** In `bytes`. */
  readonly start: number;
  /** Which of the values in the element, counted as `leafAt` does. */
  readonly leaf: number;
  readonly vr: string;
  /** Without what stands between its letters and digits. */
  readonly isJoined: boolean;
}

export interface ReadValue {
  readonly text: string;
  readonly leaf: number;
  /** `moment`: seconds since 1970. `stranger`: a UID that nobody renamed; nothing has to be known of it. */
  readonly isOf: 'number' | 'text' | 'moment' | 'stranger';
}

/** How else a text can be read. */
export interface OtherReadings {
  /** What it says once more in other words; see hidden-layers.ts. */
  readonly layers: readonly string[];
  /** Its letters and digits, normalised, without what stands between them; undefined where nothing does. */
  readonly joined: string | undefined;
}

/** The value of that number in an element, in the order they are read in. */
export function leafAt(element: Element, item: Item, wanted: number): Element | undefined {
  let found: Element | undefined;
  let count = 0;
  visit(element, item, [], (leaf) => {
    if (count === wanted) found = leaf;
    count += 1;
  });
  return found;
}

/** What is wrong with an element being there; fixed words. */
export function faultOf(element: Element, allowed: ReadonlyMap<Element, string>): string | undefined {
  if ((element.tag & 0xffff) === 0) return 'a group length';
  return isPrivate(element.tag) && !allowed.has(element) ? 'a private element not allowed' : undefined;
}

type OnLeaf = (leaf: Element, item: Item, characterSets: readonly string[]) => void;

function visit(
  element: Element,
  item: Item,
  characterSets: readonly string[],
  onLeaf: OnLeaf,
  onItem?: (item: Item) => void,
): void {
  if (element.items === undefined) {
    onLeaf(element, item, characterSets);
    return;
  }
  for (const inner of element.items) {
    if (element.tag === TAG.DeidentificationMethodCodeSequence && isMethodCode(inner)) continue;
    onItem?.(inner);
    const own = inner.elements.find(({ tag }) => tag === TAG.SpecificCharacterSet);
    const sets = own === undefined ? characterSets : parseCharacterSets(own.value);
    for (const one of inner.elements) visit(one, inner, sets, onLeaf, onItem);
  }
}

export class Reader {
  readonly #plan: CompiledPlan;
  readonly #otherReadingsOf: (text: string) => OtherReadings;
  readonly #hasForeignLetters: boolean;
  #bytes = new Uint8Array(4096);
  #length = 0;
  #leaf = 0;
  #vr = '';
  #texts: ReadText[] = [];
  #values: ReadValue[] = [];

  /** @param hasForeignLetters - what is looked for may be in a character set that nobody named */
  constructor(plan: CompiledPlan, hasForeignLetters: boolean, otherReadingsOf: (text: string) => OtherReadings) {
    this.#plan = plan;
    this.#hasForeignLetters = hasForeignLetters;
    this.#otherReadingsOf = otherReadingsOf;
  }

  /** @returns `bytes` in it are good until the next element is read */
  read(element: Element, item: Item, characterSets: readonly string[]): Reading {
    this.#length = 0;
    this.#leaf = 0;
    this.#texts = [];
    this.#values = [];
    const faults: string[] = [];
    const read = (leaf: Element, around: Item, sets: readonly string[]) => {
      this.#vr = leaf.vr;
      if (!isCodeOfTime(leaf, around)) this.#addValue(leaf, sets, around);
      this.#leaf += 1;
    };
    visit(element, item, characterSets, read, (inner) => {
      const allowed = keptPrivate(inner, this.#plan).elements;
      for (const one of inner.elements) {
        const fault = faultOf(one, allowed);
        if (fault !== undefined) faults.push(fault);
      }
    });
    return { bytes: this.#bytes.subarray(0, this.#length), texts: this.#texts, values: this.#values, faults };
  }

  #addValue(element: Element, characterSets: readonly string[], item: Item): void {
    const { vr, value } = element;
    if (value.length < 2) return;
    if (vr === 'DS' || vr === 'IS') this.#addNumbers(element);
    else if (vr === 'UI') this.#addUids(element);
    else if (TEXT_VRS.has(vr)) this.#addText(element, characterSets, item);
    else if (BYTE_VRS.has(vr)) this.#addBytes(element, characterSets);
    else this.#addBinaryNumbers(element, item.encoding);
  }

  /** Tables of numbers are no identifiers; one number, or a few, may be. */
  #addBinaryNumbers(element: Element, encoding: Encoding): void {
    const { vr, value } = element;
    this.#appendIfLetters(value);
    // A letter in each number: `75 111 119`.
    if (value.length <= FEW_BYTES && value.includes(0)) this.#appendIfLetters(withoutZeros(value));
    const size = WIDE_NUMBERS[vr];
    if (size === undefined || value.length > size * FEW_NUMBERS) return;
    for (let at = 0; at + size <= value.length; at += size) {
      const number = numberAt(vr, value, at, !encoding.bigEndian);
      this.#askNumber(String(number));
      if (isMoment(number)) this.#askMoment(element, number);
    }
  }

  #appendIfLetters(value: Uint8Array): void {
    if (hasLetters(value)) this.#append(lowerCase(value));
  }

  /** Seconds since 1970 are a date; a number like it in an attribute of the table is what the policy keeps by name. */
  #askMoment({ tag }: Element, number: number | bigint): void {
    if (this.#plan.action(tag) === undefined) this.#ask('moment', String(number));
  }

  /** A number that is, as a whole, an identifier or a date; within other numbers anything can be found. */
  #addNumbers(element: Element): void {
    const text = latin1(element.value);
    // Most numbers of a header are too short for either.
    if (element.value.length >= SHORTEST_IDENTIFYING)
      for (const one of text.split('\\')) {
        this.#askNumber(integerIn(one.trim()));
        if (isMoment(Number(one))) this.#askMoment(element, Number(one));
      }
    if (/[a-df-zA-DF-Z]|[eE]{2}/.test(text)) this.#append(lowerCase(element.value));
  }

  #askNumber(number: string): void {
    if (number.length >= SHORTEST_IDENTIFYING && /^\d+$/.test(number)) this.#ask('number', number);
  }

  #ask(isOf: ReadValue['isOf'], text: string): void {
    this.#values.push({ text, leaf: this.#leaf, isOf });
  }

  /** Class UIDs too, which the walk lets stand: a sender may have put an instance's into one. */
  #addUids(element: Element): void {
    const uids = uidValues(element.value);
    for (const uid of uids) {
      // A class of somebody's own: what stays of it as it was is a text like another.
      if (/[^\d.]/.test(uid) || (!isInstanceUid(element.tag, uid) && !isRegisteredUid(uid)))
        this.#append(Buffer.from(uid.toLowerCase(), 'latin1'));
    }
  }

  #addText(element: Element, characterSets: readonly string[], item: Item): void {
    const { vr } = element;
    // The hash of the plan has digits in it, as times of day have.
    const value =
      element.tag === TAG.DeidentificationMethod ? methodBefore(this.#plan.plan, element.value) : element.value;
    const isAscii = this.#appendFolded(value);
    const text = isAscii || !CHARSET_VRS.has(vr) ? latin1(value) : decodeText(value, characterSets);
    if (!isAscii) {
      this.#appendText(text);
      // Written in another character set than the data set says.
      this.#appendText(Buffer.from(value).toString('utf8'));
      this.#appendText(latin1(value));
      if (this.#hasForeignLetters && CHARSET_VRS.has(vr))
        for (const reading of otherReadings(value)) this.#appendText(reading);
    }
    const { layers, joined } = this.#otherReadingsOf(text);
    for (const layer of layers) this.#appendText(layer);
    if (joined !== undefined) this.#append(Buffer.from(joined, 'utf8'), true);
    if (!CODE_VRS.has(vr) && this.#plan.action(element.tag) === undefined) this.#lookAtWhole(element, text, item);
  }

  /** Of what is no row of the table: a whole value that says it, UIDs of whatever instance, seconds since 1970. */
  #lookAtWhole(element: Element, text: string, item: Item): void {
    for (const one of text.split('\\')) {
      const whole = normalised(withoutPadding(one));
      if (whole !== '' && whole.length <= LONGEST_VALUE) this.#ask('text', whole);
    }
    for (const [, number = ''] of text.matchAll(SECONDS)) if (!isCode(element, item)) this.#ask('moment', number);
    if (this.#plan.has('retain-uids') || element.tag === TAG.URNCodeValue) return;
    for (const [uid] of text.matchAll(UID)) if (isInstanceUid(element.tag, uid)) this.#ask('stranger', uid);
  }

  #addBytes(element: Element, characterSets: readonly string[]): void {
    const { vr, value } = element;
    if (CHARSET_VRS.has(vr)) this.#appendText(decodeText(value, characterSets));
    const lower = lowerCase(value);
    this.#append(lower);
    if (lower.includes(0)) this.#append(withoutZeros(lower));
    // Words of two bytes, the other one first.
    if (vr === 'OW' && value.length <= FEW_BYTES) this.#appendIfLetters(swapped(value));
    if (value.length > UNPACKED_LIMIT_BYTES) return;
    if (value.some((byte) => byte >= 0x80)) this.#appendText(Buffer.from(value).toString('utf8'));
    for (const layer of layersOfBytes(value)) this.#appendText(layer);
    if (vr !== 'OW') for (const layer of layersOfText(latin1(value))) this.#appendText(layer);
  }

  /** Appends in lower case while it is ASCII. @returns false, with nothing appended, where it is not */
  #appendFolded(value: Uint8Array): boolean {
    this.#reserve(value.length + 1);
    const start = this.#length;
    const end = valueEnd(value);
    for (let i = 0; i < end; i++) {
      const byte = value[i] ?? 0;
      // Escape sequences begin other character sets; zero bytes stand between wide characters.
      if (byte >= 0x80 || byte === 0x1b || byte === 0) return false;
      this.#bytes[start + i] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    }
    this.#finish(start, end, false);
    return true;
  }

  #appendText(text: string): void {
    this.#append(Buffer.from(normalised(text), 'utf8'));
  }

  #append(text: Uint8Array, isJoined = false): void {
    this.#reserve(text.length + 1);
    this.#bytes.set(text, this.#length);
    this.#finish(this.#length, text.length, isJoined);
  }

  #finish(start: number, length: number, isJoined: boolean): void {
    this.#texts.push({ start, leaf: this.#leaf, vr: this.#vr, isJoined });
    this.#bytes[start + length] = 0;
    this.#length = start + length + 1;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#length + more, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** Codes of public schemes are numbers of nine and ten digits, too. */
function isCode({ tag }: Element, item: Item): boolean {
  return tag === TAG.CodeValue && isPublicCode(item);
}

/** 121106 is a concept of DCM and a time of day: where it is the code of a public scheme it is no time. */
function isCodeOfTime({ tag, value }: Element, item: Item): boolean {
  return tag === TAG.CodeValue && /^\d{6} ?$/.test(latin1(value)) && isPublicCode(item);
}

/** `815471100.0` and `+8.154711e8` are the number 815471100; anything else is as it stands. */
function integerIn(text: string): string {
  if (/^\d+$/.test(text) || !/^[+-]?[\d.]+(?:[eE][+-]?\d+)?$/.test(text)) return text;
  const number = Number(text);
  return Number.isSafeInteger(number) ? String(number) : text;
}

function numberAt(vr: string, value: Uint8Array, at: number, isLittleEndian: boolean): number | bigint {
  const view = new DataView(value.buffer, value.byteOffset + at, WIDE_NUMBERS[vr] ?? 0);
  switch (vr) {
    case 'FL':
      return view.getFloat32(0, isLittleEndian);
    case 'FD':
      return view.getFloat64(0, isLittleEndian);
    case 'SV':
    case 'UV':
      return view.getBigUint64(0, isLittleEndian);
    default:
      return view.getUint32(0, isLittleEndian);
  }
}

/** True for what can be seconds between 1973 and 2286. */
function isMoment(number: number | bigint): boolean {
  return number >= 100_000_000 && number < 10_000_000_000;
}

function withoutZeros(value: Uint8Array): Uint8Array {
  return value.filter((byte) => byte !== 0);
}

function swapped(value: Uint8Array): Uint8Array {
  return Buffer.from(value.subarray(0, value.length - (value.length % 2))).swap16();
}

function valueEnd(value: Uint8Array): number {
  let end = value.length;
  while (end > 0 && value[end - 1] === 0) end -= 1;
  return end;
}

function lowerCase(value: Uint8Array): Uint8Array {
  return Buffer.from(latin1(value).toLowerCase(), 'latin1');
}

function hasLetters(value: Uint8Array): boolean {
  let run = 0;
  for (const byte of value) {
    const lower = byte | 0x20;
    run = lower >= 0x61 && lower <= 0x7a ? run + 1 : 0;
    if (run >= LETTERS_IN_NUMBERS) return true;
  }
  return false;
}
