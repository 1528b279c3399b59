/** Instances: what was received, and where it lies. */
import type {
  SeriesInstanceUid,
  SopClassUid,
  SopInstanceUid,
  StudyInstanceUid,
  TransferSyntaxUid,
} from '../identifiers.ts';
import type { BlobRef, InstanceItem } from '../store.ts';
import type { Attributes } from './common.ts';

export type Door = 'dimse' | 'stow-rs' | 'folder';

/** Where an instance came from. */
export interface Provenance {
  readonly door: Door;
  /** `name` of the configured source, or `loopback` when none is configured. */
  readonly source: string;
  readonly callingAeTitle?: string;
  readonly calledAeTitle?: string;
  /** One an association or HTTP request. */
  readonly associationId: string;
}

export interface StoredInstance extends Provenance {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly seriesInstanceUid: SeriesInstanceUid;
  readonly sopInstanceUid: SopInstanceUid;
  readonly sopClassUid: SopClassUid;
  readonly transferSyntaxUid: TransferSyntaxUid;
  readonly blob: BlobRef;
  readonly sizeBytes: number;
  /** Of the whole Part 10 file in the store. */
  readonly sha256: string;
  /** Of the data set alone: what "the same bytes" means for an instance that comes again. */
  readonly dataSetSha256: string;
  readonly receivedAt: string;
  /** SHA-256 of issuer and patient ID, to see a patient change inside a study without keeping the ID. */
  readonly patientDigest: string;
  readonly attributes: Attributes;
}

/**
 * `same`: already there byte for byte, now or in an earlier version; nothing happened. `conflict`: the UID is taken by
 * other bytes. `revised`: it was, and these are the current version from the next revision on. `patient-mismatch`: the
 * study holds another patient.
 */
export type RecordOutcome = 'stored' | 'same' | 'revised' | 'conflict' | 'patient-mismatch';

/** What a known SOP Instance UID with other bytes means. */
export type SameUidRule = 'reject' | 'keep-both-as-revision' | 'quarantine';

/** One content that a SOP Instance UID stands for, or stood for until a later one took its place. */
export interface InstanceVersion {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly seriesInstanceUid: SeriesInstanceUid;
  readonly transferSyntaxUid: TransferSyntaxUid;
  readonly blob: BlobRef;
  readonly dataSetSha256: string;
  readonly isCurrent: boolean;
}

export interface CompletionRule {
  readonly quietMs: number;
  readonly forceMs: number;
  /** To look after so long already, where another signal than silence may come first; never later than `quietMs`. */
  readonly lookMs?: number;
}

export interface SpoolPosition {
  readonly segment: string;
  /** Everything before this offset of the segment is in the ledger. */
  readonly offset: number;
}

export interface InstancesLedger {
  /**
   * Instance rows, study and series rows, completion timers, `instance.stored` events and the spool position, in
   * one transaction. Outcomes in the order of `instances`. For `conflict` and `patient-mismatch` a quarantine row
   * and `study.quarantined` are made in the same transaction, and the study is held for the latter. An instance with
   * `keep-both-as-revision` is `revised` instead of a `conflict` when study and series are those of the version before;
   * with `reject` it is a `conflict` all the same: what stands in the spool may have had its Success.
   */
  record(
    instances: readonly {
      readonly instance: StoredInstance;
      readonly completion: CompletionRule;
      readonly sameUid?: SameUidRule;
    }[],
    position: SpoolPosition,
  ): Promise<readonly RecordOutcome[]>;
  /** Data set digest and patient digest known for an instance's UIDs, to answer the sender before the spool takes it. */
  known(
    sop: SopInstanceUid,
    study: StudyInstanceUid,
  ): Promise<{
    readonly dataSetSha256?: string;
    readonly patientDigest?: string;
    /** Digests of other patients that somebody let into the study. */
    readonly otherPatients?: readonly string[];
  }>;
  /** Every content a SOP Instance UID has had, oldest first; empty when it is not known. */
  versions(sop: SopInstanceUid): Promise<readonly InstanceVersion[]>;
  /** Where the pump resumes. */
  spoolPositions(): Promise<readonly SpoolPosition[]>;
  /**
   * The instances of a study. With `revision`: all instances, up to that revision, of the series that the revision
   * touched. So a late instance brings its series along whole, and the other series are not worked on again.
   */
  ofStudy(
    study: StudyInstanceUid,
    options?: {
      readonly revision?: number;
      readonly series?: readonly SeriesInstanceUid[];
    },
  ): Promise<readonly InstanceItem[]>;
  /** One instance, if the study (and the series, where one is given) has it. */
  one(study: StudyInstanceUid, instance: SopInstanceUid, series?: SeriesInstanceUid): Promise<InstanceItem | undefined>;
}
