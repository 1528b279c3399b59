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

interface Needle {
  readonly bytes: Uint8Array;
  readonly kind: PatternKind;
}

interface Encoded {
  readonly bytes: Uint8Array;
  /** Of the first four bytes; −1 for fewer. */
  readonly hash: number;
}

type OnHit = (offset: number, kind: PatternKind, lengthBytes: number) => void;

/** Patterns as bytes: the instances of a study are searched for the same ones, a thousand times over. */
export type EncodedPatterns = Map<string, Encoded>;

/** No study has so many. */
const REMEMBERED_PATTERNS = 50_000;

export class PatternSearch {
  readonly #table = new Uint8Array(1 << TABLE_BITS);
  /** By hash of the first four bytes; patterns of fewer bytes by themselves. */
  readonly #needles = new Map<number, Needle[]>();
  readonly #short: Needle[] = [];

  /**
   * @param patterns - as `normalised` makes them
   * @param encoded - shared by the instances of a study
   */
  constructor(patterns: ReadonlyMap<string, PatternKind>, encoded: EncodedPatterns = new Map()) {
    for (const [pattern, kind] of patterns) {
      const { bytes, hash } = encoded.get(pattern) ?? remembered(pattern, encoded);
      const needle = { bytes, kind };
      if (hash < 0) {
        this.#short.push(needle);
        continue;
      }
      this.#table[hash] = 1;
      const bucket = this.#needles.get(hash);
      if (bucket === undefined) this.#needles.set(hash, [needle]);
      else bucket.push(needle);
    }
  }

  /**
   * Calls `onHit` with the offset, kind and length of each pattern found as its kind demands.
   *
   * @param text - UTF-8, normalised; separate values are separated by a zero byte
   */
  run(text: Uint8Array, onHit: OnHit): void {
    for (let offset = 0; offset + 4 <= text.length; offset++) {
      const hash = hashAt(text, offset);
      if (this.#table[hash] === 0) continue;
      for (const needle of this.#needles.get(hash) ?? []) this.#test(text, offset, needle, onHit);
    }
    const buffer = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
    for (const needle of this.#short)
      for (let at = buffer.indexOf(needle.bytes); at >= 0; at = buffer.indexOf(needle.bytes, at + 1))
        this.#test(text, at, needle, onHit);
  }

  #test(text: Uint8Array, offset: number, { bytes, kind }: Needle, onHit: OnHit) {
    const end = offset + bytes.length;
    if (end > text.length) return;
    for (let i = 0; i < bytes.length; i++) if (text[offset + i] !== bytes[i]) return;
    if (stands(kind, text, offset, end)) onHit(offset, kind, bytes.length);
  }
}

function remembered(pattern: string, encoded: EncodedPatterns): Encoded {
  const bytes = Buffer.from(pattern, 'utf8');
  const one = { bytes, hash: bytes.length < 4 ? -1 : hashAt(bytes, 0) };
  if (encoded.size >= REMEMBERED_PATTERNS) encoded.clear();
  encoded.set(pattern, one);
  return one;
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
  const word =
    (bytes[offset] ?? 0) |
    ((bytes[offset + 1] ?? 0) << 8) |
    ((bytes[offset + 2] ?? 0) << 16) |
    ((bytes[offset + 3] ?? 0) << 24);
  return Math.imul(word, 0x9e3779b1) >>> (32 - TABLE_BITS);
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
