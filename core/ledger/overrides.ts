/** Going on with a run all the same: a person's word on one run that a step held, given once. */
import type { OverrideReason } from '../override-reasons.ts';
import type { RunItem } from '../store.ts';
import type { NewEvent } from './common.ts';
import type { QcScan } from './qc-history.ts';
import type { Role } from './tokens.ts';

export interface Override {
  readonly reason: OverrideReason;
  /** The token's ID, or `local`; as in the audit. */
  readonly by: string;
  readonly role: Role;
  /** In somebody's own words: it stays in the ledger, and no event, log or metric has it. */
  readonly note?: string | undefined;
}

/** What a held run goes on with when somebody says so: what its step made all the same, or else what it was given. */
export interface KeptResult {
  readonly items: readonly RunItem[];
  /** Told when it goes on, and only then. */
  readonly events: readonly NewEvent[];
  /** Recorded at once: a scan that is held back was measured like any other. */
  readonly quality?: readonly QcScan[];
}

export interface OverridesLedger {
  /**
   * Ends the hold; the run goes on behind the step that held it, with what was kept. `already`: it was overridden before,
   * and nothing more happens. `not-held`: released or replayed meanwhile. `nothing-kept`: the step is none to go on without.
   */
  override(quarantineId: string, decision: Override): Promise<'overridden' | 'already' | 'not-held' | 'nothing-kept'>;
  /** What is kept of a held run; none when there is nothing, or somebody has decided. */
  kept(runId: string): Promise<readonly RunItem[]>;
}
