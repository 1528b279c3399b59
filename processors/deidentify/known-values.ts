/** What was removed or changed in the instances of a study, as patterns to look for in what comes out. */
import { decodeText, latin1 } from '../../core/dicom/character-sets.ts';
import { withoutPadding } from '../../core/padding.ts';
import { isDummy } from './dummies.ts';
import { isOrdinaryWord, isSafeText, isSafeWord, isSafeWords } from './safe-words.ts';
import {
  codesIn,
  pairsOfName,
  spellingsOfAge,
  spellingsOfDate,
  spellingsOfIdentifier,
  spellingsOfMonth,
  spellingsOfName,
  spellingsOfTime,
} from './spellings.ts';
import type { Secret, Spelled } from './study-secrets.ts';

/**
 * What a removed text was for: an identifier is looked for in pieces, of a description single words prove nothing, of the
 * name of a place those that are no everyday words do.
 */
export type Role = 'identifier' | 'description' | 'place' | 'other';

/** Shorter values are found in everything and prove nothing; see `shortValues` for identifiers. */
const SHORTEST_TEXT = 4;
const SHORTEST_NAME = 3;
const SHORTEST_PLACE = 6;
/** From here on a value is not part of a longer word by chance. */
const SHORTEST_ANYWHERE = 6;
const SHORTEST_NUMBER = 5;
/** Of a number within an identifier: shorter ones are counted by scanners. */
const SHORTEST_PART = 6;
const SHORTEST_UID_DIGITS = 20;
/** A removed report text: its beginning is enough to recognise a copy. */
const LONGEST_PATTERN = 256;
const TEXT_VRS = new Set(['AE', 'CS', 'LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UR', 'UT']);
const CHARSET_VRS = new Set(['LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UT']);
const DATE_VRS = new Set(['DA', 'DT', 'TM', 'AS']);
/** Scripts without spaces between words: two characters are a name (PS3.5 Section 6.2.1, ideographic and phonetic groups). */
const IDEOGRAPHIC = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]+$/u;

/** Longer values are texts of their own; more of them are kept by no study. */
const REMEMBERED_BYTES = 256;
const REMEMBERED_VALUES = 20_000;

/** Spells removed values out. The instances of a study say the same a thousand times over: each is spelled out once. */
export class KnownValues {
  readonly #remembered = new Map<string, Secret>();
  #spelled: Spelled[] = [];

  /**
   * @param vr - decides how the value is split and searched; numbers are too common to search for
   * @returns the same object for the same value; nothing where nothing can be looked for
   */
  of(vr: string, value: Uint8Array, characterSets: readonly string[], role: Role = 'other'): Secret | undefined {
    if (value.length < 2 || value.length > 1_000_000) return undefined;
    const raw = latin1(value);
    // The same bytes are another text in another character set.
    const isForeign = CHARSET_VRS.has(vr) && !isAscii(raw);
    const sets = isForeign ? characterSets.join('\\') : '';
    return this.#secret(`${vr}${role}/${sets}/${raw}`, () => {
      this.#spellOut(vr, value, raw, characterSets, role);
      // The escape sequences of ISO 2022 announce what is written in seven bits, too.
      const dates = vr === 'DA' || vr === 'DT' ? [...raw.matchAll(/(?<!\d)\d{8}/g)].map(([date]) => date) : [];
      return {
        isFirm: vr === 'PN' || role === 'identifier',
        isExcusable: !DATE_VRS.has(vr),
        isForeign: isForeign || raw.includes('\x1b'),
        dates: dates.filter((date) => !isDummy(date)),
      };
    });
  }

  /** A UID that got a new one. */
  ofUid(uid: string): Secret {
    return this.#secret(`uid/${uid}`, () => {
      this.#addUid(uid);
      return { isFirm: false, isExcusable: true, isForeign: false, dates: [] };
    });
  }

  #secret(name: string, spellOut: () => Omit<Secret, 'spelled'>): Secret {
    const before = this.#remembered.get(name);
    if (before !== undefined) return before;
    this.#spelled = [];
    const secret = { ...spellOut(), spelled: this.#spelled };
    if (name.length > REMEMBERED_BYTES) return secret;
    if (this.#remembered.size >= REMEMBERED_VALUES) this.#remembered.clear();
    this.#remembered.set(name, secret);
    return secret;
  }

  #spellOut(vr: string, value: Uint8Array, raw: string, characterSets: readonly string[], role: Role): void {
    if (vr === 'UI' || vr === 'DA' || vr === 'DT' || vr === 'TM' || vr === 'AS') {
      for (const one of raw.split('\\')) this.#addCoded(vr, trimmed(one));
      return;
    }
    if (!TEXT_VRS.has(vr)) return;
    for (const text of CHARSET_VRS.has(vr) ? readingsOf(value, characterSets) : [raw]) {
      if (vr === 'PN') this.#addNames(text);
      const parts = vr === 'LT' || vr === 'ST' || vr === 'UT' ? [text, ...text.split(/[\r\n]+/)] : text.split('\\');
      for (const part of parts) this.#addText(trimmed(part), vr === 'PN' ? 'other' : role);
      if (role === 'place') this.#addPlace(text);
    }
  }

  /** `Kowalczyk Radiology` is told by its first word; what is written small names nothing. */
  #addPlace(text: string): void {
    for (const [word] of text.matchAll(/(?<![\p{L}\p{N}])(?=[\p{Lu}\p{Lo}])[\p{L}\p{M}]+(?![\p{L}\p{N}])/gu)) {
      const whole = normalised(word);
      if (whole.length >= SHORTEST_PLACE && !isOrdinaryWord(whole)) this.#say(whole, 'name');
    }
  }

  #addUid(uid: string): void {
    this.#say(uid, 'uid');
    const digits = beginningOfUid(uid);
    if (digits !== undefined) this.#say(digits, 'anywhere');
  }

  #addCoded(vr: string, value: string): void {
    if (value === '' || isDummy(value.toLowerCase())) return;
    switch (vr) {
      case 'UI':
        // What is no UID although it says so is a text like another.
        if (/^[\d.]+$/.test(value)) this.#addUid(value);
        else this.#addText(value, 'identifier');
        return;
      case 'TM':
        for (const one of spellingsOfTime(value)) this.#say(one, 'digits');
        return;
      case 'AS':
        for (const one of spellingsOfAge(value)) this.#say(one, 'word');
        return;
      default: {
        const date = value.replaceAll('.', '').slice(0, 8);
        for (const one of spellingsOfDate(date)) this.#say(one, /^\D/.test(one) ? 'word' : 'digits');
        for (const one of spellingsOfMonth(date)) this.#say(one, 'value');
        if (vr === 'DT' && value.length > 8) {
          this.#say(value.toLowerCase(), 'digits');
          for (const one of spellingsOfTime(value.slice(8, 14))) this.#say(one, 'digits');
        }
      }
    }
  }

  #addText(text: string, role: Role): void {
    if (isDummy(text.toLowerCase()) || !/[\p{L}\p{N}]/u.test(text)) return;
    if (role === 'description') for (const code of codesIn(text)) this.#addIdentifier(code);
    if (role === 'identifier') this.#addIdentifier(text);
    else if (text.length >= SHORTEST_TEXT && !isSafeText(text)) this.#putText(normalised(text));
  }

  #addIdentifier(text: string): void {
    if (isSafeWords(text)) return;
    const whole = normalised(text);
    if (whole.length < SHORTEST_TEXT) {
      if (whole.length < 2 || /^\d+$/.test(whole)) return;
      this.#say(whole, 'value');
      if (/\p{L}/u.test(whole) && /\p{N}/u.test(whole)) this.#say(whole, 'word');
      return;
    }
    for (const spelling of spellingsOfIdentifier(whole))
      if (spelling.length >= SHORTEST_TEXT && !isSafeWords(spelling)) this.#putText(spelling);
    // The number in it by itself: `RAT-815471`, and a telephone's without the code of its country.
    for (const [number] of whole.matchAll(/\d+/g))
      if (number.length >= SHORTEST_PART && number.length < whole.length) this.#say(number, 'digits');
  }

  /** Values, component groups and components: PS3.5 Section 6.2.1. Each part by itself, and two together. */
  #addNames(text: string): void {
    for (const group of text.split(/[\\=]/)) {
      const parts = group.split(/[\^, ]+/).map((part) => trimmed(part));
      const components = parts.filter((part) => part !== '' && !isDummy(part.toLowerCase()));
      for (const component of components) this.#addName(component);
      if (components.length > 1)
        for (const pair of pairsOfName(components.map((one) => normalised(one)))) this.#addPair(pair);
    }
  }

  #addName(name: string): void {
    if (isSafeWords(name) || !/[\p{L}\p{N}]/u.test(name)) return;
    const whole = normalised(name);
    const isIdeographic = IDEOGRAPHIC.test(name);
    if (name.length < (isIdeographic ? 2 : SHORTEST_NAME)) {
      if (name.length === 2) this.#say(whole, 'value');
    } else if (/^\d+$/.test(whole)) this.#putText(whole);
    else {
      const kind = (one: string) => (one.length >= SHORTEST_ANYWHERE ? 'anywhere' : 'name');
      this.#say(whole, isIdeographic ? 'anywhere' : kind(whole));
      if (isIdeographic) return;
      for (const one of spellingsOfName(name, normalised))
        if (one.length >= SHORTEST_NAME && !isSafeWords(one)) this.#say(one, kind(one));
      // Of all of them, or what is theirs; `Smiths` is no part of `Smithson`.
      if (!isSafeWord(`${whole}s`)) this.#say(`${whole}s`, 'name');
    }
  }

  #addPair(pair: string): void {
    if (isSafeText(pair)) return;
    const isOneWord = pair.length >= SHORTEST_ANYWHERE && /^\p{L}+$/u.test(pair);
    if (isOneWord || IDEOGRAPHIC.test(pair)) this.#say(pair, 'anywhere');
    else if (pair.length >= SHORTEST_TEXT) this.#say(pair, 'name');
  }

  #putText(text: string): void {
    if (!/^\d+$/.test(text)) this.#say(text, text.length >= SHORTEST_ANYWHERE ? 'anywhere' : 'word');
    else if (text.length < SHORTEST_NUMBER) this.#say(text, 'word');
    else {
      const number = text.replace(/^0+/, '');
      this.#say(number.length >= SHORTEST_TEXT ? number : text, 'number');
    }
  }

  #say(text: string, kind: Spelled['kind']): void {
    this.#spelled.push({ text: text.slice(0, LONGEST_PATTERN), kind });
  }
}

/**
 * What tells a UID with something else between its numbers, as the beginning of a longer one, or cut off in its last
 * number: its digits, but for half of that number. Undefined where another UID of the same device begins like this.
 */
function beginningOfUid(uid: string): string | undefined {
  const last = uid.length - uid.lastIndexOf('.') - 1;
  const digits = uid.slice(0, uid.length - Math.max(1, Math.floor(last / 2))).replaceAll('.', '');
  return digits.length >= SHORTEST_UID_DIGITS ? digits : undefined;
}

/** Both sides of a comparison: compatibility forms, without accents and invisible characters, lower case. */
export function normalised(text: string): string {
  if (isAscii(text)) return text.toLowerCase();
  return text
    .normalize('NFKD')
    .replaceAll(/[\p{M}\p{Cf}\0]/gu, '')
    .replaceAll(/[^\0-\x7f\p{L}\p{N}]/gu, plainMark)
    .toLowerCase()
    .replaceAll(/[ßøæœłđðþıς\u30a1-\u30f6]/g, folded);
}

/** Quotation marks and dashes of print: to the search what is not ASCII is a letter. */
function plainMark(mark: string): string {
  if (/[\p{Pd}\u2212]/u.test(mark)) return '-';
  return /[‘’ʼ‛′´｀]/.test(mark) ? "'" : ' ';
}

/** Letters that are another one with a stroke, two in one, or the same sound in the other of two Japanese scripts. */
function folded(letter: string): string {
  return FOLDED[letter] ?? String.fromCharCode(letter.charCodeAt(0) - 0x60);
}

const FOLDED: Readonly<Record<string, string>> = {
  ...{ ß: 'ss', ø: 'o', æ: 'ae', œ: 'oe', ł: 'l', đ: 'd', ð: 'd', þ: 'th', ı: 'i', ς: 'σ' },
};

/** By its character set, and as UTF-8 where the bytes are that: many write it whatever they say. */
function readingsOf(value: Uint8Array, characterSets: readonly string[]): readonly string[] {
  const text = decodeText(value, characterSets);
  if (isAscii(latin1(value)) || characterSets[0] === 'ISO_IR 192') return [text];
  const utf8 = Buffer.from(value).toString('utf8');
  return utf8 === text || utf8.includes('\ufffd') ? [text] : [text, utf8];
}

function trimmed(text: string): string {
  return withoutPadding(text.trim(), 'spaces and NULs').trim();
}

/** Without zero bytes, too. */
function isAscii(text: string): boolean {
  return /^[\x01-\x7f]*$/.test(text);
}
