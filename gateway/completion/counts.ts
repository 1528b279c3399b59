/** The vocabulary of asking a source for counts. */
import type { StudyInstanceUid } from '../../core/identifiers.ts';

export type Level = 'STUDY' | 'SERIES';

/** A study or series that the source knows. */
export interface Counted {
  /** Undefined where the answer lacks it. */
  readonly instances: number | undefined;
  readonly seriesInstanceUid?: string | undefined;
}

export interface Find {
  /** One entry a match. */
  of(level: Level, study: StudyInstanceUid): Promise<readonly Counted[]>;
  /** Its instances, one by one; absent where a long answer may be cut off without a word. */
  instancesOf?(study: StudyInstanceUid, seriesInstanceUid: string): Promise<number>;
}

/** A count as a peer wrote it: IS as number or text; `undefined` for anything else. */
export function countOf(value: unknown): number | undefined {
  if (typeof value !== 'number' && (typeof value !== 'string' || value.trim() === '')) return undefined;
  const count = Number(value);
  return Number.isInteger(count) && count >= 0 ? count : undefined;
}
