/**
 * A metadata part of a store request, one data set at a time: what waits in memory, and what is parsed without a pause
 * in the thread that serves all doors, is one data set, however many come in an array.
 */
import { HubError } from '../../core/errors.ts';
import type { MemoryShare } from './memory-share.ts';

export interface JsonText {
  readonly json: unknown;
  /** Of its text; taken from the share, and given back by who reads it. */
  readonly bytes: number;
}

/** What may stand next, outside of a data set. */
type Expected = 'anything' | 'first' | 'separator' | 'data set' | 'nothing';

/**
 * In one data set: an item of a sequence is three bytes of JSON, and much more of memory and time. An image of ten
 * thousand frames has half as many elements and items.
 */
const MAX_OBJECTS = 1_000_000;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const ARRAY_BEGIN = 0x5b;
const ARRAY_END = 0x5d;
const OBJECT_BEGIN = 0x7b;
const OBJECT_END = 0x7d;
const WHITE_SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * One data set, or those of an array.
 *
 * @param maxBytes - of the text of one data set
 * @throws {HubError} `request.invalid` when it is not JSON, `request.too-large`, `request.too-many`
 */
export async function* jsonDataSets(
  body: AsyncIterable<Buffer>,
  maxBytes: number,
  memory: MemoryShare,
): AsyncGenerator<JsonText> {
  const splitter = new Splitter();
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    for (let rest = chunk; rest.length > 0;) {
      const { length, isDataSet, isEnd } = splitter.next(rest);
      if (isDataSet) {
        bytes += length;
        if (splitter.objects > MAX_OBJECTS) throw new HubError('request.too-large', { maxObjects: MAX_OBJECTS });
        if (bytes > maxBytes) throw new HubError('request.too-large', { maxBytes });
        memory.take(length);
        held.push(rest.subarray(0, length));
      }
      rest = rest.subarray(length);
      if (!isEnd) continue;
      yield { json: parsed(Buffer.concat(held)), bytes };
      held = [];
      bytes = 0;
    }
  }
  splitter.end();
}

/** Finds where data sets begin and end; whether they are JSON inside, the parser says. */
class Splitter {
  #expected: Expected = 'anything';
  #isArray = false;
  /** Braces and brackets open in a data set; 0 between them. */
  #depth = 0;
  #objects = 0;
  #isInText = false;
  #isEscaped = false;

  /** In the data set looked at last, so far. */
  get objects(): number {
    return this.#objects;
  }

  /** Looks at the first bytes of a chunk, at one or more of them. */
  next(chunk: Buffer): { readonly length: number; readonly isDataSet: boolean; readonly isEnd: boolean } {
    if (this.#depth === 0) {
      const isDataSet = this.#between(chunk[0] ?? 0);
      this.#depth = isDataSet ? 1 : 0;
      return { length: 1, isDataSet, isEnd: false };
    }
    return { length: this.#inside(chunk), isDataSet: true, isEnd: this.#depth === 0 };
  }

  /** @throws {HubError} `request.invalid` when something is missing */
  end(): void {
    if (this.#depth > 0 || this.#expected !== 'nothing') throw notJson();
  }

  /** @returns true where a data set begins */
  #between(byte: number): boolean {
    if (WHITE_SPACE.has(byte)) return false;
    const expected = this.#expected;
    const isDataSetExpected = expected === 'anything' || expected === 'first' || expected === 'data set';
    if (byte === OBJECT_BEGIN && isDataSetExpected) {
      this.#expected = this.#isArray ? 'separator' : 'nothing';
      this.#objects = 1;
      return true;
    }
    if (byte === ARRAY_BEGIN && expected === 'anything') {
      this.#isArray = true;
      this.#expected = 'first';
    } else if (byte === COMMA && expected === 'separator') this.#expected = 'data set';
    else if (byte === ARRAY_END && (expected === 'separator' || expected === 'first')) this.#expected = 'nothing';
    else throw notJson();
    return false;
  }

  /** @returns how many bytes belong to the data set */
  #inside(chunk: Buffer): number {
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (this.#isEscaped) this.#isEscaped = false;
      else if (this.#isInText) {
        if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#isInText = false;
      } else if (byte === QUOTE) this.#isInText = true;
      else if (byte === OBJECT_BEGIN || byte === ARRAY_BEGIN) {
        this.#depth += 1;
        if (byte === OBJECT_BEGIN) this.#objects += 1;
      } else if (byte === OBJECT_END || byte === ARRAY_END) {
        this.#depth -= 1;
        if (this.#depth === 0) return at + 1;
      }
    }
    return chunk.length;
  }
}

function parsed(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    // The parser's own message quotes what was sent.
    throw notJson();
  }
}

function notJson(): HubError {
  return new HubError('request.invalid', { detail: 'the metadata is not JSON, of one data set or an array of them' });
}
