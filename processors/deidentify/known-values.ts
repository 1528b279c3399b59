/** What was removed or changed in one instance, as patterns to look for in its output. */
import { decodeText, latin1 } from '../../core/dicom/character-sets.ts';
import { isDummy } from './dummies.ts';
import { isSafeText } from './safe-words.ts';

/**
 * - `text`: an identifier, a description, or a part of a name: found anywhere when long, as a whole word when short
 * - `uid`: found in any text, between characters that are no part of a UID
 * - `digits`: a date or time, found between characters that are no digits
 */
export type PatternKind = 'text' | 'uid' | 'digits';

/** Shorter values are found in everything and prove nothing. */
const SHORTEST_TEXT = 4;
const SHORTEST_NAME = 3;
/** A removed report text: its beginning is enough to recognise a copy. */
const LONGEST_PATTERN = 256;
/** An instance with more distinct identifiers than this is not searched in bounded time; see `isOverflown`. */
const PATTERN_LIMIT = 200_000;

const TEXT_VRS = new Set(['AE', 'CS', 'LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UR', 'UT']);
const CHARSET_VRS = new Set(['LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UT']);

export class KnownValues {
  readonly patterns = new Map<string, PatternKind>();
  /** More than can be searched for: the instance cannot be proven clean. */
  isOverflown = false;
  readonly #seen = new Set<string>();

  /** @param vr - decides how the value is split and searched; numbers and ages are too common to search for */
  add(vr: string, value: Uint8Array, characterSets: readonly string[]): void {
    if (value.length < SHORTEST_NAME || value.length > 1_000_000) return;
    if (vr === 'UI' || vr === 'DA' || vr === 'DT' || vr === 'TM') {
      const raw = latin1(value);
      if (this.#isNew(vr, raw)) for (const one of raw.split('\\')) this.#addCoded(vr, trimmed(one));
      return;
    }
    if (!TEXT_VRS.has(vr)) return;
    const raw = latin1(value);
    if (!this.#isNew(vr, raw)) return;
    const text = CHARSET_VRS.has(vr) ? decodeText(value, characterSets) : raw;
    const parts = vr === 'LT' || vr === 'ST' || vr === 'UT' ? [text, ...text.split(/[\r\n]+/)] : text.split('\\');
    for (const part of parts) this.#addText(trimmed(part));
    if (vr === 'PN') for (const part of text.split(/[\\^=, ]+/)) this.#addName(trimmed(part));
  }

  /** A UID that got a new one. */
  addUid(uid: string): void {
    this.#put(uid, 'uid');
  }

  #addCoded(vr: string, value: string): void {
    if (value === '' || isDummy(value)) return;
    if (vr === 'UI') this.addUid(value);
    else if (vr === 'TM') this.#addTime(value);
    else {
      this.#addDate(value.replaceAll('.', '').slice(0, 8));
      if (vr === 'DT' && value.length > 8) this.#put(value.toLowerCase(), 'digits');
    }
  }

  /** As the standard, ISO 8601 and people in several countries write it. */
  #addDate(value: string): void {
    const [, year, month, day] = /^(\d{4})(\d{2})(\d{2})$/.exec(value) ?? [];
    if (year === undefined || month === undefined || day === undefined || isDummy(value)) return;
    this.#put(value, 'digits');
    this.#put(`${year}-${month}-${day}`, 'digits');
    this.#put(`${year}/${month}/${day}`, 'digits');
    for (const separator of ['.', '/', '-']) {
      this.#put([day, month, year].join(separator), 'digits');
      this.#put([month, day, year].join(separator), 'digits');
    }
  }

  #addTime(value: string): void {
    const [, hour, minute, second] = /^(\d{2})(\d{2})(\d{2})(?:\.\d+)?$/.exec(value) ?? [];
    if (hour === undefined || minute === undefined || second === undefined || /^[0.]+$/.test(value)) return;
    this.#put(value, 'digits');
    this.#put(`${hour}:${minute}:${second}`, 'digits');
    this.#put(`${hour}${minute}${second}`, 'digits');
  }

  #addText(text: string): void {
    if (text.length < SHORTEST_TEXT || isDummy(text.toLowerCase()) || isSafeText(text)) return;
    // A punctuation pattern such as `----` is no identifier.
    if (/[\p{L}\p{N}]/u.test(text)) this.#put(normalised(text), 'text');
  }

  #addName(name: string): void {
    if (name.length < SHORTEST_NAME && !/[^\0-\x7f]/.test(name)) return;
    if (name.length < 2 || isDummy(name.toLowerCase()) || isSafeText(name)) return;
    this.#put(normalised(name), 'text');
  }

  #put(pattern: string, kind: PatternKind): void {
    if (this.patterns.size >= PATTERN_LIMIT) this.isOverflown = true;
    else this.patterns.set(pattern.slice(0, LONGEST_PATTERN), kind);
  }

  #isNew(vr: string, raw: string): boolean {
    const key = `${vr}${raw}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }
}

/** Both sides of a comparison: compatibility forms composed, lower case. */
export function normalised(text: string): string {
  return (/^[\0-\x7f]*$/.test(text) ? text : text.normalize('NFKC')).toLowerCase();
}

function trimmed(text: string): string {
  return text.replace(/^[\0\s]+|[\0\s]+$/g, '');
}
