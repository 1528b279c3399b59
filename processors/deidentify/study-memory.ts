/** What the instances of one study say the same a thousand times over: worked out once. Each part is bounded. */
import { layersOfText } from './hidden-layers.ts';
import type { SpelledValues } from './known-values.ts';
import type { Pseudonyms } from './pseudonyms.ts';
import type { EncodedPatterns } from './search.ts';

/** Longer texts are of their own. */
const REMEMBERED_CHARACTERS = 256;
const REMEMBERED_TEXTS = 20_000;

export class StudyMemory {
  /** Removed values, and how they are spelled. */
  readonly spelled: SpelledValues = new Map();
  readonly patterns: EncodedPatterns = new Map();
  readonly #layers = new Map<string, readonly string[]>();

  /** What a text says once more in other words; see hidden-layers.ts. */
  layersOf(text: string): readonly string[] {
    if (text.length > REMEMBERED_CHARACTERS) return layersOfText(text);
    const known = this.#layers.get(text);
    if (known !== undefined) return known;
    const layers = layersOfText(text);
    if (this.#layers.size >= REMEMBERED_TEXTS) this.#layers.clear();
    this.#layers.set(text, layers);
    return layers;
  }
}

/** As long as the pseudonyms of a study, and no longer. */
const memories = new WeakMap<Pseudonyms, StudyMemory>();

export function memoryOf(pseudonyms: Pseudonyms): StudyMemory {
  const known = memories.get(pseudonyms) ?? new StudyMemory();
  memories.set(pseudonyms, known);
  return known;
}
