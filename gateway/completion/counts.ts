/** The vocabulary of asking a source for counts. */
import type { StudyInstanceUid } from '../../core/identifiers.ts';

export type Level = 'STUDY' | 'SERIES';

/** One entry a match: the number of instances, undefined where the answer lacks it. */
export type Find = (level: Level, study: StudyInstanceUid) => Promise<readonly (number | undefined)[]>;

/** A count as a peer wrote it: IS as number or text; `undefined` for anything else. */
export function countOf(value: unknown): number | undefined {
  if (typeof value !== 'number' && (typeof value !== 'string' || value.trim() === '')) return undefined;
  const count = Number(value);
  return Number.isInteger(count) && count >= 0 ? count : undefined;
}
