/** YAML with positions: what was written, and where, so that every mistake has a line. */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  stringify,
} from 'yaml';

/** 1-based. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface YamlText {
  /** `undefined` when there are mistakes, and for an empty file. */
  readonly value: unknown;
  readonly mistakes: readonly (Position & { readonly message: string })[];
  /** Where the entry of a path stands; of one that is not there, where the nearest one above it stands. */
  readonly positionOf: (path: readonly PropertyKey[], isKey?: boolean) => Position;
}

/** Aliases may multiply what is written; a file that needs more than this is an attack or an accident. */
const MAX_ALIASES = 100;
/** A configuration is written by people. */
const MAX_CHARACTERS = 1_000_000;

/** Plain data as a file that people read. */
export function writeYaml(value: unknown): string {
  return stringify(value);
}

/** Reads YAML 1.2: no duplicate keys, one document, bounded aliases. Never throws for what the text holds. */
export function parseYaml(text: string): YamlText {
  if (text.length > MAX_CHARACTERS) return broken({ line: 1, column: 1 }, `larger than ${MAX_CHARACTERS} characters`);
  const lines = new LineCounter();
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const documents: readonly Document.Parsed[] = 'empty' in parsed ? [] : parsed;
  const [document, second] = documents;
  const positionOf = (path: readonly PropertyKey[], isKey = false) =>
    document === undefined ? { line: 1, column: 1 } : at(offsetOf(document, path, isKey));
  if (document === undefined) return { value: undefined, mistakes: [], positionOf };
  if (second !== undefined) return broken(at(second.range[0]), 'a second document begins here; there must be one');

  // The parser recurses, and reports the end of its stack as one of many errors: none of them would help.
  if (document.errors.some((error) => error.message.includes('call stack')))
    return broken({ line: 1, column: 1 }, 'nested too deeply');
  const mistakes = [...document.errors, ...document.warnings].map((error) => ({
    ...at(error.pos[0]),
    message: sentence(error.message),
  }));
  if (mistakes.length > 0) return { value: undefined, mistakes, positionOf };
  try {
    return { value: document.toJS({ maxAliasCount: MAX_ALIASES }), mistakes: [], positionOf };
  } catch (error) {
    return broken({ line: 1, column: 1 }, sentence(error instanceof Error ? error.message : String(error)));
  }
}

function broken(position: Position, message: string): YamlText {
  return { value: undefined, mistakes: [{ ...position, message }], positionOf: () => position };
}

function sentence(message: string): string {
  return `not YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
}

function offsetOf(document: Document.Parsed, path: readonly PropertyKey[], isKey: boolean): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [depth, step] of path.entries()) {
    const parent = isAlias(node) ? node.resolve(document) : node;
    const pair = isMap(parent) ? parent.items.find((each) => keyOf(each) === String(step)) : undefined;
    const item = isSeq(parent) ? parent.items[Number(step)] : undefined;
    if (pair === undefined && item === undefined) return offset;
    node = pair === undefined ? item : pair.value;
    // A value that fills lines of its own is found by its key.
    const isValueMeant = isScalar(node) && !(isKey && depth === path.length - 1);
    offset = (isValueMeant ? startOf(node) : startOf(pair?.key ?? item)) ?? offset;
  }
  return offset;
}

function keyOf(pair: Pair): string {
  return String(isScalar(pair.key) ? pair.key.value : pair.key);
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}
