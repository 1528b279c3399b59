/** The values of an output, one behind the other, each with its element: what the verification pass searches. */
import { decodeText, latin1, parseCharacterSets } from '../../core/dicom/character-sets.ts';
import { isPrivate } from '../../core/dicom/dictionary.ts';
import type { Element, Encoding, Item } from '../../core/dicom/element.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { withoutPadding } from '../../core/padding.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import { isPublicCode } from './descriptions.ts';
import { layersOfBytes, layersOfText } from './hidden-layers.ts';
import { isTelling } from './spellings.ts';
import { otherReadings } from './other-readings.ts';
import { normalised } from './known-values.ts';
import type { KnownValues } from './known-values.ts';
import { isMethodCode, methodBefore } from './markers.ts';
import { keptPrivate } from './private-elements.ts';
import { type PatternKind, PatternSearch } from './search.ts';
import type { StudyMemory } from './study-memory.ts';
import { isRegisteredUid } from './tables.ts';
import { isInstanceUid, uidValues } from './value-rules.ts';

/** Searched as text. Dates and times are among them: what is kept of them may be no date. */
const TEXT_VRS = new Set(['AE', 'AS', 'CS', 'DA', 'DT', 'LO', 'LT', 'PN', 'SH', 'ST', 'TM', 'UC', 'UR', 'UT']);
const DATE_VRS = new Set(['DA', 'DT', 'TM']);
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
/** A text of no more characters is no table of numbers. */
const FEW_CHARACTERS = 256;
/** Digits in a row that are in no table by chance. */
const LONG_NUMBER = 16;
/** A stretch of letters in a value of numbers: somebody wrote a text with the wrong VR. */
const LETTERS_IN_NUMBERS = 4;
/** Larger values are images and tables of numbers: they are searched as they are, not unpacked. */
const UNPACKED_LIMIT_BYTES = 8 * 1024 * 1024;

export class Haystack {
  readonly faults: string[] = [];
  readonly #known: KnownValues;
  readonly #plan: CompiledPlan;
  readonly #memory: StudyMemory;
  #bytes: Uint8Array;
  #length = 0;
  readonly #starts: number[] = [];
  readonly #elements: Element[] = [];
  /** Values without what stands between their letters and digits, by their places in `#starts`. */
  readonly #joined = new Set<number>();
  readonly #hits = new Set<Element>();

  constructor(capacity: number, known: KnownValues, plan: CompiledPlan, memory: StudyMemory) {
    this.#memory = memory;
    this.#bytes = new Uint8Array(capacity + 1024);
    this.#known = known;
    this.#plan = plan;
  }

  get searchedBytes(): number {
    return this.#length;
  }

  addItem(item: Item, inherited: readonly string[]): void {
    const own = item.elements.find(({ tag }) => tag === TAG.SpecificCharacterSet);
    const characterSets = own === undefined ? inherited : parseCharacterSets(own.value);
    const allowed = item.elements.some(({ tag }) => isPrivate(tag))
      ? keptPrivate(item, this.#plan).elements
      : undefined;
    for (const element of item.elements) {
      if ((element.tag & 0xffff) === 0) this.faults.push('a group length');
      if (isPrivate(element.tag) && allowed?.has(element) !== true) this.faults.push('a private element not allowed');
      if (element.items === undefined) {
        if (!isCodeOfTime(element, item)) this.#addValue(element, characterSets, item);
      } else
        for (const inner of element.items)
          if (element.tag !== TAG.DeidentificationMethodCodeSequence || !isMethodCode(inner))
            this.addItem(inner, characterSets);
    }
  }

  search(): readonly Element[] {
    const search = new PatternSearch(this.#known.patterns, this.#memory.patterns);
    search.run(this.#bytes.subarray(0, this.#length), (offset, kind, lengthBytes) => {
      const at = this.#placeAt(offset);
      const element = this.#elements[at];
      if (element === undefined || !isMeant(element.vr, kind)) return;
      if (!this.#joined.has(at) || this.#tellsJoined(at, offset, kind, lengthBytes)) this.#hits.add(element);
    });
    return [...this.#hits];
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
    this.#appendIfLetters(element, value);
    // A letter in each number: `75 111 119`.
    if (value.length <= FEW_BYTES && value.includes(0)) this.#appendIfLetters(element, withoutZeros(value));
    const size = WIDE_NUMBERS[vr];
    if (size === undefined || value.length > size * FEW_NUMBERS) return;
    for (let at = 0; at + size <= value.length; at += size) {
      const number = numberAt(vr, value, at, !encoding.bigEndian);
      if (this.#isIdentifier(String(number))) this.#hits.add(element);
      if (isMoment(number) && this.#isMomentOfDate(element, number)) this.#hits.add(element);
    }
  }

  #appendIfLetters(element: Element, value: Uint8Array): void {
    if (hasLetters(value)) this.#append(element, lowerCase(value));
  }

  /** Seconds since 1970 are a date; a number like it in an attribute of the table is what the policy keeps by name. */
  #isMomentOfDate({ tag }: Element, number: number | bigint): boolean {
    return this.#plan.action(tag) === undefined && this.#known.isMomentOfDate(Number(number));
  }

  /** A number that is, as a whole, an identifier or a date; within other numbers anything can be found. */
  #addNumbers(element: Element): void {
    const text = latin1(element.value);
    // Most numbers of a header are too short for either.
    if (element.value.length >= SHORTEST_IDENTIFYING)
      for (const one of text.split('\\')) {
        const number = integerIn(one.trim());
        if (this.#isIdentifier(number)) this.#hits.add(element);
        if (isMoment(Number(one)) && this.#isMomentOfDate(element, Number(one))) this.#hits.add(element);
      }
    if (/[a-df-zA-DF-Z]|[eE]{2}/.test(text)) this.#append(element, lowerCase(element.value));
  }

  #isIdentifier(number: string): boolean {
    if (number.length < SHORTEST_IDENTIFYING || !/^\d+$/.test(number)) return false;
    const kind = this.#known.patterns.get(number.replace(/^0+/, '')) ?? this.#known.patterns.get(number);
    return kind === 'number' || kind === 'anywhere' || (kind === 'digits' && number.length === 8);
  }

  /** Class UIDs too, which the walk lets stand: a sender may have put an instance's into one. */
  #addUids(element: Element): void {
    const uids = uidValues(element.value);
    for (const uid of uids) {
      // A class of somebody's own: what stays of it as it was is a text like another.
      if (/[^\d.]/.test(uid) || (!isInstanceUid(element.tag, uid) && !isRegisteredUid(uid)))
        this.#append(element, Buffer.from(uid.toLowerCase(), 'latin1'));
    }
  }

  #addText(element: Element, characterSets: readonly string[], item: Item): void {
    const { vr } = element;
    // The hash of the plan has digits in it, as times of day have.
    const value =
      element.tag === TAG.DeidentificationMethod ? methodBefore(this.#plan.plan, element.value) : element.value;
    const isAscii = this.#appendFolded(element, value);
    const text = isAscii || !CHARSET_VRS.has(vr) ? latin1(value) : decodeText(value, characterSets);
    if (!isAscii) {
      this.#appendText(element, text);
      // Written in another character set than the data set says.
      this.#appendText(element, Buffer.from(value).toString('utf8'));
      this.#appendText(element, latin1(value));
      if (this.#known.hasForeignLetters && CHARSET_VRS.has(vr))
        for (const reading of otherReadings(value)) this.#appendText(element, reading);
    }
    const { layers, joined } = this.#memory.readingsOf(text);
    for (const layer of layers) this.#appendText(element, layer);
    if (joined !== undefined) {
      this.#joined.add(this.#starts.length);
      this.#append(element, Buffer.from(joined, 'utf8'));
    }
    if (!CODE_VRS.has(vr) && this.#plan.action(element.tag) === undefined) this.#lookAtWhole(element, text, item);
  }

  /** Of what is no row of the table: a whole value that says it, UIDs of whatever instance, seconds since 1970. */
  #lookAtWhole(element: Element, text: string, item: Item): void {
    if (this.#known.shortValues.size > 0)
      for (const one of text.split('\\'))
        if (this.#known.shortValues.has(normalised(withoutPadding(one)))) this.#hits.add(element);
    for (const [, number] of text.matchAll(SECONDS))
      if (this.#known.isMomentOfDate(Number(number)) && !isCode(element, item)) this.#hits.add(element);
    if (this.#plan.has('retain-uids') || element.tag === TAG.URNCodeValue) return;
    for (const [uid] of text.matchAll(UID)) if (isInstanceUid(element.tag, uid)) this.#hits.add(element);
  }

  #addBytes(element: Element, characterSets: readonly string[]): void {
    const { vr, value } = element;
    if (CHARSET_VRS.has(vr)) this.#appendText(element, decodeText(value, characterSets));
    const lower = lowerCase(value);
    this.#append(element, lower);
    if (lower.includes(0)) this.#append(element, withoutZeros(lower));
    // Words of two bytes, the other one first.
    if (vr === 'OW' && value.length <= FEW_BYTES) this.#appendIfLetters(element, swapped(value));
    if (value.length > UNPACKED_LIMIT_BYTES) return;
    if (value.some((byte) => byte >= 0x80)) this.#appendText(element, Buffer.from(value).toString('utf8'));
    for (const layer of layersOfBytes(value)) this.#appendText(element, layer);
    if (vr !== 'OW') for (const layer of layersOfText(latin1(value))) this.#appendText(element, layer);
  }

  /** Appends in lower case while it is ASCII. @returns false, with nothing appended, where it is not */
  #appendFolded(element: Element, value: Uint8Array): boolean {
    this.#reserve(value.length + 1);
    const start = this.#length;
    const end = valueEnd(value);
    for (let i = 0; i < end; i++) {
      const byte = value[i] ?? 0;
      // Escape sequences begin other character sets; zero bytes stand between wide characters.
      if (byte >= 0x80 || byte === 0x1b || byte === 0) return false;
      this.#bytes[start + i] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    }
    this.#finish(element, start, end);
    return true;
  }

  #appendText(element: Element, text: string): void {
    this.#append(element, Buffer.from(normalised(text), 'utf8'));
  }

  #append(element: Element, text: Uint8Array): void {
    this.#reserve(text.length + 1);
    this.#bytes.set(text, this.#length);
    this.#finish(element, this.#length, text.length);
  }

  #finish(element: Element, start: number, length: number): void {
    this.#starts.push(start);
    this.#elements.push(element);
    // A zero byte between values: no pattern holds one.
    this.#bytes[start + length] = 0;
    this.#length = start + length + 1;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#length + more, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  /** Whether what was found in a joined value is more than the end of one word and the beginning of the next. */
  #tellsJoined(at: number, offset: number, kind: PatternKind, lengthBytes: number): boolean {
    if (kind !== 'anywhere' && kind !== 'number') return false;
    const found = Buffer.from(this.#bytes.subarray(offset, offset + lengthBytes)).toString('utf8');
    if (!isTelling(found)) return false;
    // In a long table of numbers any number can be found.
    const sizeBytes = (this.#starts[at + 1] ?? this.#length) - (this.#starts[at] ?? 0);
    return sizeBytes <= FEW_CHARACTERS || found.length >= LONG_NUMBER || !/^\d+$/.test(found);
  }

  #placeAt(offset: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
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

/** Dates and times are looked for where people write: not in bytes that may be anything, and not where dates belong. */
function isMeant(vr: string, kind: PatternKind): boolean {
  return kind !== 'digits' || (vr !== 'OW' && !DATE_VRS.has(vr));
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
