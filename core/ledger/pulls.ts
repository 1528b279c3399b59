/**
 * What the ledger knows of pulls: their schedules, the runs of each, what the runs ask a source, and the studies they
 * found. Of a pull there is one row a study, for good: by it a study is not fetched a second time after it was removed here.
 */
import type { StudyInstanceUid } from '../identifiers.ts';
import type { NewEvent, Page } from './common.ts';

export const PULL_RUN_KINDS = ['scheduled', 'manual', 'backfill'] as const;
export type PullRunKind = (typeof PULL_RUN_KINDS)[number];
/** `requested`: nothing is asked yet. `incomplete`: ended, and something of it failed. */
export const PULL_RUN_STATES = ['requested', 'active', 'done', 'incomplete', 'cancelled'] as const;
export type PullRunState = (typeof PULL_RUN_STATES)[number];
/** `done`: the ledger has held as many instances of it as its source has, series by series. */
export const PULL_STUDY_STATES = ['found', 'fetching', 'done', 'failed', 'cancelled'] as const;
export type PullStudyState = (typeof PULL_STUDY_STATES)[number];

export interface NewPullRun {
  /** The same twice is one run. */
  readonly runId: string;
  readonly pull: string;
  readonly kind: PullRunKind;
  /** Study dates of a back-fill, DA (PS3.5 Section 6.2); both included. */
  readonly from?: string;
  readonly to?: string;
}

export interface PullRunRow extends NewPullRun {
  readonly state: PullRunState;
  readonly requestedAt: string;
  readonly endedAt?: string;
  /** Why nothing could be asked, or why what was given up last had no answer. */
  readonly reason?: string;
  /** What is asked of the source, a day or an accession number each; growing when an answer is too long and is split. */
  readonly questions: number;
  readonly answered: number;
  readonly unanswered: number;
  readonly found: number;
  readonly fetched: number;
  /** All of it was here already. */
  readonly skipped: number;
  readonly failed: number;
  /** Of the fetched studies, as the ledger holds them. */
  readonly instances: number;
}

/** What one C-FIND or QIDO-RS search is limited to, beside the query of the pull. */
export interface PullRange {
  /** Study dates, DA; both included. */
  readonly from?: string;
  readonly to?: string;
  /** Study times of one day, TM. */
  readonly timeFrom?: string;
  readonly timeTo?: string;
  readonly accessionNumber?: string;
}

export interface PullQuestion extends PullRange {
  readonly question: number;
  readonly runId: string;
  /** That failed. */
  readonly attempts: number;
}

export interface FoundStudy {
  readonly studyInstanceUid: StudyInstanceUid;
  /** As its source counts it; undefined: it does not say. */
  readonly instances?: number;
}

export interface ClaimedPullStudy extends FoundStudy {
  readonly fence: number;
  /** This one included. */
  readonly attempt: number;
  /** At its source when it was held completely the last time. */
  readonly verified?: number;
}

export interface PullStudyRow extends FoundStudy {
  /** Names the row for pages. */
  readonly entryId: string;
  readonly pull: string;
  readonly runId: string;
  readonly state: PullStudyState;
  readonly attempts: number;
  readonly held?: number;
  readonly verified?: number;
  readonly dueAt?: string;
  readonly foundAt: string;
  readonly updatedAt: string;
  readonly code?: string;
  /** Never a patient value. */
  readonly reason?: string;
}

export interface PullState {
  readonly isPaused: boolean;
  /** When its schedule fires next, and the schedule this was worked out from. */
  readonly nextAt?: Date;
  readonly schedule?: string;
}

/** What a fetch came to. */
export interface PullOutcome {
  readonly held: number;
  /** At the source. */
  readonly verified: number;
  readonly how: 'fetched' | 'skipped';
}

export interface PullFailure {
  readonly code: string;
  readonly reason: string;
  readonly held?: number;
}

export interface PullsLedger {
  state(pull: string): Promise<PullState>;
  /** The schedule fires then the next time; undefined: never. */
  schedule(pull: string, schedule: string, nextAt: Date | undefined): Promise<void>;
  /** False: it was so already. */
  pause(pull: string, isPaused: boolean): Promise<boolean>;
  /** `busy`: a run of its schedule is under way, and finds what this one would. */
  request(run: NewPullRun): Promise<'requested' | 'already' | 'busy'>;
  /** Runs of which nothing is asked yet, oldest first. */
  requested(pull: string): Promise<readonly PullRunRow[]>;
  /** What is to be asked; without anything the run is done. False: it was planned before, or cancelled. */
  plan(runId: string, questions: readonly PullRange[]): Promise<boolean>;
  /** It ends without anything asked. */
  abandon(runId: string, reason: string): Promise<boolean>;
  /** Those to be asked now, back-fills last; at most `limit`. */
  questions(pull: string, now: Date, limit: number): Promise<readonly PullQuestion[]>;
  /**
   * Records what was found. A study that was held with just as many instances is counted as skipped and nothing else.
   *
   * @param missed - why the answer is not all: the question counts as one without an answer
   */
  answer(question: number, studies: readonly FoundStudy[], missed?: string): Promise<boolean>;
  /** Asked in parts instead: the answer was too long. */
  split(question: number, parts: readonly PullRange[]): Promise<boolean>;
  /** `retryAt` undefined: given up. */
  miss(question: number, reason: string, retryAt: Date | undefined): Promise<boolean>;
  /** Studies that a process which is gone was fetching wait again. @param fence - of the lease on the pull */
  takeOver(pull: string, fence: number): Promise<number>;
  claim(pull: string, fence: number, now: Date, limit: number): Promise<readonly ClaimedPullStudy[]>;
  /** Whether it is still to be fetched under this fence. */
  isWanted(pull: string, study: StudyInstanceUid, fence: number): Promise<boolean>;
  /** False: an old fence, or cancelled. */
  finish(
    pull: string,
    study: StudyInstanceUid,
    fence: number,
    outcome: PullOutcome,
    events: readonly NewEvent[],
  ): Promise<boolean>;
  /** `retryAt` undefined: it failed for good, until it is found again. */
  fail(
    pull: string,
    study: StudyInstanceUid,
    fence: number,
    failure: PullFailure,
    retryAt: Date | undefined,
    events: readonly NewEvent[],
  ): Promise<boolean>;
  /** Leaves it for later and does not count the attempt. */
  giveBack(pull: string, study: StudyInstanceUid, fence: number, dueAt: Date): Promise<boolean>;
  /** Ends every run of the pull, and what they wait for. How many runs. */
  cancel(pull: string): Promise<number>;
  /** When there is something to ask or to fetch; undefined: nothing waits. */
  nextDue(pull: string): Promise<Date | undefined>;
  runs(page: Page & { readonly pull: string }): Promise<readonly PullRunRow[]>;
  studies(page: Page & { readonly pull: string; readonly state?: PullStudyState }): Promise<readonly PullStudyRow[]>;
  /** Studies of each pull by state. */
  backlog(): Promise<readonly { readonly pull: string; readonly state: PullStudyState; readonly studies: number }[]>;
}
