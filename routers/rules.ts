/**
 * The language of `when`: what a rule may say, checked word by word, and the tree it becomes. Every test is tied to the
 * VR of its attribute here, so that a rule that could never hold is a mistake of the configuration and not a study
 * that silently goes nowhere.
 */
import * as z from 'zod';
import { allTags, keywordOf, lookup } from '../core/dicom/dictionary.ts';
import { suggest } from '../core/suggestion.ts';
import { compilePattern } from './pattern.ts';
import { PatternError } from './pattern-syntax.ts';
import { ruleJsonSchema } from './rule-json-schema.ts';
import { comparable, kindOf, type ValueKind, WRITTEN_AS } from './values.ts';

/** What the hub knows of a series besides its header. */
export const PROVENANCE_KEYS = ['source', 'callingAeTitle', 'calledAeTitle', 'door'] as const;
export type ProvenanceKey = (typeof PROVENANCE_KEYS)[number];
const DOORS: readonly string[] = ['dimse', 'stow-rs', 'folder'];

/** Plain data: it is hashed, compared and printed; `match` compiles what it needs. */
export type Rule =
  { readonly all: readonly Rule[] } | { readonly any: readonly Rule[] } | { readonly not: Rule } | AttributeTest;

/** One line of a rule. `key` is one of PROVENANCE_KEYS or the keyword of an attribute. */
export interface AttributeTest {
  readonly key: string;
  readonly kind: ValueKind;
  readonly is: ValueTest;
}

export type ValueTest = { readonly exists: boolean } | ValueConditions;

/** One and the same value must fulfil all that are present. */
export interface ValueConditions {
  readonly equals?: readonly (string | number)[];
  readonly matches?: string;
  /** Of `matches`. */
  readonly ignoreCase?: boolean;
  /** Whole value, `*` any run of characters, `?` one character; upper and lower case are the same. */
  readonly like?: string;
  readonly gte?: string | number;
  readonly lte?: string | number;
}

/** Says what is wrong where; paths are relative to the rule. */
type Complain = (path: readonly PropertyKey[], message: string) => void;

/** The `when` of a route. Empty matches every study. All mistakes are reported, not only the first. */
export const ruleSchema: z.ZodType<Rule> = z
  .unknown()
  .transform((value, context) => {
    const rule = parseRule(value, [], (path, message) => {
      context.issues.push({ code: 'custom', path: [...path], message, input: value });
    });
    return context.issues.length === 0 ? rule : z.NEVER;
  })
  .meta(ruleJsonSchema);

/** Names of sources the rule asks for, wherever it does, so that one that does not exist can be found. */
export function sourcesIn(rule: Rule): readonly string[] {
  if ('all' in rule) return rule.all.flatMap(sourcesIn);
  if ('any' in rule) return rule.any.flatMap(sourcesIn);
  if ('not' in rule) return sourcesIn(rule.not);
  return rule.key === 'source' && 'equals' in rule.is ? (rule.is.equals ?? []).map(String) : [];
}

/** The rule, for series that come from these sources only, or for series that do not. */
export function fromSources(rule: Rule, sources: readonly string[], isFromThem: boolean): Rule {
  const test: Rule = { key: 'source', kind: 'text', is: { equals: [...sources] } };
  return { all: [rule, isFromThem ? test : { not: test }] };
}

function parseRule(value: unknown, path: readonly PropertyKey[], complain: Complain): Rule {
  if (!isMapping(value)) {
    complain(path, 'a rule is a mapping of attributes to tests, like { Modality: MR }; {} matches every study');
    return { all: [] };
  }
  const parts = Object.entries(value).map(([key, test]) => parseEntry(key, test, [...path, key], complain));
  return { all: parts };
}

function parseEntry(key: string, value: unknown, path: readonly PropertyKey[], complain: Complain): Rule {
  switch (key) {
    case 'all':
      return { all: parseRules(value, path, complain) };
    case 'any':
      return { any: parseRules(value, path, complain) };
    case 'not':
      if (isMapping(value) && Object.keys(value).length === 0) complain(path, 'not of the empty rule never matches');
      return { not: parseRule(value, path, complain) };
    default:
      return parseAttribute(key, value, path, complain);
  }
}

function parseRules(value: unknown, path: readonly PropertyKey[], complain: Complain): readonly Rule[] {
  if (!Array.isArray(value) || value.length === 0) {
    complain(path, 'a list of rules, at least one');
    return [];
  }
  return value.map((rule, index) => parseRule(rule, [...path, index], complain));
}

function parseAttribute(key: string, value: unknown, path: readonly PropertyKey[], complain: Complain): Rule {
  const attribute = attributeOf(key);
  if (typeof attribute === 'string') {
    complain(path, attribute);
    return { all: [] };
  }
  const test = { ...attribute, is: parseTest(attribute.kind, value, path, complain) };
  if (key === 'door' && 'equals' in test.is) {
    for (const door of test.is.equals ?? []) {
      if (!DOORS.includes(String(door))) {
        complain(path, `no such door: ${String(door)}; there are ${DOORS.join(', ')}`);
      }
    }
  }
  return test;
}

/** @returns what the key names, or a sentence about why it names nothing */
function attributeOf(key: string): { readonly key: string; readonly kind: ValueKind } | string {
  if (PROVENANCE_KEYS.some((known) => known === key)) return { key, kind: 'text' };
  const [, group, element] = /^\(?([0-9a-f]{4}),?([0-9a-f]{4})\)?$/i.exec(key) ?? [];
  const isTag = group !== undefined && element !== undefined;
  const keyword = isTag ? keywordOf(Number.parseInt(group + element, 16)) : key;
  if (keyword === undefined) {
    return `no standard attribute has the tag ${key}; private attributes are not kept for routing`;
  }
  const entry = lookup(keyword);
  if (entry === undefined) return `no such attribute: ${key}${suggest(key, knownKeys())}`;
  const kind = kindOf(entry.vr);
  if (kind === undefined)
    return `${keyword} (${entry.vr}) cannot be tested: only text, numbers, dates and times are kept for routing`;
  return { key: keyword, kind };
}

function* knownKeys(): Iterable<string> {
  yield* PROVENANCE_KEYS;
  yield* ['any', 'all', 'not'];
  for (const tag of allTags()) {
    const keyword = keywordOf(tag);
    if (keyword !== undefined) yield keyword;
  }
}

function parseTest(kind: ValueKind, value: unknown, path: readonly PropertyKey[], complain: Complain): ValueTest {
  if (isMapping(value)) return parseConditions(kind, value, path, complain);
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) complain(path, 'an empty list never matches');
  const equals = list.map((item, index) =>
    parseValue(kind, item, Array.isArray(value) ? [...path, index] : path, complain),
  );
  return { equals };
}

const TESTS = ['matches', 'ignoreCase', 'like', 'exists', 'absent', 'gte', 'lte'];

function parseConditions(
  kind: ValueKind,
  value: Readonly<Record<string, unknown>>,
  path: readonly PropertyKey[],
  complain: Complain,
): ValueTest {
  const names = Object.keys(value);
  for (const name of names) {
    if (!TESTS.includes(name)) complain([...path, name], `no such test: ${name}${suggest(name, TESTS)}`);
  }
  if (names.length === 0) complain(path, `a test is missing: ${TESTS.join(', ')}`);
  if (names.includes('exists') || names.includes('absent')) return parsePresence(value, path, complain);

  const { matches, ignoreCase, like, gte, lte } = value;
  if (ignoreCase !== undefined && (typeof ignoreCase !== 'boolean' || matches === undefined)) {
    complain([...path, 'ignoreCase'], 'true or false, beside matches');
  }
  checkPattern(matches, [...path, 'matches'], complain);
  if (like !== undefined && typeof like !== 'string') complain([...path, 'like'], 'a text like "rat*"');
  const range = parseRange(kind, gte, lte, path, complain);
  return {
    ...(typeof matches === 'string' ? { matches } : {}),
    ...(ignoreCase === true ? { ignoreCase } : {}),
    ...(typeof like === 'string' ? { like } : {}),
    ...range,
  };
}

function parsePresence(
  value: Readonly<Record<string, unknown>>,
  path: readonly PropertyKey[],
  complain: Complain,
): ValueTest {
  const { exists, absent } = value;
  if (Object.keys(value).length > 1) complain(path, 'exists and absent stand alone');
  if (exists !== undefined && typeof exists !== 'boolean') complain([...path, 'exists'], 'true or false');
  if (absent !== undefined && absent !== true)
    complain([...path, 'absent'], 'only true; write { exists: true } instead');
  return { exists: exists === true };
}

function checkPattern(matches: unknown, path: readonly PropertyKey[], complain: Complain): void {
  if (matches === undefined) return;
  if (typeof matches !== 'string') {
    complain(path, 'a regular expression, in quotes');
    return;
  }
  try {
    compilePattern(matches);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    complain(path, error.message);
  }
}

function parseRange(
  kind: ValueKind,
  gte: unknown,
  lte: unknown,
  path: readonly PropertyKey[],
  complain: Complain,
): Pick<ValueConditions, 'gte' | 'lte'> {
  if (gte === undefined && lte === undefined) return {};
  if (kind === 'text') {
    complain(path, 'gte and lte compare numbers, dates, times and ages; this attribute is text');
    return {};
  }
  const range = {
    ...(gte === undefined ? {} : { gte: parseValue(kind, gte, [...path, 'gte'], complain) }),
    ...(lte === undefined ? {} : { lte: parseValue(kind, lte, [...path, 'lte'], complain) }),
  };
  const low = comparable(kind, String(range.gte ?? ''));
  const high = comparable(kind, String(range.lte ?? ''));
  if (low !== undefined && high !== undefined && low > high)
    complain(path, 'gte is greater than lte: this never matches');
  return range;
}

/** A value as it may be written in the file; one that could never be equal to a header's is a mistake. */
function parseValue(
  kind: ValueKind,
  value: unknown,
  path: readonly PropertyKey[],
  complain: Complain,
): string | number {
  if (typeof value === 'string' && (kind === 'text' || comparable(kind, value) !== undefined)) return value.trim();
  // YAML reads 20260331 as a number, which loses nothing; 0830 it reads as 830, and 007 as 7.
  const isNumberInPlace = kind === 'number' || kind === 'single' || kind === 'date';
  if (typeof value === 'number' && isNumberInPlace && comparable(kind, String(value)) !== undefined) return value;
  complain(path, wrongValue(kind, value));
  return '';
}

function wrongValue(kind: ValueKind, value: unknown): string {
  if (kind === 'text' && typeof value === 'number')
    return `the attribute is text: write it in quotes, "${String(value)}"`;
  if (kind === 'text' && typeof value === 'boolean')
    return `the attribute is text: write it in quotes, or use { exists: ${String(value)} }`;
  if (value === null) return 'no value; to test that the attribute is missing use { exists: false }';
  return `not ${WRITTEN_AS[kind]}`;
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
