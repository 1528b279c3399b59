/**
 * What names people or is an identifier in any instance of a study so far. No instance of it may say it: the operator of
 * one series stands in the comment of another.
 */
import type { PatternKind } from './search.ts';

export class StudySecrets {
  readonly patterns = new Map<string, PatternKind>();
  readonly shortValues = new Set<string>();
  hasForeignLetters = false;

  /** Grows, and never shrinks: an instance that was searched when it was less has not been searched for all. */
  get size(): number {
    return this.patterns.size + this.shortValues.size;
  }
}
