/** The values of an output, one behind the other, each with its element: what the verification pass searches. */
import { parseCharacterSets } from '../../core/dicom/character-sets.ts';
import type { Element, Item } from '../../core/dicom/element.ts';
import { TAG } from '../../core/dicom/tags.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import { keptPrivate } from './private-elements.ts';
import { faultOf, leafAt } from './reading.ts';
import type { Reading, ReadText, ReadValue } from './reading.ts';
import type { PatternKind } from './search.ts';
import { isTelling } from './spellings.ts';
import type { StudyMemory } from './study-memory.ts';

const DATE_VRS = new Set(['DA', 'DT', 'TM']);
/** A text of no more characters is no table of numbers. */
const FEW_CHARACTERS = 256;
/** Digits in a row that are in no table by chance. */
const LONG_NUMBER = 16;

/** One element of the top level, and what it says. */
interface Part {
  /** Where its texts begin among those of all. */
  readonly start: number;
  readonly element: Element;
  readonly reading: Pick<Reading, 'texts' | 'values'>;
}

export class Haystack {
  readonly faults: string[] = [];
  readonly #memory: StudyMemory;
  readonly #root: Item;
  #bytes: Uint8Array;
  #length = 0;
  readonly #parts: Part[] = [];
  readonly #hits = new Set<Element>();

  /**
   * @param dataSet - an output
   * @param root - what it was parsed to
   */
  constructor(dataSet: Uint8Array, root: Item, plan: CompiledPlan, memory: StudyMemory) {
    this.#memory = memory;
    this.#root = root;
    this.#bytes = memory.buffers.bytes('haystack', dataSet.length + 1024);
    const own = root.elements.find(({ tag }) => tag === TAG.SpecificCharacterSet);
    const readings = memory.readings(plan, own === undefined ? [] : parseCharacterSets(own.value), root.encoding);
    const allowed = keptPrivate(root, plan).elements;
    for (const element of root.elements) {
      const fault = faultOf(element, allowed);
      if (fault !== undefined) this.faults.push(fault);
      this.#add(element, readings.of(element, root, dataSet));
    }
  }

  get searchedBytes(): number {
    return this.#length;
  }

  /** @returns what repeats something that the output must not say */
  search(): readonly Element[] {
    for (const { element, reading } of this.#parts)
      for (const value of reading.values) if (this.#isKnown(value)) this.#hit(element, value.leaf);
    this.#memory.secrets.search(this.#bytes.subarray(0, this.#length), (offset, kind, lengthBytes) => {
      const part = this.#parts[lastAt(this.#parts, offset)];
      const at = lastAt(part?.reading.texts ?? [], offset - (part?.start ?? 0));
      const text = part?.reading.texts[at];
      if (part === undefined || text === undefined || !isMeant(text.vr, kind)) return;
      if (!text.isJoined || this.#tellsJoined(part.start + text.start, offset, kind, lengthBytes))
        this.#hit(part.element, text.leaf);
    });
    return [...this.#hits];
  }

  #add(element: Element, reading: Reading): void {
    const { bytes, faults } = reading;
    if (faults.length > 0) this.faults.push(...faults);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#parts.push({ start: this.#length, element, reading });
    this.#length += bytes.length;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#length + more, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  #isKnown({ text, isOf }: ReadValue): boolean {
    const { secrets } = this.#memory;
    if (isOf === 'stranger') return true;
    if (isOf === 'moment') return secrets.isMomentOfDate(Number(text));
    if (isOf === 'text') return secrets.hasValues && secrets.isLookedFor(text, 'value');
    return [text.replace(/^0+/, ''), text].some(
      (number) =>
        secrets.isLookedFor(number, 'number') ||
        secrets.isLookedFor(number, 'anywhere') ||
        (text.length === 8 && secrets.isLookedFor(number, 'digits')),
    );
  }

  #hit(element: Element, leaf: number): void {
    const found = leafAt(element, this.#root, leaf);
    if (found !== undefined) this.#hits.add(found);
  }

  /** Whether what was found in a joined value is more than the end of one word and the beginning of the next. */
  #tellsJoined(start: number, offset: number, kind: PatternKind, lengthBytes: number): boolean {
    if (kind !== 'anywhere' && kind !== 'number') return false;
    const found = Buffer.from(this.#bytes.subarray(offset, offset + lengthBytes)).toString('utf8');
    if (!isTelling(found)) return false;
    // In a long table of numbers any number can be found.
    const sizeBytes = this.#bytes.indexOf(0, offset) + 1 - start;
    return sizeBytes <= FEW_CHARACTERS || found.length >= LONG_NUMBER || !/^\d+$/.test(found);
  }
}

/** The last of them that begins there or before. */
function lastAt(some: readonly (Part | ReadText)[], offset: number): number {
  let low = 0;
  let high = some.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((some[middle]?.start ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Dates and times are looked for where people write: not in bytes that may be anything, and not where dates belong. */
function isMeant(vr: string, kind: PatternKind): boolean {
  return kind !== 'digits' || (vr !== 'OW' && !DATE_VRS.has(vr));
}
