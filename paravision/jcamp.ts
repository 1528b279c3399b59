/**
 * JCAMP-DX as ParaVision writes it (version 4.24 with Bruker's own additions): arrays behind their size in parentheses,
 * texts in angle brackets, structs in parentheses, `@n*(v)` for runs, `$$` comments, lines broken anywhere.
 * Total and bounded: every text is either read or refused with its file and line, whatever it holds.
 */
import { HubError } from '../core/errors.ts';

/** A number, a text or word, or the fields of a struct. */
export type JcampValue = number | string | readonly JcampValue[];

export interface JcampParameter {
  /** From 1, where the parameter begins. */
  readonly line: number;
  /** The size in parentheses before the values; a text counts its characters in the last one. */
  readonly size?: readonly number[];
  readonly values: readonly JcampValue[];
}

/** The parameters of one file, without their `$`. */
export interface JcampFile {
  /** For messages: relative to the study folder, never absolute. */
  readonly name: string;
  readonly parameters: ReadonlyMap<string, JcampParameter>;
}

/** Of all values of a file, runs expanded: an EPI series of 100,000 frames with nine numbers each has room. */
const MAX_VALUES = 4_000_000;
const MAX_PARAMETERS = 50_000;
const MAX_TEXT_LENGTH = 1_000_000;
const MAX_DEPTH = 16;

/** As the software spells them; in a damaged file a label may be anything, a name of a subject too. */
const PARAMETER_NAME = /^\$([A-Za-z]\w{0,63})$/;
/** In characters: a longer word is not tried, each digit of which would be tried with all that follow. */
const LONGEST_NUMBER = 400;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
/** What C++ prints for values that are no numbers. */
const SPECIAL: ReadonlyMap<string, number> = new Map([
  ...['nan', '-nan', 'NaN'].map((word) => [word, Number.NaN] as const),
  ...['inf', '+inf', 'Inf', 'Infinity'].map((word) => [word, Infinity] as const),
  ...['-inf', '-Inf', '-Infinity'].map((word) => [word, -Infinity] as const),
]);
/** A size has spaces inside its parentheses, a struct has none: `( 2, 65 )` and `(0, 3)`. */
const SIZE = /[ \t]*\([ \t]+(\d{1,9}(?:[ \t]*,[ \t]*\d{1,9}){0,15})[ \t]+\)/y;
const RUN = /@(\d{1,9})\*\(/y;
const WORD = /[^\s(),<>]+/y;

/**
 * Reads a whole file.
 *
 * @param name - for messages
 * @throws {HubError} `paravision.parameters-unreadable` with file and line
 */
export function parseJcamp(text: string, name: string): JcampFile {
  return new Parser(text, name).file();
}

/** How many values there are in it, a long text counting as several. */
function weightOf(value: JcampValue): number {
  if (typeof value === 'number') return 1;
  if (typeof value === 'string') return 1 + (value.length >> 4);
  return value.reduce((sum: number, each) => sum + (typeof each === 'number' ? 1 : weightOf(each)), 0);
}

class Parser {
  readonly #text: string;
  readonly #name: string;
  #at = 0;
  #values = 0;
  /** The parameter that is being read. */
  #within = '';
  #counted = { to: 0, line: 1 };

  constructor(text: string, name: string) {
    this.#text = text;
    this.#name = name;
  }

  file(): JcampFile {
    const parameters = new Map<string, JcampParameter>();
    let isEnded = false;
    let hasBegun = false;
    while (!isEnded) {
      this.#skipToLabel(hasBegun);
      if (this.#at >= this.#text.length) break;
      hasBegun = true;
      const start = this.#at;
      const equals = this.#text.indexOf('=', start);
      const lineEnd = this.#lineEnd(start);
      if (equals < 0 || equals > lineEnd) throw this.#wrong('a label without "="', start);
      const label = this.#text.slice(start + 2, equals).trim();
      this.#at = equals + 1;
      if (label === 'END') isEnded = true;
      else if (!label.startsWith('$')) this.#skipText();
      else {
        if (parameters.size >= MAX_PARAMETERS) throw this.#wrong('too many parameters', start);
        this.#within = PARAMETER_NAME.exec(label)?.[1] ?? '';
        parameters.set(label.slice(1), this.#parameter(start));
        this.#within = '';
      }
    }
    // A file that is still being written, or was cut off, has no end: half of an array must not pass for all of it.
    if (!isEnded) throw this.#wrong(hasBegun ? 'it ends before ##END=' : 'no JCAMP-DX', this.#at);
    return { name: this.#name, parameters };
  }

  #parameter(start: number): JcampParameter {
    const line = this.#lineOf(start);
    SIZE.lastIndex = this.#at;
    const size = SIZE.exec(this.#text);
    if (size !== null) this.#at = SIZE.lastIndex;
    const values: JcampValue[] = [];
    while (this.#skipSpace()) this.#value(values, 0);
    return { line, values, ...(size === null ? {} : { size: (size[1] ?? '').split(',').map(Number) }) };
  }

  /** Reads one value, or a run of them. */
  #value(into: JcampValue[], depth: number): void {
    const start = this.#at;
    const first = this.#text[start];
    if (first === '<') this.#push(into, this.#string());
    else if (first === '(') this.#push(into, this.#struct(depth + 1));
    else if (first === '@') this.#run(into, depth + 1);
    else {
      WORD.lastIndex = start;
      const word = WORD.exec(this.#text)?.[0];
      if (word === undefined) throw this.#wrong(`"${first ?? ''}" where a value is expected`, start);
      this.#at = start + word.length;
      this.#push(into, word.length <= LONGEST_NUMBER && NUMBER.test(word) ? Number(word) : (SPECIAL.get(word) ?? word));
    }
  }

  #push(into: JcampValue[], value: JcampValue): void {
    this.#values += 1;
    if (this.#values > MAX_VALUES) throw this.#wrong('more values than any reconstruction has', this.#at);
    into.push(value);
  }

  /** `@n*(v)`: the values in parentheses, n times. */
  #run(into: JcampValue[], depth: number): void {
    RUN.lastIndex = this.#at;
    const run = RUN.exec(this.#text);
    if (run === null) throw this.#wrong('"@" without a run', this.#at);
    this.#at = RUN.lastIndex;
    const once = this.#list(depth);
    const times = Number(run[1]);
    // All that is in it counts each time: who reads the values writes structs and texts out.
    this.#values += times * weightOf(once);
    if (this.#values > MAX_VALUES) throw this.#wrong('a run of too many values', this.#at);
    if (once.length === 0) return;
    for (let time = 0; time < times; time++) for (const value of once) into.push(value);
  }

  /** The fields between parentheses; a field of several values is a list, one without any an empty text. */
  #struct(depth: number): readonly JcampValue[] {
    this.#at += 1;
    const fields: JcampValue[] = [];
    for (;;) {
      const field = this.#field(depth);
      this.#push(fields, field.length === 1 ? (field[0] ?? '') : field.length === 0 ? '' : field);
      if (this.#text[this.#at++] === ')') return fields;
    }
  }

  #list(depth: number): readonly JcampValue[] {
    const values = this.#field(depth);
    if (this.#text[this.#at++] !== ')') throw this.#wrong('a run that is not closed', this.#at - 1);
    return values;
  }

  /** Stops at the comma or parenthesis behind it. */
  #field(depth: number): readonly JcampValue[] {
    const start = this.#at;
    if (depth > MAX_DEPTH) throw this.#wrong('structs inside structs without end', start);
    const values: JcampValue[] = [];
    for (;;) {
      if (!this.#skipSpace()) throw this.#wrong('a parenthesis that is not closed', start);
      if (this.#text[this.#at] === ',' || this.#text[this.#at] === ')') return values;
      this.#value(values, depth);
    }
  }

  /** Between angle brackets; a line break inside is no part of it unless a backslash stands before it. */
  #string(): string {
    const start = this.#at;
    let text = '';
    for (let at = start + 1; at < this.#text.length; at++) {
      const character = this.#text[at] ?? '';
      if (at - start > MAX_TEXT_LENGTH) break;
      if (character === '>') {
        this.#at = at + 1;
        return text;
      }
      if (character === '\\') {
        if (this.#text.startsWith('\r\n', at + 1)) at += 1;
        const next = this.#text[at + 1] ?? '';
        text += next === '\n' || next === '>' || next === '<' || next === '\\' ? next : `\\${next}`;
        at += 1;
      } else if (character === '\n') {
        if (this.#text.startsWith('##', at + 1)) break;
      } else if (character !== '\r') text += character;
    }
    throw this.#wrong('a text that is not closed', start);
  }

  /** To the next value of the parameter. @returns false at its end */
  #skipSpace(): boolean {
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined) return false;
      const isLineStart = this.#at === 0 || this.#text[this.#at - 1] === '\n';
      if (isLineStart && this.#text.startsWith('##', this.#at)) return false;
      if (this.#text.startsWith('$$', this.#at)) this.#at = this.#lineEnd(this.#at);
      else if (character === ' ' || character === '\n' || character === '\t' || character === '\r') this.#at += 1;
      else return true;
    }
  }

  /** Over comments and empty lines. */
  #skipToLabel(hasBegun: boolean): void {
    while (this.#skipSpace()) throw this.#wrong(hasBegun ? 'text outside a parameter' : 'no JCAMP-DX', this.#at);
  }

  /** The text of a standard label says nothing to us. */
  #skipText(): void {
    do this.#at = this.#lineEnd(this.#at) + 1;
    while (this.#at < this.#text.length && !/^(?:##|\$\$)/.test(this.#text.slice(this.#at, this.#at + 2)));
  }

  #lineEnd(from: number): number {
    const end = this.#text.indexOf('\n', from);
    return end < 0 ? this.#text.length : end;
  }

  /** Counted on from where it was asked last: a file of 50,000 parameters is not read 50,000 times. */
  #lineOf(position: number): number {
    if (position < this.#counted.to) this.#counted = { to: 0, line: 1 };
    let { to, line } = this.#counted;
    for (let at = this.#text.indexOf('\n', to); at >= 0 && at < position; at = this.#text.indexOf('\n', to)) {
      to = at + 1;
      line += 1;
    }
    this.#counted = { to, line };
    return line;
  }

  #wrong(reason: string, position: number): HubError {
    // Never what stands there: operators write names of subjects into parameters.
    const at = `${this.#name}:${String(this.#lineOf(position))}`;
    const parameter = this.#within === '' ? {} : { parameter: this.#within };
    return new HubError('paravision.parameters-unreadable', { at, ...parameter, reason });
  }
}
