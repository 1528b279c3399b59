/** Webhooks that partners manage themselves: each one's place in its partner's stream, a row for each message, and what came of it. */
import type { EventType, HubEvent, PositionedEvent } from '../events.ts';
import type { NewEvent, Page } from './common.ts';

export type WebhookState = 'enabled' | 'disabled';
/** `partner`: it said so. `gone`: the endpoint answered 410. `failing`: for too long nothing arrived. */
export type DisabledBecause = 'partner' | 'gone' | 'failing';

export interface NewWebhook {
  readonly webhookId: string;
  readonly partner: string;
  readonly url: string;
  readonly description?: string;
  /** Absent: every type. */
  readonly types?: readonly EventType[];
  /** Events of one study in their order, one at a time. */
  readonly ordered: boolean;
  /** Of the stream: what comes after it is sent. Absent: what comes from now on. */
  readonly after?: number;
  readonly secret: NewWebhookSecret;
}

/** Keys of one age, sealed by whoever made them. */
export interface NewWebhookSecret {
  /** Of HMAC secret and Ed25519 seed together; the ledger cannot open it. */
  readonly sealed: string;
  /** Of the Ed25519 key: `whpk_…`. */
  readonly publicKey: string;
}
export interface WebhookSecret extends NewWebhookSecret {
  readonly createdAt: string;
  /** It signs beside its successor until then. */
  readonly expiresAt?: string;
}

export interface WebhookRow extends Omit<NewWebhook, 'secret' | 'after'> {
  readonly state: WebhookState;
  readonly disabledBecause?: DisabledBecause;
  readonly disabledAt?: string;
  /** Attempts that failed since the last that did not. */
  readonly failures: number;
  readonly failingSince?: string;
  readonly createdAt: string;
  /** Those that sign now, the newest first. */
  readonly secrets: readonly WebhookSecret[];
}

export interface WebhookChange {
  readonly url?: string;
  /** Empty: none. */
  readonly description?: string;
  /** `null`: every type. */
  readonly types?: readonly EventType[] | null;
  readonly ordered?: boolean;
  readonly enabled?: boolean;
}

export type MessageState = 'pending' | 'succeeded' | 'failed' | 'cancelled';

export interface WebhookMessage {
  /** The CloudEvent's id, and the `webhook-id` of every attempt. */
  readonly messageId: string;
  readonly type: string;
  /** The event's subject. */
  readonly key: string;
  readonly state: MessageState;
  readonly createdAt: string;
  /** Since creation or the last redelivery. */
  readonly attempts: number;
  /** Of a message that waits. */
  readonly dueAt?: string;
  /** The partner's answer to the last attempt. */
  readonly lastStatus?: number;
  /** What it tells of, as far as it says whether the partner may still have it; absent: a test, in no stream. */
  readonly fact?: Pick<HubEvent, 'type' | 'time' | 'route'>;
}

export interface WebhookAttempt {
  readonly attempt: number;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly outcome: 'succeeded' | 'failed';
  /** HTTP status; absent: there was no answer. */
  readonly status?: number;
  readonly code?: string;
  readonly detail?: string;
}

/** A message to be sent, leased. */
export interface LeasedMessage {
  readonly webhook: Pick<WebhookRow, 'webhookId' | 'partner' | 'url' | 'failures' | 'secrets'>;
  readonly messageId: string;
  readonly fence: number;
  /** This one included. */
  readonly attempt: number;
  readonly key: string;
  readonly createdAt: string;
  /** Absent: a test, in no stream. */
  readonly event?: PositionedEvent;
}

/** After a failed attempt. */
export interface AfterFailure {
  /** Absent: never by itself; the message has failed. */
  readonly retryAt?: Date;
  /** Until then nothing else is sent to the endpoint. */
  readonly pauseUntil: Date;
}

/** Everything that names a partner and a webhook answers as if there were none when it is another partner's. */
export interface WebhooksLedger {
  /** False: the partner has `limit` of them, or of those that are there one has the id. */
  create(webhook: NewWebhook, limit: number): Promise<boolean>;
  list(partner: string): Promise<readonly WebhookRow[]>;
  get(partner: string, webhookId: string): Promise<WebhookRow | undefined>;
  /** Enabled again, it goes on where it stood. False: there is none. */
  change(partner: string, webhookId: string, change: WebhookChange): Promise<boolean>;
  /** With its messages. False: there is none. */
  remove(partner: string, webhookId: string): Promise<boolean>;
  /** The keys before sign until `until` too. False: there is none. */
  rotate(partner: string, webhookId: string, secret: NewWebhookSecret, until: Date): Promise<boolean>;
  /** A message of its own, in no stream. False: there is no such webhook, or it is disabled. */
  test(partner: string, webhookId: string, messageId: string, type: string): Promise<boolean>;
  /** Newest first; `before` is a message id. */
  messages(
    partner: string,
    webhookId: string,
    page: Page & { readonly state?: MessageState },
  ): Promise<readonly WebhookMessage[]>;
  message(
    partner: string,
    webhookId: string,
    messageId: string,
  ): Promise<(WebhookMessage & { readonly history: readonly WebhookAttempt[] }) | undefined>;
  /** Sent again at once, whatever came of it. False: there is none. */
  redeliver(partner: string, webhookId: string, messageId: string): Promise<boolean>;
  /** Those of the states named that were made since then. @returns how many; undefined: no such webhook */
  redeliverSince(
    partner: string,
    webhookId: string,
    since: Date,
    states: readonly MessageState[],
  ): Promise<number | undefined>;

  /** Makes messages of what the streams of these partners hold after each enabled webhook's place. @returns how many events were looked at */
  fanOut(partners: readonly string[]): Promise<number>;
  /** Due messages of these partners' webhooks, each leased; at most `perWebhook` of one under way, and one of an endpoint that fails. */
  claim(options: {
    readonly leaseMs: number;
    readonly now: Date;
    readonly partners: readonly string[];
    readonly perWebhook: number;
    readonly limit: number;
  }): Promise<readonly LeasedMessage[]>;
  nextDue(partners: readonly string[]): Promise<Date | undefined>;
  /** False: an old fence, or the webhook was removed meanwhile. */
  succeed(messageId: string, webhookId: string, fence: number, attempt: WebhookAttempt): Promise<boolean>;
  /** Since when the endpoint fails; undefined: an old fence. */
  fail(
    messageId: string,
    webhookId: string,
    fence: number,
    attempt: WebhookAttempt,
    then: AfterFailure,
  ): Promise<Date | undefined>;
  /** The partner may not have it any more: nothing was sent. False: an old fence. */
  cancel(messageId: string, webhookId: string, fence: number): Promise<boolean>;
  /** To whoever claims next, at once; the attempt is not counted. False: an old fence. */
  giveBack(messageId: string, webhookId: string, fence: number, now: Date): Promise<boolean>;
  /** With the events that say so. False: it is disabled or gone. */
  disable(webhookId: string, because: DisabledBecause, events: readonly NewEvent[]): Promise<boolean>;
  /** Forgets messages that ended before then, and keys that sign no more. A bounded number at once. @returns how many messages */
  prune(before: Date): Promise<number>;
}
