/**
 * Regular expressions for rules, in time linear in the value, whatever they say: a rule written in a hurry meets
 * headers nobody has seen yet, and one that backtracks would stop the router for every study behind it. So the
 * expression is compiled to a small non-deterministic automaton that is stepped once per character
 * (Thompson 1968, Pike's variant for assertions). JavaScript's syntax and meaning with the `u` flag, without
 * back-references and look-around, which no such automaton can have.
 */
import { type Accepts, type Holds, parsePattern, PatternError, type PatternNode } from './pattern-syntax.ts';

/** Instructions after counted repetitions are written out; a bound on memory and on the work per character. */
const MAX_PROGRAM = 5000;

export interface Pattern {
  readonly source: string;
  /** True when the expression matches anywhere in the value. */
  test(value: string): boolean;
}

/** @throws {PatternError} */
export function compilePattern(source: string, ignoreCase = false): Pattern {
  const expression = parsePattern(source, ignoreCase);
  // Most rules ask for a word.
  if (!ignoreCase && !/[\\^$.*+?()[\]{}|]/.test(source)) return { source, test: (value) => value.includes(source) };
  const program: Instruction[] = [];
  emit(expression, program);
  program.push({ op: 'match' });
  return { source, test: (value) => run(program, value) };
}

type Instruction =
  | { readonly op: 'character'; readonly accepts: Accepts }
  | { readonly op: 'assertion'; readonly holds: Holds }
  | { readonly op: 'split'; readonly targets: readonly number[] }
  | { readonly op: 'match' };

function emit(node: PatternNode, program: Instruction[]): void {
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

function emitAlternatives(parts: readonly PatternNode[], program: Instruction[]): void {
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

function emitRepeat(node: { part: PatternNode; min: number; max: number }, program: Instruction[]): void {
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
