/**
 * What the output of an instance must not say: what was removed from it, and what names people, is an identifier or a
 * removed date in any instance of its study so far. The operator of one series stands in the comment of another.
 *
 * From one instance to the next nearly all of it stays, so nothing is built anew: what is removed no more leaves the
 * search, what is removed for the first time enters it, and every output is searched for all of it.
 */
import { type Pattern, type PatternKind, PatternSearch } from './search.ts';

/** A pattern; or a value of two or three characters, which is repeated by a whole value only, not by a word in one. */
export interface Spelled {
  readonly text: string;
  readonly kind: PatternKind | 'value';
}

/** One removed value, in all the ways it is looked for. */
export interface Secret {
  readonly spelled: readonly Spelled[];
  /** It names people or is an identifier: looked for in all of the study. */
  readonly isFirm: boolean;
  /** No secret where the policy keeps the same by name: dates never are, nor is what is firm. */
  readonly isExcusable: boolean;
  /** Some of it is not in ASCII: what repeats it may be in yet another character set. */
  readonly isForeign: boolean;
  /** The days in it, as DA has them: moments within them are no less. */
  readonly dates: readonly string[];
}

/** An instance with more distinct patterns than this is not searched in bounded time; see `isOverflown`. */
const PATTERN_LIMIT = 400_000;
/** On the way from one instance to the next, what leaves and what enters stand side by side. */
const ENTRY_LIMIT = 2 * PATTERN_LIMIT;

/** Of a study: the patient's, and those of the days on which it was made. */
const SHARED_DATES = 64;
const DAY_SECONDS = 86_400;

const KINDS = ['anywhere', 'word', 'name', 'number', 'digits', 'uid', 'value'] as const;
const BITS = new Map<Spelled['kind'], number>(KINDS.map((kind, index) => [kind, 1 << index]));
const VALUE = 1 << KINDS.indexOf('value');

/** One text that is looked for, and why. */
interface Entry {
  readonly text: string;
  /** How many of the instance's removed values are spelled so, by kind. */
  readonly counts: number[];
  /** How many of them are firm, and how many nothing excuses. */
  firm: number;
  inexcusable: number;
  /** How many values that the policy keeps by name are spelled so: as a pattern, as a whole value. */
  readonly kept: { pattern: number; value: number };
  /** What all of the study is searched for, as bits of kinds. */
  study: number;
  /** What the search has of it. */
  kinds: number;
  pattern: Pattern | undefined;
  isTouched: boolean;
}

export class StudySecrets {
  readonly #search = new PatternSearch();
  readonly #entries = new Map<string, Entry>();
  /** Of the instance at hand, by the instance they were last met in. */
  readonly #said = new Map<Secret, number>();
  readonly #kept = new Map<Secret, number>();
  /** How many values of the instance at hand have the date in them. */
  readonly #dates = new Map<string, number>();
  readonly #studyDates = new Set<string>();
  readonly #spellDate: (date: string) => Secret | undefined;
  #instance = 0;
  #touched: Entry[] = [];
  #values = 0;
  #generation = 0;
  #hasForeignLetters = false;
  #isOverflown = false;

  /** @param spellDate - spells out a DA value, for the instances that it was not removed from */
  constructor(spellDate: (date: string) => Secret | undefined) {
    this.#spellDate = spellDate;
  }

  /** Moves on whenever more is looked for in all of the study: what was searched before was not searched for that. */
  get generation(): number {
    return this.#generation;
  }

  /** More than can be searched for: the instance cannot be proven clean. */
  get isOverflown(): boolean {
    return this.#isOverflown;
  }

  get hasForeignLetters(): boolean {
    return this.#hasForeignLetters;
  }

  /** Some of it is a value that only a whole value repeats. */
  get hasValues(): boolean {
    return this.#values > 0;
  }

  /**
   * From here on the instance is another one, and that of the study which it adds is looked for in all others.
   *
   * @param removed - from this instance
   * @param kept - by name, by the policy's options: no secret where it stands once more, such as the institution in the
   *   text of a report. Names of people, identifiers and dates that were removed elsewhere stay secrets.
   */
  lookFor(removed: Iterable<Secret>, kept: Iterable<Secret>): void {
    if (this.#isOverflown) this.#startAnew();
    this.#instance += 1;
    this.#change(this.#said, removed, (secret, by) => this.#count(secret, by));
    this.#change(this.#kept, kept, (secret, by) => this.#excuse(secret, by));
    this.#shareDates();
    for (const entry of this.#touched) this.#settle(entry);
    this.#touched = [];
    this.#isOverflown ||= this.#entries.size > PATTERN_LIMIT;
  }

  /**
   * True for a moment within a removed date, or within hours of it: nobody says in which time zone the date was written.
   *
   * @param seconds - since 1970
   */
  isMomentOfDate(seconds: number): boolean {
    return [-DAY_SECONDS, 0, DAY_SECONDS].some((shift) => {
      const date = new Date((seconds + shift) * 1000).toISOString().slice(0, 10).replaceAll('-', '');
      return this.#dates.has(date) || this.#studyDates.has(date);
    });
  }

  /** Whether the text, as a whole, is looked for as one of this kind. */
  isLookedFor(text: string, kind: Spelled['kind']): boolean {
    return ((this.#entries.get(text)?.kinds ?? 0) & (BITS.get(kind) ?? 0)) !== 0;
  }

  /** See `PatternSearch`. */
  search(text: Uint8Array, onHit: (offset: number, kind: PatternKind, lengthBytes: number) => void): void {
    this.#search.run(text, onHit);
  }

  #change(active: Map<Secret, number>, now: Iterable<Secret>, count: (secret: Secret, by: 1 | -1) => void): void {
    for (const secret of now) {
      if (!active.has(secret)) count(secret, 1);
      active.set(secret, this.#instance);
    }
    for (const [secret, instance] of active) {
      if (instance === this.#instance) continue;
      count(secret, -1);
      active.delete(secret);
    }
  }

  #shareDates(): void {
    for (const date of this.#dates.keys()) {
      if (this.#studyDates.size >= SHARED_DATES) return;
      if (this.#studyDates.has(date)) continue;
      this.#studyDates.add(date);
      this.#generation += 1;
      this.#spellDateOut(date);
    }
  }

  #spellDateOut(date: string): void {
    const secret = this.#spellDate(date);
    if (secret !== undefined) this.#spell(secret, 1);
  }

  #count(secret: Secret, by: 1 | -1): void {
    this.#hasForeignLetters ||= secret.isForeign;
    for (const date of secret.dates) {
      const count = (this.#dates.get(date) ?? 0) + by;
      if (count > 0) this.#dates.set(date, count);
      else this.#dates.delete(date);
    }
    this.#spell(secret, by);
  }

  #spell({ spelled, isFirm, isExcusable }: Secret, by: 1 | -1): void {
    for (const { text, kind } of spelled) {
      const entry = this.#touch(text);
      if (entry === undefined) return;
      const index = KINDS.indexOf(kind);
      entry.counts[index] = (entry.counts[index] ?? 0) + by;
      if (isFirm) entry.firm += by;
      if (!isExcusable) entry.inexcusable += by;
    }
  }

  #excuse({ spelled }: Secret, by: 1 | -1): void {
    for (const { text, kind } of spelled) {
      const entry = this.#touch(text);
      if (entry === undefined) return;
      entry.kept[kind === 'value' ? 'value' : 'pattern'] += by;
    }
  }

  #touch(text: string): Entry | undefined {
    let entry = this.#entries.get(text);
    if (entry === undefined) {
      if (this.#entries.size >= ENTRY_LIMIT) {
        this.#isOverflown = true;
        return undefined;
      }
      const nothing = { firm: 0, inexcusable: 0, study: 0, kinds: 0, pattern: undefined, isTouched: false };
      entry = { text, counts: KINDS.map(() => 0), kept: { pattern: 0, value: 0 }, ...nothing };
      this.#entries.set(text, entry);
    }
    if (!entry.isTouched) this.#touched.push(entry);
    entry.isTouched = true;
    return entry;
  }

  #settle(entry: Entry): void {
    entry.isTouched = false;
    const { counts, firm, inexcusable, kept } = entry;
    let said = 0;
    for (const [index, count] of counts.entries()) if (count > 0) said |= 1 << index;
    if (firm > 0 && (said & ~entry.study) !== 0) {
      entry.study |= said;
      this.#generation += 1;
    }
    if (inexcusable === 0 && kept.pattern > 0) said &= VALUE;
    if (inexcusable === 0 && kept.value > 0) said &= ~VALUE;
    this.#set(entry, entry.study | said);
    const isKept = kept.pattern > 0 || kept.value > 0;
    if (entry.kinds === 0 && !isKept && counts.every((count) => count === 0)) this.#entries.delete(entry.text);
  }

  #set(entry: Entry, kinds: number): void {
    if (kinds === entry.kinds) return;
    this.#values += (kinds & VALUE) / VALUE - (entry.kinds & VALUE) / VALUE;
    entry.kinds = kinds;
    if (entry.pattern !== undefined) this.#search.delete(entry.pattern);
    const ofText = KINDS.filter((kind) => kind !== 'value').filter((_, index) => (kinds & (1 << index)) !== 0);
    entry.pattern = ofText.length === 0 ? undefined : { bytes: Buffer.from(entry.text, 'utf8'), kinds: ofText };
    if (entry.pattern !== undefined) this.#search.add(entry.pattern);
  }

  /** After more than could be counted: only what the study knows stays. */
  #startAnew(): void {
    this.#isOverflown = false;
    this.#said.clear();
    this.#kept.clear();
    this.#dates.clear();
    this.#touched = [];
    for (const entry of this.#entries.values()) {
      entry.counts.fill(0);
      entry.firm = entry.inexcusable = entry.kept.pattern = entry.kept.value = 0;
      this.#settle(entry);
    }
    for (const date of this.#studyDates) this.#spellDateOut(date);
  }
}
