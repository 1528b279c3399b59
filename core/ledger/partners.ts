/** What the ledger knows of partners: what was granted at run time, what was released to whom, and what went to them. */
import type { InboxEntry, NewEvent, Page } from './common.ts';
import type { DeliveryAttempt, DeliveryState } from './deliveries.ts';
import type { GrantChange, PartnerGrant, RegisteredPartner } from '../partners.ts';
import type { PartnerStream } from '../streams.ts';

export interface PartnerGrantRow {
  readonly partner: string;
  readonly grant: PartnerGrant;
  readonly changedAt: string;
}

/** A run's results are the partner's to retrieve from now on. */
export interface NewPartnerRelease {
  readonly partner: string;
  /** As released: the pseudonym. */
  readonly studyInstanceUid: string;
  readonly runId: string;
  readonly route: string;
  /** Of the fact, in milliseconds since 1970. */
  readonly releasedAtMs: number;
}

export interface PartnerRelease extends NewPartnerRelease {
  /** Names the row for pages. It counts the releases of all partners: none of them may see it. */
  readonly releaseId: string;
  readonly revision: number;
}

/** A delivery as its partner may see it: nothing of the original, of the hub or of others. */
export interface PartnerDelivery {
  readonly deliveryId: string;
  readonly destination: string;
  /** As released. */
  readonly studyInstanceUid: string;
  readonly route: string;
  readonly releasedAtMs: number;
  readonly revision: number;
  readonly state: DeliveryState;
  readonly createdAt: string;
  readonly attempts: number;
  readonly dueAt?: string;
  readonly history: readonly Pick<DeliveryAttempt, 'attempt' | 'startedAt' | 'durationMs' | 'outcome' | 'code'>[];
}

/** Who set what for a partner, and when. */
export interface PartnerChange {
  readonly actor: string;
  readonly changedAt: string;
  readonly change: GrantChange;
}

export interface PartnersLedger {
  grants(): Promise<readonly PartnerGrantRow[]>;
  /** In one transaction with what was granted before, so that two who change at once both have their way. */
  changeGrant(partner: string, change: GrantChange, actor: string): Promise<void>;
  /** The latest changes, the newest first. */
  changes(partner: string, limit: number): Promise<readonly PartnerChange[]>;
  /** Those that were made at run time, by name. */
  registered(): Promise<readonly RegisteredPartner[]>;
  /**
   * Makes a partner, with its first grant. `taken`: the name has a past here, and who got it now would get what was
   * another's.
   */
  register(
    partner: Omit<RegisteredPartner, 'createdAt'>,
    grant: GrantChange,
    actor: string,
    limit: number,
  ): Promise<'made' | 'taken' | 'too-many'>;
  /** A fact in the partner's stream and, with the fact that a run is processed, its release; once for each inbox entry. */
  project(inbox: InboxEntry, events: readonly NewEvent[], release?: NewPartnerRelease): Promise<'recorded' | 'already'>;
  /** What was released of a study, the newest first; empty for a study that was never released to this partner. */
  releasesOf(partner: string, studyInstanceUid: string): Promise<readonly PartnerRelease[]>;
  /** Newest first; `before` is a `releaseId`. */
  releases(partner: string, page: Page): Promise<readonly PartnerRelease[]>;
  /** Of runs that were released to the partner, newest first, without history; `before` is a delivery ID of the partner's. */
  deliveries(partner: string, page: Page & { readonly state?: DeliveryState }): Promise<readonly PartnerDelivery[]>;
  /** With its history; undefined also when it is another partner's. */
  delivery(partner: string, deliveryId: string): Promise<PartnerDelivery | undefined>;
  /** The last position of the stream before a time: what comes after it happened then or later. */
  positionBefore(stream: PartnerStream, at: Date): Promise<number>;
}
