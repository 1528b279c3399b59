/** Runs of routes and the jobs of their steps. */
import type { SeriesInstanceUid, StudyInstanceUid } from '../identifiers.ts';
import type { RunItem } from '../store.ts';
import type { InboxEntry, NewEvent } from './common.ts';
import type { CrosswalkPart } from './crosswalk.ts';
import type { QcScan } from './qc-history.ts';
import type { KeptResult } from './overrides.ts';
import type { NewQuarantine } from './quarantine.ts';

export type RunState = 'waiting' | 'running' | 'processed' | 'quarantined' | 'cancelled';

/** One route's work on one revision of a study. */
export interface NewRun {
  readonly runId: string;
  readonly studyInstanceUid: StudyInstanceUid;
  readonly revision: number;
  readonly route: string;
  readonly configVersion: string;
  /** Why it matched; as `hub routes explain` prints it. */
  readonly explanation: unknown;
  /** Series that go; undefined is the whole study. */
  readonly series?: readonly SeriesInstanceUid[];
  readonly steps: readonly RunStep[];
  readonly destinations: readonly string[];
}

export interface RunStep {
  readonly processor: string;
  /** As configured; resolved by the plug-in. */
  readonly argument: unknown;
}

/** A run as lists show it: its working set, thousands of items, only counted. */
export interface RunSummary extends NewRun {
  readonly state: RunState;
  readonly correlationId: string;
  readonly createdAt: string;
  readonly nextStep: number;
  readonly itemCount: number;
}

export interface RunRow extends RunSummary {
  /** Working set after the last finished step. */
  readonly items: readonly RunItem[];
}

/** A step of a run, leased. `fence` grows with each lease; a result with an old fence is refused. */
export interface LeasedJob {
  readonly jobId: string;
  readonly run: RunRow;
  readonly step: number;
  /** Starts of the step, this one included. */
  readonly attempt: number;
  readonly fence: number;
  /** Earlier attempts that failed. */
  readonly failures: number;
  /** Earlier attempts that nobody ended: their process died or froze until the lease ran out. */
  readonly losses: number;
}

export interface StepResult {
  readonly items: readonly RunItem[];
  readonly events: readonly NewEvent[];
  /** What the step gave new identifiers to. */
  readonly crosswalk?: readonly CrosswalkPart[];
  /** What the step measured. */
  readonly quality?: readonly QcScan[];
}

export interface RunsLedger {
  /** The router's decision: runs and `study.routed` events, or `study.unrouted`. `already`: the inbox knew the event. */
  open(
    inbox: InboxEntry,
    study: StudyInstanceUid,
    runs: readonly NewRun[],
    events: readonly NewEvent[],
  ): Promise<'recorded' | 'already'>;
  /** Makes the job of the run's first step; a run without steps is processed at once, and `eventsWithoutSteps` are appended with that. */
  start(inbox: InboxEntry, runId: string, eventsWithoutSteps?: readonly NewEvent[]): Promise<'recorded' | 'already'>;
  claim(owner: string, leaseMs: number, now: Date, limit: number): Promise<readonly LeasedJob[]>;
  /** False: the lease was lost; stop the work. */
  renew(jobId: string, fence: number, leaseMs: number, now: Date): Promise<boolean>;
  /** Stores the step's result, appends its events, makes the next job or marks the run processed. False: an old fence. */
  finishStep(jobId: string, fence: number, result: StepResult): Promise<boolean>;
  /** Another attempt at `retryAt`. */
  retryStep(jobId: string, fence: number, retryAt: Date, reason: string): Promise<boolean>;
  /** Leaves the step to whoever claims it from then on: a hub that stops, or waits for its store, has not failed. False: an old fence. */
  giveBack(jobId: string, fence: number, at: Date): Promise<boolean>;
  /**
   * Of attempts that nobody is at any more, those whose result was not taken and never will be. An attempt that the
   * ledger does not know of is not among them. Only before work begins: an attempt under way looks the same.
   */
  resultless<Attempt extends { readonly runId: string; readonly step: number; readonly fence: number }>(
    attempts: readonly Attempt[],
  ): Promise<readonly Attempt[]>;
  /** Ends the run in quarantine. With `kept` a person may let it go on behind this step. */
  quarantine(jobId: string, fence: number, entry: NewQuarantine, kept?: KeptResult): Promise<boolean>;
  get(runId: string): Promise<RunRow | undefined>;
  ofStudy(study: StudyInstanceUid): Promise<readonly RunSummary[]>;
  /** A new run of the same study revision and route from its first step: its `study.routed` starts it. Answers the new run's ID. @throws {HubError} `resource.not-found` */
  replay(runId: string): Promise<string>;
  backlog(): Promise<
    readonly {
      readonly state: string;
      readonly processor: string;
      readonly jobs: number;
    }[]
  >;
}
