/**
 * Regular expressions for rules, in time linear in the value, whatever they say: a rule written in a hurry meets
 * headers nobody has seen yet, and one that backtracks would stop the router for every study behind it. So the
 * expression is compiled to a small non-deterministic automaton that is stepped once per character
 * (Thompson 1968, Pike's variant for assertions). JavaScript's syntax and meaning with the `u` flag, without
 * back-references and look-around, which no such automaton can have.
 */

/** Instructions after counted repetitions are written out; a bound on memory and on the work per character. */
const MAX_PROGRAM = 5000;

export interface Pattern {
  readonly source: string;
  /** True when the expression matches anywhere in the value. */
  test(value: string): boolean;
}

/** What is wrong with an expression, as a sentence for whoever wrote it. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

/** @throws {PatternError} */
export function compilePattern(source: string, ignoreCase = false): Pattern {
  checkSyntax(source);
  // Most rules ask for a word.
  if (!ignoreCase && !/[\\^$.*+?()[\]{}|]/.test(source)) return { source, test: (value) => value.includes(source) };
  const program: Instruction[] = [];
  emit(new Parser(source, ignoreCase).parse(), program);
  program.push({ op: 'match' });
  return { source, test: (value) => run(program, value) };
}

type Accepts = (character: string) => boolean;
type Holds = (before: string | undefined, after: string | undefined) => boolean;

type Node =
  | { readonly kind: 'character'; readonly accepts: Accepts }
  | { readonly kind: 'assertion'; readonly holds: Holds }
  | { readonly kind: 'sequence' | 'alternatives'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly part: Node; readonly min: number; readonly max: number };

type Instruction =
  | { readonly op: 'character'; readonly accepts: Accepts }
  | { readonly op: 'assertion'; readonly holds: Holds }
  | { readonly op: 'split'; readonly targets: readonly number[] }
  | { readonly op: 'match' };

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

  parse(): Node {
    const parts = [this.#sequence()];
    while (this.#take('|')) parts.push(this.#sequence());
    return { kind: 'alternatives', parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#peek() !== undefined && this.#peek() !== '|' && this.#peek() !== ')') parts.push(this.#repeated());
    return { kind: 'sequence', parts };
  }

  #repeated(): Node {
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

  #atom(): Node {
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

  #group(): Node {
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

  #escape(): Node {
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
  #single(token: string): Node {
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

function emit(node: Node, program: Instruction[]): void {
  if (program.length > MAX_PROGRAM) throw new PatternError('too large: its counted repetitions multiply');
  switch (node.kind) {
    case 'character':
      program.push({ op: 'character', accepts: node.accepts });
      return;
    case 'assertion':
      program.push({ op: 'assertion', holds: node.holds });
      return;
    case 'sequence':
      for (const part of node.parts) emit(part, program);
      return;
    case 'alternatives':
      emitAlternatives(node.parts, program);
      return;
    case 'repeat':
      emitRepeat(node, program);
      return;
    default:
      node satisfies never;
  }
}

function emitAlternatives(parts: readonly Node[], program: Instruction[]): void {
  const fork = program.length;
  program.push({ op: 'split', targets: [] });
  const starts: number[] = [];
  const jumps: number[] = [];
  for (const part of parts) {
    starts.push(program.length);
    emit(part, program);
    jumps.push(program.length);
    program.push({ op: 'split', targets: [] });
  }
  program[fork] = { op: 'split', targets: starts };
  for (const jump of jumps) program[jump] = { op: 'split', targets: [program.length] };
}

function emitRepeat(node: { part: Node; min: number; max: number }, program: Instruction[]): void {
  for (let count = 0; count < node.min; count += 1) emit(node.part, program);
  if (node.max === Infinity) {
    const fork = program.length;
    program.push({ op: 'split', targets: [] });
    emit(node.part, program);
    program.push({ op: 'split', targets: [fork] });
    program[fork] = { op: 'split', targets: [fork + 1, program.length] };
    return;
  }
  const forks: number[] = [];
  for (let count = node.min; count < node.max; count += 1) {
    forks.push(program.length);
    program.push({ op: 'split', targets: [] });
    emit(node.part, program);
  }
  for (const fork of forks) program[fork] = { op: 'split', targets: [fork + 1, program.length] };
}

function run(program: readonly Instruction[], value: string): boolean {
  const characters = Array.from(value);
  /** The step in which each place was last entered. */
  const entered = new Uint32Array(program.length);
  let waiting: number[] = [];
  for (let at = 0; at <= characters.length; at += 1) {
    const after = characters[at];
    // Unanchored: a match may begin here too.
    waiting.push(0);
    const reached = follow(program, waiting, characters[at - 1], after, entered, at + 1);
    if (reached === 'match') return true;
    if (after === undefined) return false;
    waiting = [];
    for (const place of reached) if (accepts(program[place], after)) waiting.push(place + 1);
  }
  return false;
}

/** The characters that could come next from these places; each place is entered once a step, which keeps it linear. */
function follow(
  program: readonly Instruction[],
  places: number[],
  before: string | undefined,
  after: string | undefined,
  entered: Uint32Array,
  step: number,
): readonly number[] | 'match' {
  const reached: number[] = [];
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const instruction = program[place];
    if (instruction === undefined || entered[place] === step) continue;
    entered[place] = step;
    switch (instruction.op) {
      case 'match':
        return 'match';
      case 'character':
        reached.push(place);
        break;
      case 'assertion':
        if (instruction.holds(before, after)) places.push(place + 1);
        break;
      case 'split':
        places.push(...instruction.targets);
        break;
      default:
        instruction satisfies never;
    }
  }
  return reached;
}

function accepts(instruction: Instruction | undefined, character: string): boolean {
  return instruction?.op === 'character' && instruction.accepts(character);
}
