/** What may be removed, and what keeps the rest. */
import type { StudyInstanceUid } from '../identifiers.ts';
import type { BlobRef } from '../store.ts';
import type { SpoolPosition } from './instances.ts';

/** Until when something has to have ended to be removed now; undefined is never. */
export interface RetentionRules {
  readonly receivedBefore?: Date;
  readonly resultsBefore?: Date;
  readonly quarantineBefore?: Date;
}

/** What was given up; its bytes may go. */
export interface Expired {
  readonly studies: readonly StudyInstanceUid[];
  readonly runs: number;
  readonly quarantineEntries: number;
}

/** Why bytes are kept. */
export type KeptBecause =
  | 'receiving'
  | 'held'
  | 'quarantine'
  | 'routing'
  | 'unrouted'
  | 'processing'
  | 'dead-letter'
  | 'delivering'
  | 'undelivered'
  | 'delivered';

export interface UsageRow {
  readonly because: KeptBecause;
  /** Destinations that are waited for, or whose dead letters keep it. */
  readonly destinations?: string;
  readonly studies: number;
  readonly bytes: number;
}

/**
 * What may be removed. Rows go before bytes: what is expired is not known any more when a file is removed, and a crash
 * in between leaves a file that nothing needs.
 */
export interface RetentionLedger {
  /**
   * Gives up what is delivered and old enough: of studies the instances, of runs the results, of quarantine entries
   * that have ended the items. Events, timeline, runs and deliveries stay. A bounded number at once: none is left when
   * it answers with nothing.
   */
  expire(rules: RetentionRules): Promise<Expired>;
  /** Distinct bytes of a segment that some row still points at. */
  needed(segment: string): Promise<readonly { readonly blob: BlobRef; readonly sizeBytes: number }[]>;
  /** As `needed`, only counted. */
  neededBytes(segment: string): Promise<number>;
  /** Everything in the segment is known already: what a crash leaves of it is not recorded again. */
  announce(position: SpoolPosition): Promise<void>;
  /**
   * Points every row from one place to another. False: work on one of the studies is under way and may be about to read
   * from the old place; nothing happened.
   */
  move(moves: readonly { readonly from: BlobRef; readonly to: BlobRef }[]): Promise<boolean>;
  /** The segment's file is gone for good. */
  forgetSegment(segment: string): Promise<void>;
  /** Of runs, those whose results were given up. */
  expiredRuns(runIds: readonly string[]): Promise<readonly string[]>;
  /** What the received instances are kept for. Reads everything. */
  usage(): Promise<readonly UsageRow[]>;
}
