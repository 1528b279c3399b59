/**
 * Does a rule hold for a series, and why. Pure. A study matches when at least one of its series fulfils the whole rule,
 * so a study is never sent on because one series had the modality and another the description.
 */
import type { Attributes } from '../core/ledger/common.ts';
import type { SeriesRow } from '../core/ledger/studies.ts';
import { compilePattern, type Pattern } from './pattern.ts';
import type { AttributeTest, ProvenanceKey, Rule, ValueConditions } from './rules.ts';
import { comparable, type ValueKind } from './values.ts';

/** What is known of one series. */
export interface Facts extends Readonly<Partial<Record<ProvenanceKey, string>>> {
  readonly attributes: Attributes;
}

/** The rule again, each part with its verdict. Holds header values: for the terminal of whoever may see the study. */
export type Explanation =
  | { readonly kind: 'all' | 'any'; readonly matched: boolean; readonly parts: readonly Explanation[] }
  | { readonly kind: 'not'; readonly matched: boolean; readonly part: Explanation }
  | TestExplanation;

export interface TestExplanation {
  readonly kind: 'test';
  readonly key: string;
  /** `equals`, `matches`, `like`, `exists`, `absent`, `range`. */
  readonly tests: readonly string[];
  readonly expected: string;
  readonly present: boolean;
  readonly actual: readonly string[];
  readonly matched: boolean;
  /** A near miss a reader would look for last. */
  readonly note?: string;
}

/** Names of tests and verdicts only: no value of the header and none of the rule, which may repeat the header's. May be stored and logged. */
export type RedactedExplanation =
  | { readonly kind: 'all' | 'any'; readonly matched: boolean; readonly parts: readonly RedactedExplanation[] }
  | { readonly kind: 'not'; readonly matched: boolean; readonly part: RedactedExplanation }
  | Pick<TestExplanation, 'kind' | 'key' | 'tests' | 'present' | 'matched'>;

/** Evaluates every test, also those whose verdict no longer matters, so that the explanation is whole. */
export function match(rule: Rule, facts: Facts): Explanation {
  if ('all' in rule) {
    const parts = rule.all.map((part) => match(part, facts));
    return { kind: 'all', matched: parts.every((part) => part.matched), parts };
  }
  if ('any' in rule) {
    const parts = rule.any.map((part) => match(part, facts));
    return { kind: 'any', matched: parts.some((part) => part.matched), parts };
  }
  if ('not' in rule) {
    const part = match(rule.not, facts);
    return { kind: 'not', matched: !part.matched, part };
  }
  return explainTest(rule, facts);
}

/** Whether `match` would say so; no explanation is made, and no test is evaluated that no longer matters. */
export function fulfils(rule: Rule, facts: Facts): boolean {
  if ('all' in rule) return rule.all.every((part) => fulfils(part, facts));
  if ('any' in rule) return rule.any.some((part) => fulfils(part, facts));
  if ('not' in rule) return !fulfils(rule.not, facts);
  const { key, kind, is } = rule;
  const actual = actualValues(key, facts);
  return 'exists' in is ? actual.length > 0 === is.exists : actual.some((value) => holds(is, kind, value));
}

export function factsOf(series: Omit<SeriesRow, 'instances'>): Facts {
  const { source, door, callingAeTitle, calledAeTitle } = series.provenance;
  return {
    source,
    door,
    ...(callingAeTitle === undefined ? {} : { callingAeTitle }),
    ...(calledAeTitle === undefined ? {} : { calledAeTitle }),
    attributes: series.attributes,
  };
}

export function redacted(explanation: Explanation): RedactedExplanation {
  switch (explanation.kind) {
    case 'all':
    case 'any':
      return { kind: explanation.kind, matched: explanation.matched, parts: explanation.parts.map(redacted) };
    case 'not':
      return { kind: 'not', matched: explanation.matched, part: redacted(explanation.part) };
    case 'test': {
      const { kind, key, tests, present, matched } = explanation;
      return { kind, key, tests, present, matched };
    }
    default:
      return explanation satisfies never;
  }
}

/** Keys of the tests that kept a rule from holding, each once; what to name when a study matches nothing. */
export function failedKeys(explanation: Explanation): readonly string[] {
  if (explanation.matched) return [];
  switch (explanation.kind) {
    case 'test':
      return [explanation.key];
    case 'not':
      return [...new Set(keysOf(explanation.part))];
    case 'all':
    case 'any':
      return [...new Set(explanation.parts.flatMap(failedKeys))];
    default:
      return explanation satisfies never;
  }
}

function keysOf(explanation: Explanation): readonly string[] {
  if (explanation.kind === 'test') return [explanation.key];
  if (explanation.kind === 'not') return keysOf(explanation.part);
  return explanation.parts.flatMap(keysOf);
}

function explainTest(test: AttributeTest, facts: Facts): TestExplanation {
  const actual = actualValues(test.key, facts);
  const present = actual.length > 0;
  const described = {
    kind: 'test',
    key: test.key,
    ...once(descriptions, test, () => describe(test)),
    present,
    actual,
  } as const;
  if ('exists' in test.is) return { ...described, matched: present === test.is.exists };
  const conditions = test.is;
  const matched = actual.some((value) => holds(conditions, test.kind, value));
  const differsInCase = !matched && actual.some((value) => holdsIgnoringCase(conditions, test.kind, value));
  return {
    ...described,
    matched,
    ...(differsInCase ? { note: 'differs only in upper and lower case' } : {}),
  };
}

function actualValues(key: string, facts: Facts): readonly string[] {
  // A header's own keyword can not be one of these: keywords begin with an upper-case letter.
  const values =
    key === 'source' || key === 'door' || key === 'callingAeTitle' || key === 'calledAeTitle'
      ? [facts[key] ?? '']
      : (facts.attributes[key] ?? []);
  return values.map((value) => value.trim()).filter((value) => value !== '');
}

function holds(conditions: ValueConditions, kind: ValueKind, value: string): boolean {
  const { equals, like, gte, lte } = conditions;
  return (
    (equals === undefined || equals.some((expected) => isEqual(kind, String(expected), value))) &&
    (conditions.matches === undefined || patternOf(conditions).test(value)) &&
    (like === undefined || globOf(conditions, like).test(value)) &&
    (gte === undefined || isInOrder(kind, String(gte), value)) &&
    (lte === undefined || isInOrder(kind, value, String(lte)))
  );
}

function holdsIgnoringCase(conditions: ValueConditions, kind: ValueKind, value: string): boolean {
  if (kind !== 'text') return false;
  const { equals, matches } = conditions;
  return (
    (equals === undefined || equals.some((expected) => String(expected).toLowerCase() === value.toLowerCase())) &&
    (matches === undefined || patternOf(conditions, true).test(value)) &&
    (equals !== undefined || matches !== undefined)
  );
}

function isEqual(kind: ValueKind, expected: string, value: string): boolean {
  if (kind === 'text') return expected === value;
  const wanted = comparable(kind, expected);
  return wanted !== undefined && wanted === comparable(kind, value);
}

/** False when one of them is not a value of the kind: a header may hold anything. */
function isInOrder(kind: ValueKind, low: string, high: string): boolean {
  if (kind === 'text') return false;
  const from = comparable(kind, low);
  const to = comparable(kind, high);
  return from !== undefined && to !== undefined && from <= to;
}

/** Made once a test: the keys are the rule's own objects, and go when it goes. */
const patterns = new WeakMap<ValueConditions, Pattern>();
const patternsIgnoringCase = new WeakMap<ValueConditions, Pattern>();
const globs = new WeakMap<ValueConditions, Pattern>();
const descriptions = new WeakMap<AttributeTest, Description>();

function patternOf(conditions: ValueConditions, ignoreCase = conditions.ignoreCase ?? false): Pattern {
  const cache = ignoreCase ? patternsIgnoringCase : patterns;
  return once(cache, conditions, () => compilePattern(conditions.matches ?? '', ignoreCase));
}

function globOf(conditions: ValueConditions, like: string): Pattern {
  return once(globs, conditions, () => {
    const source = like
      .replace(/[\\^$.|+()[\]{}/]/g, '\\$&')
      .replaceAll('*', '[^]*')
      .replaceAll('?', '[^]');
    return compilePattern(`^${source}$`, true);
  });
}

function once<Key extends object, Value>(cache: WeakMap<Key, Value>, key: Key, make: () => Value): Value {
  const known = cache.get(key);
  if (known !== undefined) return known;
  const made = make();
  cache.set(key, made);
  return made;
}

interface Description {
  readonly tests: readonly string[];
  readonly expected: string;
}

function describe(test: AttributeTest): Description {
  if ('exists' in test.is) {
    return test.is.exists
      ? { tests: ['exists'], expected: 'has a value' }
      : { tests: ['absent'], expected: 'has no value' };
  }
  const { equals, matches, ignoreCase, like, gte, lte } = test.is;
  const words: [string, string][] = [];
  if (equals !== undefined)
    words.push(['equals', `equals ${equals.map((value) => JSON.stringify(value)).join(' or ')}`]);
  if (matches !== undefined) words.push(['matches', `matches /${matches}/${ignoreCase === true ? 'i' : ''}`]);
  if (like !== undefined) words.push(['like', `like ${JSON.stringify(like)}`]);
  if (gte !== undefined) words.push(['range', `at least ${String(gte)}`]);
  if (lte !== undefined) words.push(['range', `at most ${String(lte)}`]);
  return {
    tests: [...new Set(words.map(([name]) => name))],
    expected: words.map(([, text]) => text).join(' and '),
  };
}
