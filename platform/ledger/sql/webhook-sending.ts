/**
 * Messages of webhooks on their way: made from the streams of their partners, leased, and what came of each attempt.
 * One statement makes all messages of a webhook that are new, so that the cost of an event is that of its rows.
 */
import type { AfterFailure, LeasedMessage, WebhookAttempt } from '../../../core/ledger/webhooks.ts';
import { partnerStream } from '../../../core/partners.ts';
import { type EventRow, toEvent } from './events.ts';
import type { Database, Script } from './script.ts';
import { type MessageTableRow, type SecretTableRow, toWebhook, type WebhookTableRow } from './webhook-rows.ts';

/** Events of one webhook's stream in one transaction. */
const EVENTS_AT_ONCE = 500;
/** An endpoint that answers again after so many failures was down: what waits for it need not wait longer. */
const WAS_DOWN = 3;

/** What a claim answers; message and event are read by whoever asked. */
export interface ClaimedMessage {
  readonly message: number;
  readonly fence: number;
  readonly attempt: number;
}

export function webhookSending(db: Database) {
  const ofPartners = `w.state = 'enabled' AND w.partner IN (${db.dialect.valuesOf('CAST(? AS TEXT)')})`;
  const behind = db.query<WebhookTableRow>(
    `SELECT w.* FROM webhooks w WHERE ${ofPartners}
       AND EXISTS (SELECT 1 FROM events e WHERE e.stream = 'partner.' || w.partner || '.v1' AND e.position > w.position)
     ORDER BY w.webhook${db.dialect.skipLocked}`,
  );
  const upTo = db.query<{ events: number; position: number | null }>(
    `SELECT count(*) AS events, max(position) AS position FROM
       (SELECT position FROM events WHERE stream = ? AND position > ? ORDER BY position LIMIT ${String(EVENTS_AT_ONCE)}) AS next`,
  );
  const MAKE = `INSERT INTO webhook_messages (webhook, message_id, position, type, key, state, ready_at, created_at)
     SELECT w.webhook, e.id, e.position, e.type, e.key, 'pending', CAST(? AS BIGINT), CAST(? AS BIGINT)
     FROM webhooks w CROSS JOIN events e
     WHERE w.webhook = ? AND e.stream = ? AND e.position > w.position AND e.position <= ?`;
  const make = db.query(`${MAKE} ORDER BY e.position ON CONFLICT (webhook, message_id) DO NOTHING`);
  const makeSome = db.query(
    `${MAKE} AND e.type IN (${db.dialect.valuesOf('CAST(? AS TEXT)')}) ORDER BY e.position ON CONFLICT (webhook, message_id) DO NOTHING`,
  );
  const advance = db.query('UPDATE webhooks SET position = ? WHERE webhook = ?');

  // In no order of theirs, so that none is served last for ever when there is more than can be under way.
  const waiting = db.query<WebhookTableRow>(
    `SELECT w.* FROM webhooks w WHERE ${ofPartners} AND w.paused_until <= ?
       AND EXISTS (SELECT 1 FROM webhook_messages m WHERE m.webhook = w.webhook AND m.state = 'pending' AND m.ready_at <= ?)
     ORDER BY random()`,
  );
  const underWay = db.query<{ messages: number }>(
    `SELECT count(*) AS messages FROM webhook_messages WHERE webhook = ? AND state = 'pending' AND leased = 1 AND ready_at > ?`,
  );
  const READY = `SELECT m.message FROM webhook_messages m WHERE m.webhook = ? AND m.state = 'pending' AND m.ready_at <= ?`;
  const ready = db.query<{ message: number }>(
    `${READY} ORDER BY m.ready_at, m.message LIMIT ?${db.dialect.skipLocked}`,
  );
  // Of each study only the first that is not through.
  const firstOfEach = db.query<{ message: number }>(
    `${READY} AND NOT EXISTS (SELECT 1 FROM webhook_messages b
         WHERE b.webhook = m.webhook AND b.key = m.key AND b.state = 'pending' AND b.message < m.message)
     ORDER BY m.ready_at, m.message LIMIT ?${db.dialect.skipLocked}`,
  );
  const lease = db.query<{ fence: number; attempts: number }>(
    `UPDATE webhook_messages SET leased = 1, attempts = attempts + 1, fence = fence + 1, ready_at = ? WHERE message = ?
     RETURNING fence, attempts`,
  );

  const leased = db.query<MessageTableRow>(
    `SELECT m.* FROM webhook_messages m
     WHERE m.webhook = (SELECT webhook FROM webhooks WHERE webhook_id = ?) AND m.message_id = ?
       AND m.fence = ? AND m.leased = 1 AND m.state = 'pending'${db.dialect.forUpdate}`,
  );
  const end = db.query(
    `UPDATE webhook_messages SET state = ?, leased = 0, ready_at = ?, last_status = ?, ended_at = ? WHERE message = ?`,
  );
  const back = db.query(
    'UPDATE webhook_messages SET leased = 0, attempts = attempts - 1, ready_at = ? WHERE message = ?',
  );
  const attempted = db.query(
    `INSERT INTO webhook_attempts (message, attempt, started_at, duration_ms, outcome, status, code, detail)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const recovered = db.query<{ failures: number }>('SELECT failures FROM webhooks WHERE webhook = ? AND failures > 0');
  const healthy = db.query(
    'UPDATE webhooks SET failures = 0, failing_since = NULL, paused_until = 0 WHERE webhook = ?',
  );
  const hurry = db.query(
    `UPDATE webhook_messages SET ready_at = ? WHERE webhook = ? AND state = 'pending' AND leased = 0 AND ready_at > ?`,
  );
  const failing = db.query<{ failing_since: number }>(
    `UPDATE webhooks SET failures = failures + 1, failing_since = coalesce(failing_since, ?),
       paused_until = CASE WHEN paused_until > ? THEN paused_until ELSE ? END
     WHERE webhook = ? RETURNING failing_since`,
  );

  const record = function* (message: number, attempt: WebhookAttempt): Script<void> {
    const { startedAt, durationMs, outcome, status, code, detail } = attempt;
    yield* attempted.send(message, attempt.attempt, startedAt, Math.round(durationMs), outcome, status, code, detail);
  };

  return {
    *fanOut(now: Date, partners: readonly string[]): Script<number> {
      let events = 0;
      for (const { webhook, partner, position, types } of yield* behind.all(JSON.stringify(partners))) {
        const stream = partnerStream(partner);
        const next = yield* upTo.get(stream, position);
        if (next === undefined || next.position === null) continue;
        const values = [now.getTime(), now.getTime(), webhook, stream, next.position];
        if (types === null) yield* make.send(...values);
        else yield* makeSome.send(...values, types);
        yield* advance.send(next.position, webhook);
        events += next.events;
      }
      return events;
    },
    *claim(
      _now: Date,
      options: {
        readonly leaseMs: number;
        readonly now: Date;
        readonly partners: readonly string[];
        readonly perWebhook: number;
        readonly limit: number;
      },
    ): Script<readonly ClaimedMessage[]> {
      const nowMs = options.now.getTime();
      const claimed: ClaimedMessage[] = [];
      // Two that count what is under way at the same moment would both find room for the last one.
      yield* db.lock('claim webhook messages');
      for (const hook of yield* waiting.all(JSON.stringify(options.partners), nowMs, nowMs)) {
        const slots = hook.failures > 0 ? 1 : options.perWebhook;
        const free = Math.min(
          slots - ((yield* underWay.get(hook.webhook, nowMs))?.messages ?? 0),
          options.limit - claimed.length,
        );
        if (free <= 0) continue;
        for (const { message } of yield* (hook.ordered === 1 ? firstOfEach : ready).all(hook.webhook, nowMs, free)) {
          const row = yield* lease.get(nowMs + options.leaseMs, message);
          if (row !== undefined) claimed.push({ message, fence: row.fence, attempt: row.attempts });
        }
      }
      return claimed;
    },
    *succeed(now: Date, messageId: string, webhookId: string, fence: number, attempt: WebhookAttempt): Script<boolean> {
      const row = yield* leased.get(webhookId, messageId, fence);
      if (row === undefined) return false;
      yield* end.send('succeeded', now.getTime(), attempt.status, now.getTime(), row.message);
      yield* record(row.message, attempt);
      const before = yield* recovered.get(row.webhook);
      if (before !== undefined) {
        yield* healthy.send(row.webhook);
        if (before.failures >= WAS_DOWN) yield* hurry.send(now.getTime(), row.webhook, now.getTime());
      }
      return true;
    },
    *fail(
      now: Date,
      messageId: string,
      webhookId: string,
      fence: number,
      attempt: WebhookAttempt,
      { retryAt, pauseUntil }: AfterFailure,
    ): Script<Date | undefined> {
      const row = yield* leased.get(webhookId, messageId, fence);
      if (row === undefined) return undefined;
      yield* end.send(
        retryAt === undefined ? 'failed' : 'pending',
        (retryAt ?? now).getTime(),
        attempt.status,
        retryAt === undefined ? now.getTime() : undefined,
        row.message,
      );
      yield* record(row.message, attempt);
      const since = yield* failing.get(now.getTime(), pauseUntil.getTime(), pauseUntil.getTime(), row.webhook);
      return since === undefined ? undefined : new Date(since.failing_since);
    },
    *cancel(now: Date, messageId: string, webhookId: string, fence: number): Script<boolean> {
      const row = yield* leased.get(webhookId, messageId, fence);
      if (row === undefined) return false;
      yield* end.send('cancelled', now.getTime(), row.last_status ?? undefined, now.getTime(), row.message);
      return true;
    },
    *giveBack(_now: Date, messageId: string, webhookId: string, fence: number, at: Date): Script<boolean> {
      const row = yield* leased.get(webhookId, messageId, fence);
      if (row === undefined) return false;
      yield* back.send(at.getTime(), row.message);
      return true;
    },
  };
}

export function webhookQueue(db: Database) {
  const message = db.query<MessageTableRow>('SELECT * FROM webhook_messages WHERE message = ?');
  const hook = db.query<WebhookTableRow>('SELECT * FROM webhooks WHERE webhook = ?');
  const secrets = db.query<SecretTableRow>(
    `SELECT * FROM webhook_secrets WHERE webhook = ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY secret DESC`,
  );
  const event = db.query<EventRow>('SELECT * FROM events WHERE position = ?');
  const due = db.query<{ paused_until: number; ready_at: number | null }>(
    `SELECT w.paused_until, (SELECT min(m.ready_at) FROM webhook_messages m
        WHERE m.webhook = w.webhook AND m.state = 'pending') AS ready_at
     FROM webhooks w WHERE w.state = 'enabled' AND w.partner IN (${db.dialect.valuesOf('CAST(? AS TEXT)')})`,
  );

  return {
    /** What was claimed, whole. */
    *leased(now: Date, claimed: readonly ClaimedMessage[]): Script<readonly LeasedMessage[]> {
      const messages: LeasedMessage[] = [];
      for (const { message: number, fence, attempt } of claimed) {
        const row = yield* message.get(number);
        const of = row === undefined ? undefined : yield* hook.get(row.webhook);
        // Removed since.
        if (row === undefined || of === undefined) continue;
        const fact = row.position === null ? undefined : yield* event.get(row.position);
        messages.push({
          webhook: toWebhook(of, yield* secrets.all(of.webhook, now.getTime())),
          messageId: row.message_id,
          fence,
          attempt,
          key: row.key,
          createdAt: new Date(row.created_at).toISOString(),
          ...(fact === undefined ? {} : { event: toEvent(fact) }),
        });
      }
      return messages;
    },
    *nextDue(partners: readonly string[]): Script<Date | undefined> {
      const times = (yield* due.all(JSON.stringify(partners))).flatMap(({ paused_until, ready_at }) =>
        ready_at === null ? [] : [Math.max(paused_until, ready_at)],
      );
      return times.length === 0 ? undefined : new Date(Math.min(...times));
    },
  };
}
