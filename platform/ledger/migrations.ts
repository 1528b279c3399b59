/**
 * Which steps bring a ledger to what this hub knows. Files are `NNNN-name.sql`, one folder an engine, and one number is the
 * same step on both. A published one is never changed.
 */
import { readdirSync } from 'node:fs';
import { HubError } from '../../core/errors.ts';

export interface Migration {
  readonly number: number;
  /** Name of its file. */
  readonly file: string;
}

/** What a ledger says of itself. */
export interface LedgerVersion {
  /** How many were applied. Hubs from before the numbers were kept know nothing else, and refuse a ledger that has more than they do. */
  readonly count: number;
  /** Which, or undefined: such a hub was the last that changed it. */
  readonly numbers: readonly number[] | undefined;
}

/** Where the numbers stand, on both engines. */
export const MIGRATIONS_TABLE = 'ledger_migrations';

/** Those there were when they were only counted, in their order: what a count of then means. Nothing is ever added. */
const COUNTED = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 20, 23, 24, 26, 31];

/** The migrations of one engine, by their numbers. */
export function migrationsIn(folder: string): readonly Migration[] {
  return readdirSync(folder)
    .filter((file) => /^\d{4}-.*\.sql$/.test(file))
    .map((file) => ({ number: Number(file.slice(0, 4)), file }))
    .toSorted((one, other) => one.number - other.number);
}

/**
 * What was applied, and what is missing: by number, so that one whose number is below that of an applied one is not taken
 * for applied.
 *
 * @throws {HubError} `ledger.newer` when a later version of the hub has been there
 */
export function compareVersion(
  known: readonly Migration[],
  { count, numbers }: LedgerVersion,
): { readonly applied: readonly number[]; readonly missing: readonly Migration[] } {
  const applied = numbers ?? COUNTED.slice(0, count);
  const knownNumbers = known.map(({ number }) => number);
  const isNewer = count > applied.length || applied.some((number) => !knownNumbers.includes(number));
  if (isNewer) {
    const version = count > applied.length ? count : Math.max(...applied);
    throw new HubError('ledger.newer', { version, newestKnown: Math.max(0, ...knownNumbers) });
  }
  return { applied, missing: known.filter(({ number }) => !applied.includes(number)) };
}
