/** Webhooks as their partners manage them: every statement asks for partner and id together, so another's is as good as none. */
import type { Page } from '../../../core/ledger/common.ts';
import type {
  DisabledBecause,
  MessageState,
  NewWebhook,
  NewWebhookSecret,
  WebhookAttempt,
  WebhookChange,
  WebhookMessage,
  WebhookRow,
} from '../../../core/ledger/webhooks.ts';
import type { EventLog, SealedEvent } from './events.ts';
import type { Database, Parameter, Script, Statement } from './script.ts';
import {
  type ListedMessageRow,
  type SecretTableRow,
  toMessage,
  toWebhook,
  type WebhookTableRow,
} from './webhook-rows.ts';

const MAX_SECRETS = 5;
/** Messages in one transaction: others want to write too. */
const PRUNED_AT_ONCE = 1_000;

export function webhookWrites(db: Database, log: EventLog) {
  const count = db.query<{ webhooks: number }>('SELECT count(*) AS webhooks FROM webhooks WHERE partner = ?');
  const insert = db.query(
    `INSERT INTO webhooks (webhook_id, partner, url, description, types, ordered, state, position, created_at)
     VALUES (?, ?, ?, ?, ?, ?, 'enabled', coalesce(CAST(? AS BIGINT), (SELECT max(position) FROM events), 0), ?)
     ON CONFLICT (webhook_id) DO NOTHING`,
  );
  const one = db.query<WebhookTableRow>(
    `SELECT * FROM webhooks WHERE partner = ? AND webhook_id = ?${db.dialect.forUpdate}`,
  );
  const byId = db.query<WebhookTableRow>(`SELECT * FROM webhooks WHERE webhook_id = ?${db.dialect.forUpdate}`);
  const update = db.query(
    `UPDATE webhooks SET url = ?, description = ?, types = ?, ordered = ?, state = ?, disabled_because = ?,
       disabled_at = ?, failures = ?, failing_since = ?, paused_until = ? WHERE webhook = ?`,
  );
  const addSecret = db.query(
    'INSERT INTO webhook_secrets (webhook, sealed, public_key, created_at) VALUES (?, ?, ?, ?)',
  );
  const endSecrets = db.query(
    `UPDATE webhook_secrets SET expires_at = ? WHERE webhook = ? AND (expires_at IS NULL OR expires_at > ?)`,
  );
  const fewSecrets = db.query(
    `DELETE FROM webhook_secrets WHERE webhook = ? AND secret NOT IN
       (SELECT secret FROM webhook_secrets WHERE webhook = ? ORDER BY secret DESC LIMIT ${String(MAX_SECRETS)})`,
  );
  const deadSecrets = db.query('DELETE FROM webhook_secrets WHERE expires_at <= ?');
  const removals = [
    'DELETE FROM webhook_attempts WHERE message IN (SELECT message FROM webhook_messages WHERE webhook = ?)',
    'DELETE FROM webhook_messages WHERE webhook = ?',
    'DELETE FROM webhook_secrets WHERE webhook = ?',
    'DELETE FROM webhooks WHERE webhook = ?',
  ].map((sql) => db.query(sql));
  const addTest = db.query(
    `INSERT INTO webhook_messages (webhook, message_id, type, key, state, ready_at, created_at)
     VALUES (?, ?, ?, ?, 'pending', ?, ?)`,
  );
  const AGAIN = `UPDATE webhook_messages SET state = 'pending', attempts = 0, leased = 0, ready_at = ?, ended_at = NULL
     WHERE webhook = ? AND NOT (state = 'pending' AND leased = 1 AND ready_at > ?)`;
  const again = db.query(`${AGAIN} AND message_id = ?`);
  const exists = db.query<{ found: number }>(
    'SELECT 1 AS found FROM webhook_messages WHERE webhook = ? AND message_id = ?',
  );
  const againSince = db.query(`${AGAIN} AND created_at >= ? AND state IN (${db.dialect.valuesOf('CAST(? AS TEXT)')})`);
  const unpause = db.query('UPDATE webhooks SET paused_until = 0 WHERE webhook = ?');
  const ended = db.query<{ message: number }>(
    `SELECT message FROM webhook_messages WHERE ended_at < ? ORDER BY ended_at LIMIT ${String(PRUNED_AT_ONCE)}${db.dialect.skipLocked}`,
  );
  const forgetAttempts = db.query('DELETE FROM webhook_attempts WHERE message = ?');
  const forgetMessage = db.query('DELETE FROM webhook_messages WHERE message = ?');

  return {
    *create(now: Date, hook: NewWebhook, limit: number): Script<boolean> {
      // Two at the same moment would both find room for the last one.
      yield* db.lock(`webhooks of ${hook.partner}`);
      if (((yield* count.get(hook.partner))?.webhooks ?? 0) >= limit) return false;
      const { webhookId, partner, url, description, types, ordered, after, secret } = hook;
      const made = yield* insert.run(
        webhookId,
        partner,
        url,
        description,
        types === undefined ? undefined : JSON.stringify(types),
        ordered,
        after,
        now.toISOString(),
      );
      const row = made === 1 ? yield* one.get(partner, webhookId) : undefined;
      if (row === undefined) return false;
      yield* addSecret.send(row.webhook, secret.sealed, secret.publicKey, now.toISOString());
      return true;
    },
    *change(now: Date, partner: string, webhookId: string, change: WebhookChange): Script<boolean> {
      const row = yield* one.get(partner, webhookId);
      if (row === undefined) return false;
      const isEnabled = change.enabled ?? row.state === 'enabled';
      const changesState = isEnabled !== (row.state === 'enabled');
      // Another address, or enabled again: what it failed with before says nothing any more.
      const isFresh = (isEnabled && changesState) || (change.url !== undefined && change.url !== row.url);
      const description = change.description ?? row.description;
      yield* update.send(
        change.url ?? row.url,
        description === null || description === '' ? undefined : description,
        change.types === undefined
          ? (row.types ?? undefined)
          : change.types === null
            ? undefined
            : JSON.stringify(change.types),
        change.ordered ?? row.ordered,
        isEnabled ? 'enabled' : 'disabled',
        isEnabled ? undefined : changesState ? 'partner' : (row.disabled_because ?? undefined),
        isEnabled ? undefined : changesState ? now.toISOString() : (row.disabled_at ?? undefined),
        isFresh ? 0 : row.failures,
        isFresh ? undefined : (row.failing_since ?? undefined),
        isFresh ? 0 : row.paused_until,
        row.webhook,
      );
      return true;
    },
    *remove(_now: Date, partner: string, webhookId: string): Script<boolean> {
      const row = yield* one.get(partner, webhookId);
      if (row === undefined) return false;
      for (const removal of removals) yield* removal.send(row.webhook);
      return true;
    },
    *rotate(now: Date, partner: string, webhookId: string, secret: NewWebhookSecret, until: Date): Script<boolean> {
      const row = yield* one.get(partner, webhookId);
      if (row === undefined) return false;
      yield* endSecrets.send(until.getTime(), row.webhook, until.getTime());
      yield* addSecret.send(row.webhook, secret.sealed, secret.publicKey, now.toISOString());
      yield* fewSecrets.send(row.webhook, row.webhook);
      return true;
    },
    *test(now: Date, partner: string, webhookId: string, messageId: string, type: string): Script<boolean> {
      const row = yield* one.get(partner, webhookId);
      if (row?.state !== 'enabled') return false;
      yield* addTest.send(row.webhook, messageId, type, webhookId, now.getTime(), now.getTime());
      yield* unpause.send(row.webhook);
      return true;
    },
    *redeliver(now: Date, partner: string, webhookId: string, messageId: string): Script<boolean> {
      const row = yield* one.get(partner, webhookId);
      if (row === undefined || (yield* exists.get(row.webhook, messageId)) === undefined) return false;
      yield* again.send(now.getTime(), row.webhook, now.getTime(), messageId);
      yield* unpause.send(row.webhook);
      return true;
    },
    *redeliverSince(
      now: Date,
      partner: string,
      webhookId: string,
      since: Date,
      states: readonly MessageState[],
    ): Script<number | undefined> {
      const row = yield* one.get(partner, webhookId);
      if (row === undefined) return undefined;
      yield* unpause.send(row.webhook);
      return yield* againSince.run(now.getTime(), row.webhook, now.getTime(), since.getTime(), JSON.stringify(states));
    },
    *disable(now: Date, webhookId: string, because: DisabledBecause, events: readonly SealedEvent[]): Script<boolean> {
      const row = yield* byId.get(webhookId);
      if (row?.state !== 'enabled') return false;
      yield* update.send(
        row.url,
        row.description ?? undefined,
        row.types ?? undefined,
        row.ordered,
        'disabled',
        because,
        now.toISOString(),
        row.failures,
        row.failing_since ?? undefined,
        row.paused_until,
        row.webhook,
      );
      yield* log.append(events);
      return true;
    },
    *prune(now: Date, before: Date): Script<number> {
      yield* deadSecrets.send(now.getTime());
      const messages = yield* ended.all(before.getTime());
      for (const { message } of messages) {
        yield* forgetAttempts.send(message);
        yield* forgetMessage.send(message);
      }
      return messages.length;
    },
  };
}

const SELECT_MESSAGE = `SELECT m.*, e.type AS event_type, e.time AS event_time, e.route AS event_route
  FROM webhook_messages m LEFT JOIN events e ON e.position = m.position WHERE m.webhook = ?`;

export function webhookReads(db: Database) {
  const one = db.query<WebhookTableRow>('SELECT * FROM webhooks WHERE partner = ? AND webhook_id = ?');
  const all = db.query<WebhookTableRow>('SELECT * FROM webhooks WHERE partner = ? ORDER BY webhook');
  const secrets = db.query<SecretTableRow>(
    `SELECT * FROM webhook_secrets WHERE webhook = ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY secret DESC`,
  );
  const message = db.query<ListedMessageRow>(`${SELECT_MESSAGE} AND m.message_id = ?`);
  const history = db.query<{
    readonly attempt: number;
    readonly started_at: string;
    readonly duration_ms: number;
    readonly outcome: WebhookAttempt['outcome'];
    readonly status: number | null;
    readonly code: string | null;
    readonly detail: string | null;
  }>('SELECT * FROM webhook_attempts WHERE message = ? ORDER BY entry');
  const lists = new Map<string, Statement<ListedMessageRow>>();

  const withSecrets = function* (now: Date, row: WebhookTableRow): Script<WebhookRow> {
    return toWebhook(row, yield* secrets.all(row.webhook, now.getTime()));
  };

  return {
    *get(now: Date, partner: string, webhookId: string): Script<WebhookRow | undefined> {
      const row = yield* one.get(partner, webhookId);
      return row === undefined ? undefined : yield* withSecrets(now, row);
    },
    *list(now: Date, partner: string): Script<readonly WebhookRow[]> {
      const rows: WebhookRow[] = [];
      for (const row of yield* all.all(partner)) rows.push(yield* withSecrets(now, row));
      return rows;
    },
    *messages(
      partner: string,
      webhookId: string,
      { limit, before, state }: Page & { readonly state?: MessageState },
    ): Script<readonly WebhookMessage[]> {
      const hook = yield* one.get(partner, webhookId);
      if (hook === undefined) return [];
      const last = before === undefined ? undefined : yield* message.get(hook.webhook, before);
      // A message that is not there has none before it.
      if (before !== undefined && last === undefined) return [];
      const parameters: Parameter[] = [hook.webhook];
      if (state !== undefined) parameters.push(state);
      if (last !== undefined) parameters.push(last.message);
      const sql = `${SELECT_MESSAGE}${state === undefined ? '' : ' AND m.state = ?'}${
        last === undefined ? '' : ' AND m.message < ?'
      } ORDER BY m.message DESC LIMIT ?`;
      const statement = lists.get(sql) ?? db.query<ListedMessageRow>(sql);
      lists.set(sql, statement);
      return (yield* statement.all(...parameters, limit)).map(toMessage);
    },
    *message(
      partner: string,
      webhookId: string,
      messageId: string,
    ): Script<(WebhookMessage & { readonly history: readonly WebhookAttempt[] }) | undefined> {
      const hook = yield* one.get(partner, webhookId);
      const row = hook === undefined ? undefined : yield* message.get(hook.webhook, messageId);
      if (row === undefined) return undefined;
      const attempts = (yield* history.all(row.message)).map((attempt) => ({
        attempt: attempt.attempt,
        startedAt: attempt.started_at,
        durationMs: attempt.duration_ms,
        outcome: attempt.outcome,
        ...(attempt.status === null ? {} : { status: attempt.status }),
        ...(attempt.code === null ? {} : { code: attempt.code }),
        ...(attempt.detail === null ? {} : { detail: attempt.detail }),
      }));
      return { ...toMessage(row), history: attempts };
    },
  };
}
