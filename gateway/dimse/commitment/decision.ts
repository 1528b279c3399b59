/** What a storage commitment comes to: which of the referenced instances the hub is answerable for, and why not. Pure. */
import type { CommitmentEvidence } from '../../../core/ledger/commitments.ts';

/** Failure Reason (0008,1197), PS3.3 Section C.14.1.1. */
const FAILURE_REASON = {
  processingFailure: 0x0110,
  noSuchInstance: 0x0112,
  classInstanceConflict: 0x0119,
} as const;

export interface Failure {
  /** Its place in the request. */
  readonly item: number;
  readonly reason: number;
}

export type CommitmentDecision =
  { readonly kind: 'wait' } | { readonly kind: 'decided'; readonly failures: readonly Failure[] };

export interface Surroundings {
  /** What the ledger does not know may be on its way to it from another gateway. */
  readonly mayCome: boolean;
  /** The bytes the ledger refers to are on the disk, as they were received. */
  readonly isThere: (blob: string) => boolean;
}

/** Success is a promise to keep the instance: it is given only for what the ledger knows and the disk has. */
export function decideCommitment(
  evidence: readonly CommitmentEvidence[],
  { mayCome, isThere }: Surroundings,
): CommitmentDecision {
  const failures: Failure[] = [];
  for (const { item, sopClassUid, stored, isHeld } of evidence) {
    if (isHeld) {
      // A copy with other bytes was refused: what the source would delete is what it sent last.
      failures.push({ item, reason: FAILURE_REASON.processingFailure });
    } else if (stored === undefined) {
      if (mayCome) return { kind: 'wait' };
      failures.push({ item, reason: FAILURE_REASON.noSuchInstance });
    } else if (stored.sopClassUid !== sopClassUid) {
      failures.push({ item, reason: FAILURE_REASON.classInstanceConflict });
    } else if (!isThere(stored.blob)) failures.push({ item, reason: FAILURE_REASON.processingFailure });
  }
  return { kind: 'decided', failures };
}
