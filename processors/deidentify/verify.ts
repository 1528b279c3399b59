/**
 * The proof: the output is parsed again by itself and searched for every value that was removed or changed. Numbers and
 * pixels aside, every byte of every value is looked at: decoded by its character set, case folded, without the zero
 * bytes of wide characters.
 */
import { decodeText, latin1, parseCharacterSets } from '../../core/dicom/character-sets.ts';
import { isPrivate } from '../../core/dicom/dictionary.ts';
import type { Element, Encoding, Item } from '../../core/dicom/element.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { walk } from '../../core/dicom/walker.ts';
import { withoutTrailingPadding } from '../../core/padding.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import { normalised } from './known-values.ts';
import type { KnownValues, PatternKind } from './known-values.ts';
import { methodCodes, temporalInformation, existingCodes } from './markers.ts';
import { keptPrivate } from './private-elements.ts';
import type { ElementPath } from './decision.ts';
import { PatternSearch } from './search.ts';
import { uidValues } from './value-rules.ts';

export interface Finding {
  readonly path: ElementPath;
  readonly tag: number;
  /** Listed or a marker: emptying it would break the profile's own action, so the study is held. */
  readonly isListed: boolean;
}

export interface Verification {
  readonly findings: readonly Finding[];
  /** What is wrong with the output itself; fixed words. Never to be released. */
  readonly faults: readonly string[];
  /** Bytes of values that were searched. */
  readonly searchedBytes: number;
}

/** Searched as text with every kind of pattern. */
const TEXT_VRS = new Set(['AE', 'CS', 'LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UR', 'UT']);
const CHARSET_VRS = new Set(['LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UT', 'UN']);
/** Searched as bytes; wide characters are found without their zero bytes. */
const BYTE_VRS = new Set(['OB', 'OW', 'UN']);

/** @param dataSet - the rewritten data set up to the pixel data */
export function verifyOutput(
  dataSet: Uint8Array,
  encoding: Encoding,
  known: KnownValues,
  plan: CompiledPlan,
): Verification {
  const { root, end } = walk(dataSet, encoding);
  const haystack = new Haystack(dataSet.length, known, plan);
  haystack.addItem(root, []);
  const faults = [...haystack.faults, ...markerFaults(root, plan)];
  if (end !== dataSet.length) faults.push('bytes behind the last element');
  if (known.isOverflown) faults.push('too many values to search for');
  const hits = haystack.search();
  return {
    findings: hits.map((element) => findingOf(root, element, plan)),
    faults,
    searchedBytes: haystack.searchedBytes,
  };
}

/** The values of an output, one behind the other, each with its element. */
class Haystack {
  readonly faults: string[] = [];
  readonly #known: KnownValues;
  readonly #plan: CompiledPlan;
  #bytes: Uint8Array;
  #length = 0;
  readonly #starts: number[] = [];
  readonly #elements: Element[] = [];
  readonly #hits = new Set<Element>();

  constructor(capacity: number, known: KnownValues, plan: CompiledPlan) {
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
      if (element.items === undefined) this.#addValue(element, characterSets);
      else for (const inner of element.items) this.addItem(inner, characterSets);
    }
  }

  search(): readonly Element[] {
    const search = new PatternSearch(this.#known.patterns);
    search.run(this.#bytes.subarray(0, this.#length), (offset, kind) => {
      const element = this.#elementAt(offset);
      if (element !== undefined && isMeant(element.vr, kind)) this.#hits.add(element);
    });
    return [...this.#hits];
  }

  #addValue(element: Element, characterSets: readonly string[]): void {
    const { vr, value } = element;
    if (value.length < 2) return;
    if (vr === 'DS' || vr === 'IS') {
      // A number that is, as a whole, an identifier or a date; within other numbers anything can be found.
      for (const one of latin1(value).split('\\')) if (this.#isIdentifier(one.trim())) this.#hits.add(element);
      return;
    }
    if (vr === 'UI') {
      // Class UIDs too, which the walk lets stand: a sender may have put an instance's into one.
      for (const uid of uidValues(value)) if (this.#known.patterns.get(uid) === 'uid') this.#hits.add(element);
      return;
    }
    if (!TEXT_VRS.has(vr) && !BYTE_VRS.has(vr)) return;
    const isAscii = !BYTE_VRS.has(vr) && this.#appendFolded(element, value);
    if (isAscii) return;
    if (CHARSET_VRS.has(vr)) this.#append(element, Buffer.from(normalised(decodeText(value, characterSets)), 'utf8'));
    if (!BYTE_VRS.has(vr)) return;
    const lower = Buffer.from(latin1(value).toLowerCase(), 'latin1');
    this.#append(element, lower);
    if (lower.includes(0))
      this.#append(
        element,
        lower.filter((byte) => byte !== 0),
      );
  }

  #isIdentifier(number: string): boolean {
    const kind = this.#known.patterns.get(number.toLowerCase());
    return (kind === 'text' && number.length >= 6) || (kind === 'digits' && /^\d{8}$/.test(number));
  }

  /** Appends in lower case while it is ASCII. @returns false, with nothing appended, where it is not */
  #appendFolded(element: Element, value: Uint8Array): boolean {
    this.#reserve(value.length + 1);
    const start = this.#length;
    for (let i = 0; i < value.length; i++) {
      const byte = value[i] ?? 0;
      // Escape sequences begin other character sets.
      if (byte >= 0x80 || byte === 0x1b) return false;
      this.#bytes[start + i] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    }
    this.#finish(element, start, value.length);
    return true;
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

  #elementAt(offset: number): Element | undefined {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return this.#elements[low];
  }
}

/** Dates and times are looked for where people write, not in bytes that may be anything. */
function isMeant(vr: string, kind: PatternKind): boolean {
  return kind !== 'digits' || vr !== 'OW';
}

function findingOf(root: Item, element: Element, plan: CompiledPlan): Finding {
  return {
    path: pathTo(root, element) ?? '',
    tag: element.tag,
    isListed: plan.action(element.tag) !== undefined && !isPrivate(element.tag),
  };
}

function pathTo(item: Item, wanted: Element): ElementPath | undefined {
  for (const element of item.elements) {
    const name = element.tag.toString(16).toUpperCase().padStart(8, '0');
    if (element === wanted) return name;
    if (element.items === undefined || wanted.start < element.start || wanted.start >= element.end) continue;
    for (const [index, inner] of element.items.entries()) {
      const path = pathTo(inner, wanted);
      if (path !== undefined) return `${name}/${index}/${path}`;
    }
  }
  return undefined;
}

function markerFaults(root: Item, { plan }: CompiledPlan): readonly string[] {
  const text = (tag: number) => {
    const element = root.elements.find((one) => one.tag === tag);
    return element === undefined ? '' : withoutTrailingPadding(latin1(element.value));
  };
  const codes = existingCodes(root.elements.find(({ tag }) => tag === TAG.DeidentificationMethodCodeSequence));
  const isMarked =
    text(TAG.PatientIdentityRemoved) === 'YES' &&
    text(TAG.DeidentificationMethod).split('\\').includes(plan.hash) &&
    text(TAG.LongitudinalTemporalInformationModified) === temporalInformation(plan) &&
    methodCodes(plan).every((code) => codes.has(code));
  return isMarked ? [] : ['the markers are not all there'];
}
