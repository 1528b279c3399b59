/** What the instances of one study say the same a thousand times over: worked out once. Each part is bounded. */
import { layersOfText } from './hidden-layers.ts';
import { normalised } from './known-values.ts';
import type { SpelledValues } from './known-values.ts';
import type { Pseudonyms } from './pseudonyms.ts';
import type { EncodedPatterns } from './search.ts';
import { isTelling } from './spellings.ts';
import { StudySecrets } from './study-secrets.ts';

/** Longer texts are of their own. */
const REMEMBERED_CHARACTERS = 256;
const REMEMBERED_TEXTS = 20_000;

export class StudyMemory {
  /** Removed values, and how they are spelled. */
  readonly spelled: SpelledValues = new Map();
  readonly patterns: EncodedPatterns = new Map();
  readonly secrets = new StudySecrets();
  readonly #readings = new Map<string, Readings>();

  readingsOf(text: string): Readings {
    if (text.length > REMEMBERED_CHARACTERS) return read(text);
    const known = this.#readings.get(text);
    if (known !== undefined) return known;
    const readings = read(text);
    if (this.#readings.size >= REMEMBERED_TEXTS) this.#readings.clear();
    this.#readings.set(text, readings);
    return readings;
  }
}

/** How else a text can be read. */
export interface Readings {
  /** What it says once more in other words; see hidden-layers.ts. */
  readonly layers: readonly string[];
  /** Its letters and digits, normalised, without what stands between them; undefined where nothing does. */
  readonly joined: string | undefined;
}

function read(text: string): Readings {
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
