/** Rows of the webhooks' tables, as the port knows them. */
import type { EventType } from '../../../core/events.ts';
import type {
  DisabledBecause,
  MessageState,
  WebhookMessage,
  WebhookRow,
  WebhookSecret,
  WebhookState,
} from '../../../core/ledger/webhooks.ts';

export interface WebhookTableRow {
  readonly webhook: number;
  readonly webhook_id: string;
  readonly partner: string;
  readonly url: string;
  readonly description: string | null;
  readonly types: string | null;
  readonly ordered: 0 | 1;
  readonly state: WebhookState;
  readonly disabled_because: DisabledBecause | null;
  readonly disabled_at: string | null;
  readonly position: number;
  readonly failures: number;
  readonly failing_since: number | null;
  readonly paused_until: number;
  readonly created_at: string;
}

export interface SecretTableRow {
  readonly webhook: number;
  readonly sealed: string;
  readonly public_key: string;
  readonly created_at: string;
  readonly expires_at: number | null;
}

export interface MessageTableRow {
  readonly message: number;
  readonly webhook: number;
  readonly message_id: string;
  readonly position: number | null;
  readonly type: string;
  readonly key: string;
  readonly state: MessageState;
  readonly attempts: number;
  readonly fence: number;
  readonly leased: 0 | 1;
  readonly ready_at: number;
  readonly last_status: number | null;
  readonly created_at: number;
}

export function toWebhook(row: WebhookTableRow, secrets: readonly SecretTableRow[]): WebhookRow {
  return {
    webhookId: row.webhook_id,
    partner: row.partner,
    url: row.url,
    ...(row.description === null ? {} : { description: row.description }),
    // Checked when it was made.
    ...(row.types === null ? {} : { types: JSON.parse(row.types) as readonly EventType[] }),
    ordered: row.ordered === 1,
    state: row.state,
    ...(row.disabled_because === null ? {} : { disabledBecause: row.disabled_because }),
    ...(row.disabled_at === null ? {} : { disabledAt: row.disabled_at }),
    failures: row.failures,
    ...(row.failing_since === null ? {} : { failingSince: new Date(row.failing_since).toISOString() }),
    createdAt: row.created_at,
    secrets: secrets.map(toSecret),
  };
}

function toSecret(row: SecretTableRow): WebhookSecret {
  return {
    sealed: row.sealed,
    publicKey: row.public_key,
    createdAt: row.created_at,
    ...(row.expires_at === null ? {} : { expiresAt: new Date(row.expires_at).toISOString() }),
  };
}

/** With what its event says of itself. */
export interface ListedMessageRow extends MessageTableRow {
  readonly event_type: EventType | null;
  readonly event_time: string | null;
  readonly event_route: string | null;
}

export function toMessage(row: ListedMessageRow): WebhookMessage {
  return {
    messageId: row.message_id,
    type: row.type,
    key: row.key,
    state: row.state,
    createdAt: new Date(row.created_at).toISOString(),
    attempts: row.attempts,
    ...(row.state === 'pending' && row.leased === 0 ? { dueAt: new Date(row.ready_at).toISOString() } : {}),
    ...(row.last_status === null ? {} : { lastStatus: row.last_status }),
    ...(row.event_type === null || row.event_time === null
      ? {}
      : {
          fact: {
            type: row.event_type,
            time: row.event_time,
            ...(row.event_route === null ? {} : { route: row.event_route }),
          },
        }),
  };
}
