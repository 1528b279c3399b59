/** Storage commitments the hub asked for: what a destination was asked to be answerable for, and what it said. */

/** Storage Commitment Push Model (PS3.4 Annex J), the hub as SCU: one N-ACTION about the instances of a delivery. */
export interface AskedCommitment {
  /** Of the hub's own making; nobody can guess it. */
  readonly transactionUid: string;
  readonly deliveryId: string;
  readonly instances: number;
}

/** `over`: the attempt that it was asked for has ended, with its result or without. */
export type AskedCommitmentState = 'waiting' | 'reported' | 'over';

export interface AskedCommitmentRow extends AskedCommitment {
  readonly state: AskedCommitmentState;
  readonly askedAt: string;
  /** Nobody reckons with a report after it; one that comes all the same is taken. */
  readonly waitUntil: Date;
  /** It is not that late yet. */
  readonly isInTime: boolean;
  readonly reportedAt?: string;
}

/** What an N-EVENT-REPORT says of each instance it names. */
export interface CommitmentResult {
  readonly committed: readonly string[];
  readonly failed: readonly { readonly sopInstanceUid: string; readonly failureReason: number }[];
}

export interface CommitmentReport extends CommitmentResult {
  readonly transactionUid: string;
  /** For whom its sender may speak. */
  readonly destinations: readonly string[];
}

/**
 * `repeated`: the result is there already, the first one counts. `late`: the delivery has ended without it. `unknown`:
 * nobody has asked that of one of these destinations.
 */
export type ReportOutcome = 'recorded' | 'repeated' | 'late' | 'unknown';

/** Table `asked_commitments`. */
export interface AskedCommitmentsLedger {
  /** Before it is asked: the report may come before the answer. The same Transaction UID again changes nothing. */
  ask(asked: AskedCommitment, waitMs: number): Promise<void>;
  /** The delivery it is about is due at once, if it waits for it. */
  report(report: CommitmentReport): Promise<ReportOutcome>;
  /** The newest first. */
  ofDelivery(deliveryId: string): Promise<readonly AskedCommitmentRow[]>;
  /** Undefined until it was reported. */
  result(transactionUid: string): Promise<CommitmentResult | undefined>;
}
