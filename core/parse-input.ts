/** What comes in over HTTP, checked at the edge. */
import type * as z from 'zod';
import { HubError } from './errors.ts';

/**
 * @param place - `path`, `query` or `body`: where a mistake is said to be
 * @throws {HubError} `request.invalid` with every mistake at once; the values are not repeated
 */
export function parseInput<T extends z.ZodType>(schema: T | undefined, value: unknown, place: string): z.output<T> {
  // Without a schema nothing is taken, and the handler's type says so.
  if (schema === undefined) return {} as z.output<T>;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => `${[place, ...path].join('.')}: ${message}`);
  throw new HubError('request.invalid', { detail: issues.join('; '), issues });
}
