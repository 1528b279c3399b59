/**
 * What names people, is an identifier or a removed date in any instance of a study so far. No instance of it may say it:
 * the operator of one series stands in the comment of another.
 */
import type { PatternKind } from './search.ts';

export class StudySecrets {
  readonly patterns = new Map<string, PatternKind>();
  readonly shortValues = new Set<string>();
  /** As DA has them. */
  readonly dates = new Set<string>();
  hasForeignLetters = false;

  /** Grows, and never shrinks: an instance that was searched when it was less has not been searched for all. */
  get size(): number {
    return this.patterns.size + this.shortValues.size + this.dates.size;
  }
}
