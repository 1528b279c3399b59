/** What comes in over HTTP, checked at the edge. */
import * as z from 'zod';
import { HubError } from './errors.ts';
import { suggest } from './suggestion.ts';

/** Names longer than any of ours are not repeated. */
const MAX_NAME_LENGTH = 40;
/** Nor are more of them than anybody mistypes. */
const MAX_NAMED = 5;

/**
 * @param place - `path`, `query` or `body`: where a mistake is said to be
 * @throws {HubError} `request.invalid` with every mistake at once; the values are not repeated
 */
export function parseInput<T extends z.ZodType>(schema: T | undefined, value: unknown, place: string): z.output<T> {
  return parsed(schema, value, place, []);
}

/**
 * As `parseInput`, and what is not known is a mistake too: a filter that was mistyped and ignored would answer with
 * everything.
 *
 * @throws {HubError} `request.invalid`
 */
export function parseQuery<T extends z.ZodType>(schema: T | undefined, query: unknown): z.output<T> {
  if (schema !== undefined && !(schema instanceof z.ZodObject)) return parseInput(schema, query, 'query');
  const known = Object.keys(schema?.shape ?? {});
  const given = typeof query === 'object' && query !== null ? Object.keys(query) : [];
  const taken = known.length === 0 ? 'nothing is taken here' : `known are ${known.toSorted().join(', ')}`;
  const unknown = given
    .filter((name) => !known.includes(name))
    .slice(0, MAX_NAMED)
    .map((name) => `query.${name.slice(0, MAX_NAME_LENGTH)}: not known, ${taken}${suggest(name, known)}`);
  return parsed(schema, query, 'query', unknown);
}

function parsed<T extends z.ZodType>(
  schema: T | undefined,
  value: unknown,
  place: string,
  mistakes: readonly string[],
): z.output<T> {
  // Without a schema nothing is taken, and the handler's type says so.
  const result = schema?.safeParse(value);
  const found = result?.error?.issues.map(({ path, message }) => `${[place, ...path].join('.')}: ${message}`) ?? [];
  const issues = [...mistakes, ...found];
  if (issues.length > 0) throw new HubError('request.invalid', { detail: issues.join('; '), issues });
  return (result?.data ?? {}) as z.output<T>;
}
