/** Storage commitments: what a scanner asked the hub to be answerable for. */
import type { BlobRef } from '../store.ts';
import type { Page } from './common.ts';
import type { Whose } from './replicas.ts';

/** Storage Commitment Push Model (PS3.4 Annex J): a source asks the hub to be answerable for instances. */
export interface CommitmentRequest {
  /** Of a new one; what is known already keeps its own. */
  readonly commitmentId: string;
  readonly transactionUid: string;
  readonly source: string;
  readonly callingAeTitle: string;
  readonly calledAeTitle: string;
  readonly associationId: string;
  readonly items: readonly CommitmentReference[];
}

export interface CommitmentReference {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
}

/** `conflict`: the source has used the Transaction UID for other instances. */
export interface CommitmentOutcome {
  readonly outcome: 'recorded' | 'repeated' | 'conflict';
  readonly commitmentId: string;
}

/** `deciding`: not everything is recorded yet. `reporting`: decided, its source not told yet. `failed`: it could not be told. */
export type CommitmentState = 'deciding' | 'reporting' | 'reported' | 'failed';

export interface CommitmentRow extends Omit<CommitmentRequest, 'items'> {
  readonly state: CommitmentState;
  readonly requestedAt: string;
  /** What is not recorded by then is a failure. */
  readonly decideBy: Date;
  readonly decidedAt?: string;
  readonly endedAt?: string;
  /** To tell its source, since it asked last. */
  readonly attempts: number;
  readonly dueAt?: Date;
  readonly reason?: string;
  readonly items: number;
  /** Of the items; meaningful once decided. */
  readonly failures: number;
}

/** A referenced instance and what the ledger knows of it. */
export interface CommitmentEvidence extends CommitmentReference {
  readonly item: number;
  readonly stored?: {
    readonly sopClassUid: string;
    readonly studyInstanceUid: string;
    readonly blob: BlobRef;
    /** Of the bytes that the reference names. */
    readonly sha256: string;
  };
  /** A copy of it is in quarantine at the door, or one with other bytes was rejected. */
  readonly isHeld: boolean;
}

export interface CommitmentItem extends CommitmentReference {
  /** Failure Reason (0008,1197); absent: committed. */
  readonly failureReason?: number;
}

export interface CommitmentAttempt {
  readonly attempt: number;
  readonly startedAt: string;
  readonly way: 'same-association' | 'new-association' | 'none';
  readonly outcome: 'answered' | 'failed';
  /** Never a patient value. */
  readonly detail?: string;
}

export type NextOfCommitment =
  | { readonly state: 'reported' }
  | { readonly state: 'reporting'; readonly dueAt: Date }
  | { readonly state: 'failed'; readonly reason: string };

/** Tables `commitments` and `commitment_items`. */
export interface CommitmentsLedger {
  /** A repeat of what was reported, or could not be, is decided and reported once more; the same id again is no repeat. */
  request(request: CommitmentRequest, decideBy: Date): Promise<CommitmentOutcome>;
  /** Those to be decided or reported by then, longest due first. */
  due(by: Date, limit: number, whose?: Whose): Promise<readonly CommitmentRow[]>;
  /** In the order of the request. */
  evidence(commitmentId: string): Promise<readonly CommitmentEvidence[]>;
  /** Of a content with this UID nothing was kept; until the study is removed. */
  rejected(copy: {
    readonly sopInstanceUid: string;
    readonly dataSetSha256: string;
    readonly source: string;
  }): Promise<void>;
  /** What is no failure is promised from here on; until it was told it is decided anew. False: it was told. */
  decide(
    commitmentId: string,
    failures: readonly { readonly item: number; readonly reason: number }[],
  ): Promise<boolean>;
  postpone(commitmentId: string, dueAt: Date): Promise<void>;
  /** In the order of the request. */
  items(commitmentId: string): Promise<readonly CommitmentItem[]>;
  /** Keeps the attempt and says how it goes on. False: it is not being reported. */
  attempted(commitmentId: string, attempt: CommitmentAttempt, then: NextOfCommitment): Promise<boolean>;
  list(page: Page & { readonly state?: CommitmentState }): Promise<readonly CommitmentRow[]>;
  get(commitmentId: string): Promise<(CommitmentRow & { readonly history: readonly CommitmentAttempt[] }) | undefined>;
  backlog(): Promise<
    readonly { readonly source: string; readonly state: CommitmentState; readonly commitments: number }[]
  >;
}
