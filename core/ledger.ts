/**
 * What the hub knows and must not forget. Each method is one transaction: it has happened, durably, when its promise
 * resolves, or it has not happened at all. Methods that make a fact true append the event of that fact in the same
 * transaction. Every method may be repeated after a crash: what was done is not done twice.
 */
import type { CommittedList, CompletionEvidence, CompletionSignal, SourceAnswer } from './completion.ts';
import type { ConfigurationLedger } from './ledger/configuration.ts';
import type { DeliveryLedger, DeliveryPriority } from './ledger/deliveries.ts';
import type { EventType, HubEvent, PositionedEvent, Stream } from './events.ts';
import type { PartnersLedger } from './ledger/partners.ts';
import type { WebhooksLedger } from './ledger/webhooks.ts';
import type { PartnerScope } from './partners.ts';
import type { CrosswalkLedger, CrosswalkPart } from './ledger/crosswalk.ts';
import type { QcHistoryLedger, QcScan } from './ledger/qc-history.ts';
import type {
  SeriesInstanceUid,
  SopClassUid,
  SopInstanceUid,
  StudyInstanceUid,
  TransferSyntaxUid,
} from './identifiers.ts';
import type { PullsLedger } from './ledger/pulls.ts';
import type { BlobRef, InstanceItem, RunItem } from './store.ts';

/** An event as its maker describes it; the ledger gives it a UUIDv7 and a position. */
export type NewEvent = {
  [T in EventType]: Omit<HubEvent<T>, 'id' | 'time'> & { readonly id?: string };
}[EventType];

/** A handler's proof that it saw an event; recorded once a group, and everything with it is skipped the second time. */
export interface InboxEntry {
  readonly group: string;
  readonly eventId: string;
}

/** Text values of the header by keyword, for route matching: `{ Modality: ['MR'], ImageType: ['ORIGINAL', 'PRIMARY'] }`. Stays in the hub. */
export type Attributes = Readonly<Record<string, readonly string[]>>;

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

export type DeliveryState = 'pending' | 'succeeded' | 'dead' | 'cancelled';

export interface NewDelivery {
  readonly deliveryId: string;
  readonly runId: string;
  readonly destination: string;
  readonly partner?: string;
  readonly releasedStudyInstanceUid: string;
  /** `normal` where it is not said. */
  readonly priority?: DeliveryPriority;
}
export interface DeliveryAttempt {
  readonly attempt: number;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly outcome: 'succeeded' | 'failed';
  readonly code?: string;
  readonly retry?: string;
  /** Never a patient value: an error's own sentence. */
  readonly detail?: string;
  /** What was asked last and what the answer was, in a line each: `POST /studies, 10 instances`, `200`. */
  readonly request?: string;
  readonly answer?: string;
  /** Read from the store for it. */
  readonly sizeBytes?: number;
}
export interface DeliveryRow extends NewDelivery {
  readonly priority: DeliveryPriority;
  readonly state: DeliveryState;
  readonly studyInstanceUid: StudyInstanceUid;
  readonly revision: number;
  readonly route: string;
  readonly createdAt: string;
  /** Attempts since creation or the last replay. */
  readonly attempts: number;
  readonly dueAt?: string;
  readonly reason?: string;
  /** Error code of the last attempt, if that failed. */
  readonly code?: string;
  readonly correlationId: string;
}
export interface LeasedDelivery extends DeliveryRow {
  /** Of the run whose results it brings. */
  readonly configVersion?: string;
  readonly fence: number;
  readonly attempt: number;
  readonly items: readonly RunItem[];
  /** Instances the destination has, from earlier attempts or, unchanged, from an earlier revision: it is not sent them again. */
  readonly delivered: readonly string[];
  /** Instances of which the destination may have another content, from another run of this revision or an earlier one. */
  readonly revised: readonly string[];
  /** Its destination has failed again and again since then; this one goes to see whether it still does. */
  readonly breakerOpenedAt?: string;
}

export interface NewQuarantine {
  readonly quarantineId: string;
  readonly stage: 'gateway' | 'routers' | 'processors';
  readonly reason: string;
  /** Never a patient value. */
  readonly detail: string;
  readonly studyInstanceUid?: StudyInstanceUid;
  readonly runId?: string;
  readonly items: readonly {
    readonly blob: BlobRef;
    readonly sizeBytes: number;
    readonly sopInstanceUid?: string;
  }[];
  readonly provenance?: Provenance;
  /** The whole study waits until this entry is released. */
  readonly holdsStudy: boolean;
}
export interface QuarantineRow extends NewQuarantine {
  readonly state: 'held' | 'released' | 'replayed';
  readonly createdAt: string;
}

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

export type Role = 'admin' | 'operator' | 'auditor' | 'partner' | 'reidentifier';
export interface TokenRow {
  readonly tokenId: string;
  readonly role: Role;
  readonly partner?: string;
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly lastUsedAt?: string;
  readonly revokedAt?: string;
  /** Of a partner's token. Absent: it was made before tokens had scopes. */
  readonly scopes?: readonly PartnerScope[];
}

/** Pages of lists: newest first; `before` is the identifier (study UID, delivery ID, quarantine ID) of the last row of the page before. */
export interface Page {
  readonly limit: number;
  readonly before?: string;
}

/**
 * Whose studies and commitments are meant: those of this replica, and with `abandonedAt` also those of replicas that had
 * no lease at that time.
 */
export interface Whose {
  readonly abandonedAt?: Date;
}

/** Held by a replica that receives: while it is, nobody else judges what it received. */
export function nodeLease(node: string): string {
  return `node/${node}`;
}

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

export interface Ledger {
  readonly instances: {
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
    one(
      study: StudyInstanceUid,
      instance: SopInstanceUid,
      series?: SeriesInstanceUid,
    ): Promise<InstanceItem | undefined>;
  };
  readonly studies: {
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
    /** Series of studies completed since, for `hub routes diff`. */
    completedSince(since: Date, page: Page): Promise<readonly StudyRow[]>;
  };
  readonly runs: {
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
    /** Leaves the step to whoever claims it next, at once: a hub that stops has not failed. False: an old fence. */
    giveBack(jobId: string, fence: number, now: Date): Promise<boolean>;
    /**
     * Of attempts that nobody is at any more, those whose result was not taken and never will be. An attempt that the
     * ledger does not know of is not among them. Only before work begins: an attempt under way looks the same.
     */
    resultless<Attempt extends { readonly runId: string; readonly step: number; readonly fence: number }>(
      attempts: readonly Attempt[],
    ): Promise<readonly Attempt[]>;
    /** Ends the run in quarantine. */
    quarantine(jobId: string, fence: number, entry: NewQuarantine): Promise<boolean>;
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
  };
  readonly deliveries: DeliveryLedger;
  /** Tables `commitments` and `commitment_items`. */
  readonly commitments: {
    /** A repeat of what was reported, or could not be, is decided and reported once more. */
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
    get(
      commitmentId: string,
    ): Promise<(CommitmentRow & { readonly history: readonly CommitmentAttempt[] }) | undefined>;
    backlog(): Promise<
      readonly { readonly source: string; readonly state: CommitmentState; readonly commitments: number }[]
    >;
  };
  readonly quarantine: {
    /** Content refused at the door: row and `study.quarantined`. */
    hold(entry: NewQuarantine): Promise<void>;
    list(page: Page & { readonly state?: QuarantineRow['state'] }): Promise<readonly QuarantineRow[]>;
    get(quarantineId: string): Promise<QuarantineRow | undefined>;
    /** Gives up the hold; a held study gets its completion timer back, a quarantined run is replayed. False: not held. */
    release(quarantineId: string): Promise<boolean>;
  };
  readonly events: {
    append(events: readonly NewEvent[], inbox?: InboxEntry): Promise<'recorded' | 'already'>;
    /** Events after `after`, in order. */
    read(options: {
      readonly streams: readonly Stream[];
      readonly after: number;
      readonly limit: number;
      readonly types?: readonly EventType[];
    }): Promise<readonly PositionedEvent[]>;
    /** Newest position of any stream. */
    head(): Promise<number>;
  };
  /** The embedded bus's own book-keeping. */
  readonly groups: {
    open(group: string, from: 'earliest' | 'latest'): Promise<number>;
    commit(group: string, position: number): Promise<void>;
    /** `attempts`: how often the handler failed on this event; 0 while it only waits behind another of its key. */
    park(group: string, event: PositionedEvent, dueAt: Date, reason: string, attempts: number): Promise<void>;
    unpark(group: string, position: number): Promise<void>;
    parked(group: string): Promise<
      readonly {
        readonly position: number;
        readonly key: string;
        readonly attempts: number;
        readonly dueAt: Date;
      }[]
    >;
    lag(
      groups: readonly {
        readonly group: string;
        readonly streams: readonly Stream[];
      }[],
    ): Promise<
      readonly {
        readonly group: string;
        readonly stream: Stream;
        readonly events: number;
        readonly seconds: number;
        readonly parkedKeys: number;
      }[]
    >;
  };
  readonly pulls: PullsLedger;
  /** What may have one owner among replicas of the hub. A fence only grows: whoever has an old one has lost the lease. */
  readonly crosswalk: CrosswalkLedger;
  readonly quality: QcHistoryLedger;
  readonly configuration: ConfigurationLedger;
  readonly leases: {
    /** The fence; undefined while another owner has it. Who has it already gets a new lease, and its earlier one ends. */
    acquire(name: string, owner: string, leaseMs: number, now: Date): Promise<number | undefined>;
    /** False: lost; stop what it was for. */
    renew(name: string, fence: number, leaseMs: number, now: Date): Promise<boolean>;
    /** Lets the next one have it at once. False: it was lost before. */
    release(name: string, fence: number): Promise<boolean>;
  };
  readonly keys: {
    /**
     * Whether the replicas of the hub have the same key for a purpose; the first one to ask says which.
     *
     * @param fingerprint - by which the key is known and cannot be found out
     */
    agree(purpose: string, fingerprint: string): Promise<boolean>;
  };
  readonly partners: PartnersLedger;
  readonly webhooks: WebhooksLedger;
  readonly tokens: {
    create(
      token: Omit<TokenRow, 'lastUsedAt' | 'revokedAt'> & {
        readonly secretSha256: string;
      },
    ): Promise<void>;
    /** Only a token that may be used now: not revoked, not expired. Notes when it was used, to the minute. */
    find(secretSha256: string): Promise<TokenRow | undefined>;
    list(): Promise<readonly TokenRow[]>;
    ofPartner(partner: string): Promise<readonly TokenRow[]>;
    revoke(tokenId: string): Promise<boolean>;
    /**
     * A new token of the same partner takes over; the old one ends then, if not before. `not-found`: the old one cannot be
     * used. `too-many`: the partner has so many that can be used already, and the old one would be another.
     */
    replace(
      tokenId: string,
      token: Omit<TokenRow, 'lastUsedAt' | 'revokedAt'> & { readonly secretSha256: string; readonly partner: string },
      oldUntil: Date,
      atMost: number,
    ): Promise<'replaced' | 'not-found' | 'too-many'>;
  };
  /**
   * What may be removed. Rows go before bytes: what is expired is not known any more when a file is removed, and a crash
   * in between leaves a file that nothing needs.
   */
  readonly retention: {
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
  };
  /** Called after each commit that may have made work for somebody; coalesced. Returns its own removal. */
  onCommit(listener: () => void): () => void;
  /** Waits for the commits under way, checkpoints, closes. */
  close(): Promise<void>;
}

export interface TimelineEntry {
  readonly at: string;
  readonly what: string;
  readonly fields: Readonly<Record<string, unknown>>;
}
