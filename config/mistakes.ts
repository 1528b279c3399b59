/** Mistakes of a configuration: where, and what, in words for whoever wrote it. */
import type * as z from 'zod';
import { suggest } from '../core/suggestion.ts';

export interface Mistake {
  /** File name as it was given; absent for a mistake in a variable or an option. */
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  readonly column?: number;
  /** Environment variable or command-line option the value came from. */
  readonly from?: string;
  /** RFC 6901; empty for the whole file. */
  readonly pointer: string;
  readonly message: string;
}

/** A mistake before it has a place in a file. */
export interface Finding {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** The key itself is wrong, not what stands behind it. */
  readonly isKey?: boolean;
}

/** `hub.yaml:41 /destinations/2/url: not a URL`. */
export function mistakeLine(mistake: Mistake): string {
  const place =
    mistake.from ?? `${mistake.file ?? 'configuration'}${mistake.line === undefined ? '' : `:${mistake.line}`}`;
  return `${place}${mistake.pointer === '' ? '' : ` ${mistake.pointer}`}: ${mistake.message}`;
}

/** RFC 6901. */
export function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** What zod found, one finding a mistake: each unknown key for itself, and of a union the alternative that came nearest. */
export function findingsOf(issues: readonly z.core.$ZodIssue[], knownKeys: KnownKeys): readonly Finding[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        path: [...issue.path, key],
        isKey: true,
        message: `unknown key${suggest(key, knownKeys(issue.path))}`,
      }));
    }
    if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      return findingsOf(nearestAlternative(issue.errors), knownKeys).map((finding) => ({
        ...finding,
        path: [...issue.path, ...finding.path],
      }));
    }
    return [{ path: issue.path, message: issue.message }];
  });
}

/** Keys the schema knows at a path; for suggestions. */
export type KnownKeys = (path: readonly PropertyKey[]) => readonly string[];

function nearestAlternative(alternatives: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] {
  // The alternative that got deepest before it failed is the one that was meant.
  const depth = (issues: readonly z.core.$ZodIssue[]) => Math.max(0, ...issues.map((issue) => issue.path.length));
  const deepest = alternatives.toSorted((a, b) => depth(b) - depth(a) || a.length - b.length)[0] ?? [];
  if (depth(deepest) > 0) return deepest;
  const messages = new Set(alternatives.flat().map((issue) => issue.message));
  return deepest.slice(0, 1).map((issue) => ({ ...issue, code: 'custom', message: [...messages].join('; or ') }));
}

/** zod's messages in the words of this hub; a schema's own message goes before it. */
export function messageOf(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') return wrongType(issue.input, TYPES[issue.expected] ?? issue.expected);
  if (issue.code === 'invalid_value') return invalidValue(issue.input, issue.values.map(String));
  if (issue.code === 'too_small') return `${quantityName(issue.origin)}at least ${String(issue.minimum)}`;
  if (issue.code === 'too_big') return `${quantityName(issue.origin)}at most ${String(issue.maximum)}`;
  return issue.code === 'invalid_format' ? FORMATS[issue.format] : undefined;
}

function wrongType(input: unknown, type: string): string {
  if (input === undefined) return `missing: ${type}`;
  return input === null ? `nothing stands here: ${type} is needed` : `not ${type}`;
}

function invalidValue(input: unknown, values: readonly string[]): string {
  const choices = values.length === 1 ? `only ${values.join()}` : `one of ${values.join(', ')}`;
  if (input === undefined) return `missing: ${choices}`;
  return `not ${choices}${typeof input === 'string' ? suggest(input, values) : ''}`;
}

function quantityName(origin: string): string {
  if (origin === 'string') return 'number of characters: ';
  return origin === 'array' || origin === 'set' ? 'number of entries: ' : '';
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping of keys to values',
  record: 'a mapping of keys to values',
};

const FORMATS: Readonly<Record<string, string>> = {
  url: 'not a URL',
  safeint: 'not a whole number',
  email: 'not an e-mail address',
  ipv4: 'not an IPv4 address',
  ipv6: 'not an IPv6 address',
};
