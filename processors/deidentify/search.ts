/** Finds which of many patterns stand in a text: one pass, a table of four-byte beginnings in front of the comparisons. */
/**
 * How a pattern has to stand in a text to be meant:
 * - `anywhere`: long enough to be found inside other words
 * - `word`: between characters that are no letters or digits
 * - `name`: between characters that are no letters: `aino2`
 * - `number`: between characters that are no digits, zeros in front aside: `0001234`
 * - `digits`: a date or time, between characters that are no digits
 * - `uid`: between characters that are no part of a UID
 */
export type PatternKind = 'anywhere' | 'word' | 'name' | 'number' | 'digits' | 'uid';

const TABLE_BITS = 15;

/** What is looked for. The same object leaves the search that was added to it. */
export interface Pattern {
  readonly bytes: Uint8Array;
  /** Each of them is asked for. */
  readonly kinds: readonly PatternKind[];
}

type OnHit = (offset: number, kind: PatternKind, lengthBytes: number) => void;

/** Patterns come and go: from one instance of a study to the next nearly all of them stay. */
export class PatternSearch {
  readonly #table = new Uint8Array(1 << TABLE_BITS);
  /** By hash of the first four bytes; patterns of fewer bytes by themselves. */
  readonly #needles = new Map<number, Pattern[]>();
  readonly #short = new Set<Pattern>();

  /** @param pattern - its bytes as `normalised` makes them, in UTF-8 */
  add(pattern: Pattern): void {
    const { bytes } = pattern;
    if (bytes.length < 4) {
      this.#short.add(pattern);
      return;
    }
    const hash = hashAt(bytes, 0);
    this.#table[hash] = 1;
    const bucket = this.#needles.get(hash);
    if (bucket === undefined) this.#needles.set(hash, [pattern]);
    else bucket.push(pattern);
  }

  delete(pattern: Pattern): void {
    if (this.#short.delete(pattern) || pattern.bytes.length < 4) return;
    const hash = hashAt(pattern.bytes, 0);
    const bucket = this.#needles.get(hash) ?? [];
    const at = bucket.indexOf(pattern);
    if (at >= 0) bucket.splice(at, 1);
    if (bucket.length > 0) return;
    this.#needles.delete(hash);
    this.#table[hash] = 0;
  }

  /**
   * Calls `onHit` with the offset, kind and length of each pattern found as its kind demands.
   *
   * @param text - UTF-8, normalised; separate values are separated by a zero byte
   */
  run(text: Uint8Array, onHit: OnHit): void {
    const table = this.#table;
    const last = text.length - 4;
    // The first four bytes of what stands here, moved on byte by byte.
    let word = last < 0 ? 0 : wordAt(text, 0) << 8;
    for (let offset = 0; offset <= last; offset++) {
      word = (word >>> 8) | ((text[offset + 3] ?? 0) << 24);
      const hash = hashOf(word);
      if (table[hash] === 0) continue;
      for (const pattern of this.#needles.get(hash) ?? []) test(text, offset, pattern, onHit);
    }
    const buffer = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
    for (const pattern of this.#short)
      for (let at = buffer.indexOf(pattern.bytes); at >= 0; at = buffer.indexOf(pattern.bytes, at + 1))
        test(text, at, pattern, onHit);
  }
}

function test(text: Uint8Array, offset: number, { bytes, kinds }: Pattern, onHit: OnHit): void {
  const end = offset + bytes.length;
  if (end > text.length) return;
  for (let i = 0; i < bytes.length; i++) if (text[offset + i] !== bytes[i]) return;
  for (const kind of kinds) if (stands(kind, text, offset, end)) onHit(offset, kind, bytes.length);
}

/** Whether the neighbours let it stand for itself. */
function stands(kind: PatternKind, text: Uint8Array, start: number, end: number): boolean {
  const before = text[start - 1] ?? 0;
  const after = text[end] ?? 0;
  switch (kind) {
    case 'anywhere':
      return true;
    case 'word':
      return !isWordByte(before) && !isWordByte(after);
    case 'name':
      return !isLetter(before) && !isLetter(after);
    case 'digits':
      return !isDigit(before) && (!isDigit(after) || isTimeBehindDate(text, start, end));
    case 'number':
      return !isDigit(beforeZeros(text, start)) && !isDigit(after);
    case 'uid':
      return !isUidByte(before) && (!isUidByte(after) || endsSentence(text, end));
    default:
      return kind satisfies never;
  }
}

/** `0001234` is the number 1234. */
function beforeZeros(text: Uint8Array, start: number): number {
  let at = start - 1;
  while (text[at] === 0x30) at -= 1;
  return text[at] ?? 0;
}

/** A full stop behind a UID in prose. */
function endsSentence(text: Uint8Array, end: number): boolean {
  return text[end] === 0x2e && !isDigit(text[end + 1] ?? 0);
}

/** `19370203101112`: a date in digits, and behind it a time of day. */
function isTimeBehindDate(text: Uint8Array, start: number, end: number): boolean {
  if (end - start !== 8) return false;
  const digits = Buffer.from(text.subarray(end, end + 4)).toString('latin1');
  return /^(?:[01]\d|2[0-3])[0-5]\d$/.test(digits);
}

function hashAt(bytes: Uint8Array, offset: number): number {
  return hashOf(wordAt(bytes, offset));
}

function hashOf(word: number): number {
  return Math.imul(word, 0x9e3779b1) >>> (32 - TABLE_BITS);
}

function wordAt(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset] ?? 0) |
    ((bytes[offset + 1] ?? 0) << 8) |
    ((bytes[offset + 2] ?? 0) << 16) |
    ((bytes[offset + 3] ?? 0) << 24)
  );
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isUidByte(byte: number): boolean {
  return isDigit(byte) || byte === 0x2e;
}

function isLetter(byte: number): boolean {
  return (byte >= 0x61 && byte <= 0x7a) || byte >= 0x80;
}

function isWordByte(byte: number): boolean {
  return isDigit(byte) || isLetter(byte);
}
