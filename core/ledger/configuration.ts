/**
 * Configurations that were in force: what stood in each, and from when on, where and through whom. Documents hold what
 * was written, so references to secrets and never a secret. Beside them the studies of the past as routes see them, for
 * asking what another configuration would have done.
 */
import type { StudyInstanceUid } from '../identifiers.ts';
import type { Page } from './common.ts';
import type { SeriesRow } from './studies.ts';

/** Through what a configuration came into force. `file`: the hub saw that its file had changed. */
export const ACTIVATION_CAUSES = ['start', 'signal', 'file', 'request', 'rollback'] as const;
export type ActivationCause = (typeof ACTIVATION_CAUSES)[number];

export interface NewActivation {
  readonly version: string;
  /** The configuration as written, overrides laid over it: JSON. */
  readonly document: string;
  readonly cause: ActivationCause;
  /** A token's id, or who there is without one. */
  readonly actor: string;
  /** The hub of several on one ledger. */
  readonly node: string;
  /** It was read from; absent: from none, or from the ledger. */
  readonly file?: string;
}

export interface ActivationRow extends Omit<NewActivation, 'document'> {
  readonly activationId: string;
  /** What was in force before on the same node; absent: nothing. */
  readonly previous?: string;
  readonly activatedAt: string;
}

/** A study as routes would see it now: all its series, whichever revision brought them. */
export interface HistoricStudyRow {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly revision: number;
  readonly completedAt: string;
  readonly series: readonly Omit<SeriesRow, 'instances'>[];
}

/** Where a page of the past goes on. */
export interface HistoryCursor {
  readonly completedAtMs: number;
  readonly study: number;
}

export interface ConfigurationLedger {
  /** Notes what is in force from now on. What is in force on the node already is not noted again: `isNew` is false. */
  activate(next: NewActivation): Promise<{ readonly activation: ActivationRow; readonly isNew: boolean }>;
  /** Newest first. */
  activations(page: Page & { readonly node?: string }): Promise<readonly ActivationRow[]>;
  /** When a version came into force the last time, on whichever node; undefined: never. */
  lastOf(version: string): Promise<ActivationRow | undefined>;
  /** What a version says; undefined: it was never in force. */
  document(version: string): Promise<string | undefined>;
  /** Versions that begin like this, at most two: enough to know whether it is one. */
  versionsLike(prefix: string): Promise<readonly string[]>;
  /**
   * How often what is now this study was given away under another Study Instance UID and came back: 0 for what was made
   * elsewhere, 1 for what the hub made of that, and so on. Counts no further than `atMost`.
   */
  generationOf(study: StudyInstanceUid, atMost: number): Promise<number>;
  /** Completed studies from `since` on, oldest first, with `next` as long as there may be more. */
  history(
    since: Date,
    page: { readonly limit: number; readonly after?: HistoryCursor },
  ): Promise<{ readonly studies: readonly HistoricStudyRow[]; readonly next?: HistoryCursor }>;
}
