/** What the ledger knows of deliveries: one row a destination of a run, its attempts, and how the destination does. */
import type { StudyInstanceUid } from '../identifiers.ts';
import type { RunItem } from '../store.ts';
import type { InboxEntry, NewEvent, Page } from './common.ts';

/** Whose turn it is at a destination: all that is `high` and due goes before anything `normal`. */
export const DELIVERY_PRIORITIES = ['high', 'normal', 'low'] as const;
export type DeliveryPriority = (typeof DELIVERY_PRIORITIES)[number];

/** Which deliveries are meant; all that is given must hold. */
export interface DeliveryFilter {
  readonly state?: DeliveryState;
  readonly destination?: string;
  /** By its own UID or the one it was released under. */
  readonly study?: string;
  readonly route?: string;
  readonly partner?: string;
  /** Opened then or later, and before. */
  readonly since?: Date;
  readonly until?: Date;
  /** Error code of the last attempt: `partner.refused`. */
  readonly reason?: string;
}

/** When a destination that fails again and again is left alone. */
export interface BreakerRule {
  /** Failures in a row, of more than one delivery, that open it. */
  readonly failures: number;
  /** Until one delivery goes to see; doubles each time that it fails, */
  readonly pauseMs: number;
  /** up to here. */
  readonly maxPauseMs: number;
}

/** A destination with failures in a row; others have no row. */
export interface BreakerRow {
  readonly destination: string;
  /** `half-open`: the pause is over and one delivery goes, or is under way, to see. */
  readonly state: 'closed' | 'open' | 'half-open';
  readonly failures: number;
  /** Error code of the last one. */
  readonly reason: string;
  readonly openedAt?: string;
  readonly until?: string;
}

export interface ClaimOptions {
  /** Destinations where a revision of a study waits for the earlier ones. */
  readonly ordered?: readonly string[];
  /** In all; what is left is for the next claim. */
  readonly atMost?: number;
}

/** Of an attempt that failed. */
export interface FailureNotes {
  /** Instances that the destination was found not to have after all: they go again. */
  readonly missing?: readonly string[];
  /** False: the attempt is not one of those that the retry policy allows. */
  readonly isCounted?: boolean;
  /** The destination itself failed: by what rule it is left alone. `answered`: it refused, so it is there. */
  readonly breaker?: BreakerRule | 'answered';
}

/** `retry`: what waits is due now. `replay`: what has ended goes out again. `cancel`: it does not go out (any more). */
export type DeliveryAction = 'retry' | 'replay' | 'cancel';

/** What came of an action on many, a page at a time. */
export interface BulkOutcome {
  readonly done: readonly string[];
  /** In a state to which the action does not apply by now, or without the bytes. */
  readonly skipped: number;
  /** Where the next page begins; absent: that was all. */
  readonly cursor?: string;
}

export interface DeliveryLedger {
  open(inbox: InboxEntry, deliveries: readonly NewDelivery[]): Promise<'recorded' | 'already'>;
  /**
   * Due deliveries of the destinations named, each leased; at most `limit` a destination are under way at once, and one
   * where its breaker is open and the pause over. Of each destination in the order of priority and time; where there
   * is not room for all, each destination gets one before any gets a second. A claim whose answer got lost is given
   * back by the next one of the same process.
   */
  claim(
    owner: string,
    leaseMs: number,
    now: Date,
    limits: Readonly<Record<string, number>>,
    options?: ClaimOptions,
  ): Promise<readonly LeasedDelivery[]>;
  renew(deliveryId: string, fence: number, leaseMs: number, now: Date): Promise<boolean>;
  /** The destination is well: its breaker closes. */
  succeed(deliveryId: string, fence: number, attempt: DeliveryAttempt, events: readonly NewEvent[]): Promise<boolean>;
  /** `retryAt` undefined: a dead letter. `delivered`: instances that did get through. */
  fail(
    deliveryId: string,
    fence: number,
    attempt: DeliveryAttempt,
    delivered: readonly string[],
    retryAt: Date | undefined,
    events: readonly NewEvent[],
    notes?: FailureNotes,
  ): Promise<boolean>;
  /** Leaves the delivery to whoever claims it next, at once, and does not count the attempt. False: an old fence. */
  giveBack(deliveryId: string, fence: number, delivered: readonly string[], now: Date): Promise<boolean>;
  /**
   * Everything was sent; the destination says later whether it has it. It is due by then, or as soon as that is reported,
   * and the attempt, whose `detail` says what is waited for, does not count. The destination is well: its breaker closes.
   * False: an old fence.
   */
  park(
    deliveryId: string,
    fence: number,
    attempt: DeliveryAttempt,
    delivered: readonly string[],
    until: Date,
  ): Promise<boolean>;
  /** Destinations that pending deliveries are for. */
  waitingFor(): Promise<readonly string[]>;
  list(page: Page & DeliveryFilter): Promise<readonly DeliveryRow[]>;
  /** How many there are; counted up to `atMost`. */
  count(filter: DeliveryFilter, atMost: number): Promise<number>;
  get(deliveryId: string): Promise<(DeliveryRow & { readonly history: readonly DeliveryAttempt[] }) | undefined>;
  /** A dead letter or a done delivery goes out again, same id. False: not in a state to be replayed. */
  replay(deliveryId: string): Promise<boolean>;
  /** What waits is due now, and its destination is tried whatever its breaker says. False: it does not wait. */
  retry(deliveryId: string): Promise<boolean>;
  /** Gives up a dead letter, or what still waits or is under way, for good: nothing is kept for it any longer. False: it has ended. */
  cancel(deliveryId: string): Promise<boolean>;
  /** The action on a page of those that match, newest first, in one transaction. */
  actOnMany(action: DeliveryAction, filter: DeliveryFilter, page: Page): Promise<BulkOutcome>;
  /**
   * What a run made goes to a destination, whether or not its route names it: a new delivery, or the one there is again.
   *
   * @returns its ID
   * @throws {HubError} `resource.not-found`, `resource.conflict` when it is on its way already, `study.expired`
   */
  send(delivery: NewDelivery): Promise<string>;
  dead(): Promise<readonly { readonly destination: string; readonly deliveries: number }[]>;
  /** Those that wait or are under way, by destination. */
  pending(): Promise<readonly { readonly destination: string; readonly deliveries: number }[]>;
  breakers(now: Date): Promise<readonly BreakerRow[]>;
  /** When the next one is due, or the pause of a breaker is over; with `after`: later than that. */
  nextDue(after?: Date): Promise<Date | undefined>;
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
  /** `waiting`: everything was sent, and the destination says later whether it has it; the attempt goes on under its number. */
  readonly outcome: 'succeeded' | 'failed' | 'waiting';
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
