/** The syntax of rules' regular expressions: JavaScript's with the `u` flag, without back-references and look-around. */

export type Accepts = (character: string) => boolean;
export type Holds = (before: string | undefined, after: string | undefined) => boolean;

/** An expression, taken apart. */
export type PatternNode =
  | { readonly kind: 'character'; readonly accepts: Accepts }
  | { readonly kind: 'assertion'; readonly holds: Holds }
  | { readonly kind: 'sequence' | 'alternatives'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly part: PatternNode; readonly min: number; readonly max: number };

/** What is wrong with an expression, as a sentence for whoever wrote it. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

/** @throws {PatternError} */
export function parsePattern(source: string, ignoreCase: boolean): PatternNode {
  checkSyntax(source);
  return new Parser(source, ignoreCase).parse();
}

/** The engine's own parser says what is not an expression; ours then only has to find where each token ends. */
function checkSyntax(source: string): void {
  try {
    new RegExp(source, 'u');
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^.*: /s, '') : String(error);
    const flags = /\(\?[a-z]*i/.test(source) ? ' (to ignore case write { matches: …, ignoreCase: true })' : '';
    throw new PatternError(`not a regular expression: ${reason}${flags}`);
  }
}

class Parser {
  readonly #characters: readonly string[];
  readonly #flags: string;
  #at = 0;

  constructor(source: string, ignoreCase: boolean) {
    this.#characters = Array.from(source);
    this.#flags = ignoreCase ? 'ui' : 'u';
  }

  parse(): PatternNode {
    const parts = [this.#sequence()];
    while (this.#take('|')) parts.push(this.#sequence());
    return { kind: 'alternatives', parts };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    while (this.#peek() !== undefined && this.#peek() !== '|' && this.#peek() !== ')') parts.push(this.#repeated());
    return { kind: 'sequence', parts };
  }

  #repeated(): PatternNode {
    const part = this.#atom();
    const range = this.#quantifier();
    if (range === undefined) return part;
    // A lazy quantifier changes what is captured, not whether there is a match.
    this.#take('?');
    return { kind: 'repeat', part, ...range };
  }

  #quantifier(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Infinity };
    if (this.#take('+')) return { min: 1, max: Infinity };
    if (this.#take('?')) return { min: 0, max: 1 };
    if (!this.#take('{')) return undefined;
    const [min = '', max] = this.#until('}').split(',');
    return { min: Number(min), max: max === undefined ? Number(min) : max === '' ? Infinity : Number(max) };
  }

  #atom(): PatternNode {
    const character = this.#next();
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return this.#single(`[${this.#class()}]`);
      case '.':
        return this.#single('.');
      case '^':
        return { kind: 'assertion', holds: (before) => before === undefined };
      case '$':
        return { kind: 'assertion', holds: (_before, after) => after === undefined };
      case '\\':
        return this.#escape();
      default:
        return this.#single(character);
    }
  }

  #group(): PatternNode {
    if (this.#take('?')) {
      if (this.#take('<')) {
        if (this.#peek() === '=' || this.#peek() === '!') throw new PatternError(LOOK_AROUND);
        this.#until('>');
      } else if (!this.#take(':')) {
        const isLookAhead = this.#peek() === '=' || this.#peek() === '!';
        throw new PatternError(
          isLookAhead ? LOOK_AROUND : 'flags inside a group are not possible; write { matches: …, ignoreCase: true }',
        );
      }
    }
    const inner = this.parse();
    this.#take(')');
    return inner;
  }

  /** The text between the brackets; only an escaped bracket does not end it (`u` flag, no nested classes). */
  #class(): string {
    let text = '';
    for (let character = this.#next(); character !== ']'; character = this.#next()) {
      text += character === '\\' ? `\\${this.#next()}` : character;
    }
    return text;
  }

  #escape(): PatternNode {
    const letter = this.#next();
    if (/[1-9k]/.test(letter)) throw new PatternError('back-references are not possible');
    if (letter === 'b') return { kind: 'assertion', holds: (before, after) => isWord(before) !== isWord(after) };
    if (letter === 'B') return { kind: 'assertion', holds: (before, after) => isWord(before) === isWord(after) };
    if (letter === 'p' || letter === 'P') return this.#single(`\\${letter}${this.#next()}${this.#until('}')}}`);
    if (letter === 'x') return this.#single(`\\x${this.#next()}${this.#next()}`);
    if (letter === 'c') return this.#single(`\\c${this.#next()}`);
    if (letter === 'u') return this.#single(`\\u${this.#codePoint()}`);
    return this.#single(`\\${letter}`);
  }

  #codePoint(): string {
    if (this.#take('{')) return `{${this.#until('}')}}`;
    const unit = this.#next() + this.#next() + this.#next() + this.#next();
    const isHighSurrogate = /^d[89ab]/i.test(unit);
    const rest = this.#characters.slice(this.#at, this.#at + 6).join('');
    if (!isHighSurrogate || !/^\\ud[c-f]/i.test(rest)) return unit;
    this.#at += 6;
    return unit + rest;
  }

  /** What one character must be, decided by the engine itself, so that classes and case mean what they always mean. */
  #single(token: string): PatternNode {
    if (token.length === 1 && token !== '.' && this.#flags === 'u') {
      return { kind: 'character', accepts: (character) => character === token };
    }
    const expression = new RegExp(`^${token}$`, this.#flags);
    const known: boolean[] = [];
    const accepts = (character: string) => {
      const code = character.charCodeAt(0);
      if (code >= KNOWN_CHARACTERS || character.length > 1) return expression.test(character);
      return (known[code] ??= expression.test(character));
    };
    return { kind: 'character', accepts };
  }

  #until(end: string): string {
    let text = '';
    for (let character = this.#next(); character !== end; character = this.#next()) text += character;
    return text;
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #next(): string {
    const character = this.#characters[this.#at];
    if (character === undefined) throw new PatternError('not a regular expression: it ends too early');
    this.#at += 1;
    return character;
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at += 1;
    return true;
  }
}

/** Answers are remembered for ASCII alone: a bound, and nearly all there is. */
const KNOWN_CHARACTERS = 128;

const LOOK_AROUND = 'look-ahead and look-behind are not possible; use not: beside the test';

function isWord(character: string | undefined): boolean {
  return character !== undefined && /^\w$/.test(character);
}
