/** Studies and series, and when a study is complete. */
import type { CommittedList, CompletionEvidence, CompletionSignal, SourceAnswer } from '../completion.ts';
import type { SeriesInstanceUid, StudyInstanceUid } from '../identifiers.ts';
import type { Attributes, Page } from './common.ts';
import type { Provenance } from './instances.ts';
import type { Whose } from './replicas.ts';

export interface StudyRow {
  readonly studyInstanceUid: StudyInstanceUid;
  /** 0 before the first completion. */
  readonly revision: number;
  readonly source: string;
  readonly instances: number;
  readonly firstReceivedAt: string;
  readonly lastReceivedAt: string;
  readonly correlationId: string;
  /** Held: something of it is in quarantine in a way that concerns the whole study; it is not routed until released. */
  readonly held: boolean;
  readonly state: 'receiving' | 'completed' | 'unrouted' | 'routed';
  /** What was received of it was removed then, after delivery. */
  readonly expiredAt?: string;
}

export interface SeriesRow {
  readonly seriesInstanceUid: SeriesInstanceUid;
  readonly instances: number;
  readonly provenance: Provenance;
  /** Of the first instance received. */
  readonly attributes: Attributes;
}

export interface DueStudy {
  readonly studyInstanceUid: StudyInstanceUid;
  /** The timer's version: an instance that arrived since makes `complete` a no-op. */
  readonly version: number;
  readonly signal: Exclude<CompletionSignal, 'manual'>;
  /** Why; on the event. */
  readonly evidence?: readonly CompletionEvidence[];
  /** The quiet period that was in force, which its routes may have stretched; absent: the source's, of its last arrival. */
  readonly quietMs?: number;
  /** Whose rules judged it; on the event. */
  readonly configVersion?: string;
}

/** Everything the ledger knows that bears on the question, read in one moment. */
export interface CompletionFacts {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly source: string;
  /** Of the timer: another number means that something arrived. */
  readonly version: number;
  /** All that the hub has of the study, earlier revisions included. */
  readonly instances: number;
  /** Instances of earlier revisions were removed after their delivery: what is here cannot be compared with any count. */
  readonly isPartlyRemoved?: true;
  /** The first arrival since the last completion. */
  readonly beganAtMs: number;
  readonly lastReceivedAtMs: number;
  readonly series: readonly SeriesRow[];
  /** The newest release by whoever sent. */
  readonly releasedAtMs?: number;
  /** Association, request or batch. */
  readonly releasedBy?: string;
  readonly commitment?: CommittedList;
  readonly answer?: SourceAnswer;
}

/** Whoever sent instances of a study says that it is done: an association released, a request or a batch ended. */
export interface Release {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly releasedAt: Date;
  /** Association, request or batch. */
  readonly releasedBy: string;
  /** When to judge. */
  readonly lookAt: Date;
}

export interface TimelineEntry {
  readonly at: string;
  readonly what: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface StudiesLedger {
  /** Those that have to be judged: the timer is over, or something else happened that bears on their completion. */
  due(now: Date, limit: number, whose?: Whose): Promise<readonly DueStudy[]>;
  /** When the next one is due, as far as it can be known now; undefined when none waits. */
  nextDue(whose?: Whose): Promise<Date | undefined>;
  /** Undefined: not due any more, nothing of it waits for a completion. */
  completionFacts(study: StudyInstanceUid): Promise<CompletionFacts | undefined>;
  /**
   * Judged, and not complete yet: to be judged again at `until`, and before it at each arrival when `atArrival`.
   * `until` undefined: only at an arrival. False: something arrived meanwhile, or it is complete.
   */
  postpone(
    due: Pick<DueStudy, 'studyInstanceUid' | 'version'>,
    until: Date | undefined,
    atArrival: boolean,
  ): Promise<boolean>;
  /** Every study that is being received is due now: what their timers were set by has changed. */
  reconsider(): Promise<void>;
  /** Notes releases; of one study the newest counts. */
  release(releases: readonly Release[]): Promise<void>;
  /** The source's answer to how much it has; the study is judged again at once. */
  answered(study: StudyInstanceUid, answer: Omit<SourceAnswer, 'attempts'>): Promise<void>;
  /** Opens the next revision with everything that has none yet and appends `study.completed`. False: not due any more, nothing happened. */
  complete(
    due:
      | DueStudy
      | {
          readonly studyInstanceUid: StudyInstanceUid;
          readonly signal: 'manual';
          readonly configVersion?: string;
        },
    now: Date,
  ): Promise<boolean>;
  get(study: StudyInstanceUid): Promise<StudyRow | undefined>;
  series(study: StudyInstanceUid, revision?: number): Promise<readonly SeriesRow[]>;
  list(page: Page & { readonly state?: StudyRow['state'] }): Promise<readonly StudyRow[]>;
  /** Every event, run, job, delivery and quarantine entry of a study in the order it happened. */
  timeline(study: StudyInstanceUid): Promise<readonly TimelineEntry[]>;
}
