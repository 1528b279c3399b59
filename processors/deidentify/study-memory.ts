/** What the instances of one study say the same a thousand times over: worked out once. Each part is bounded. */
import type { Element, Encoding, Item } from '../../core/dicom/element.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { ByteMemo } from './byte-memo.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import { ElementOutcomes } from './element-outcomes.ts';
import { layersOfText } from './hidden-layers.ts';
import { KnownValues, normalised } from './known-values.ts';
import type { Pseudonyms } from './pseudonyms.ts';
import { Reader } from './reading.ts';
import type { OtherReadings, Reading } from './reading.ts';
import { isTelling } from './spellings.ts';
import { StudyBuffers } from './study-buffers.ts';
import { StudySecrets } from './study-secrets.ts';
import { SharedTallies } from './tally.ts';

/** Longer texts are of their own. */
const REMEMBERED_CHARACTERS = 256;
const REMEMBERED_TEXTS = 20_000;
/** Character sets, encodings and patients of one study, taken together. */
const REMEMBERED_CONTEXTS = 8;

export class StudyMemory {
  /** Removed values, and how they are spelled. */
  readonly spelled = new KnownValues();
  readonly secrets = new StudySecrets((date) => this.spelled.of('DA', Buffer.from(date, 'latin1'), []));
  readonly buffers = new StudyBuffers();
  readonly tallies = new SharedTallies();
  /** What becomes of elements. */
  readonly outcomes = new Contexts<ElementOutcomes>();
  readonly #readings = new Contexts<ElementReadings>();
  readonly #otherReadings = new Map<string, OtherReadings>();

  /** What elements of an output say. */
  readings(plan: CompiledPlan, characterSets: readonly string[], { explicit, bigEndian }: Encoding): ElementReadings {
    const { hasForeignLetters } = this.secrets;
    const name = `${String(explicit)}/${String(bigEndian)}/${String(hasForeignLetters)}/${characterSets.join('\\')}`;
    return this.#readings.of(plan, name, () => {
      const reader = new Reader(plan, hasForeignLetters, (text) => this.#otherReadingsOf(text));
      return new ElementReadings(reader, characterSets);
    });
  }

  #otherReadingsOf(text: string): OtherReadings {
    if (text.length > REMEMBERED_CHARACTERS) return otherReadingsOf(text);
    const known = this.#otherReadings.get(text);
    if (known !== undefined) return known;
    const readings = otherReadingsOf(text);
    if (this.#otherReadings.size >= REMEMBERED_TEXTS) this.#otherReadings.clear();
    this.#otherReadings.set(text, readings);
    return readings;
  }
}

/** What is the same for all instances that are alike in some things, and for no other. */
class Contexts<T> {
  readonly #byPlan = new WeakMap<CompiledPlan, Map<string, T>>();

  /** @param name - says all that makes a difference, besides the plan */
  of(plan: CompiledPlan, name: string, make: () => T): T {
    const contexts = this.#byPlan.get(plan) ?? new Map<string, T>();
    this.#byPlan.set(plan, contexts);
    const known = contexts.get(name);
    if (known !== undefined) return known;
    if (contexts.size >= REMEMBERED_CONTEXTS) contexts.clear();
    const made = make();
    contexts.set(name, made);
    return made;
  }
}

/** What elements of the top level say, those of one output and of the next. */
export class ElementReadings {
  readonly #reader: Reader;
  readonly #characterSets: readonly string[];
  readonly #known = new ByteMemo<Reading>();

  constructor(reader: Reader, characterSets: readonly string[]) {
    this.#reader = reader;
    this.#characterSets = characterSets;
  }

  /**
   * @param bytes - those the element is a view into
   * @returns good until the next one is asked for
   */
  of(element: Element, root: Item, bytes: Uint8Array): Reading {
    const { tag, start, end } = element;
    const known = this.#known.find(tag, bytes, start, end);
    if (known !== undefined) return known;
    const reading = this.#reader.read(element, root, this.#characterSets);
    // What a code at the top level says is a matter of its neighbours.
    if (tag !== TAG.CodeValue && this.#known.isWorth(tag, end - start))
      this.#known.keep(tag, new Uint8Array(bytes.subarray(start, end)), {
        ...reading,
        bytes: new Uint8Array(reading.bytes),
      });
    return reading;
  }
}

function otherReadingsOf(text: string): OtherReadings {
  const whole = normalised(text);
  const joined = whole.replaceAll(/[^\p{L}\p{N}]+/gu, '');
  return { layers: layersOfText(text), joined: isTelling(joined) && joined.length < whole.length ? joined : undefined };
}

/** As long as the pseudonyms of a study, and no longer. */
const memories = new WeakMap<Pseudonyms, StudyMemory>();

export function memoryOf(pseudonyms: Pseudonyms): StudyMemory {
  const known = memories.get(pseudonyms) ?? new StudyMemory();
  memories.set(pseudonyms, known);
  return known;
}
