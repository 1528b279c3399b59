/** Deliveries: one row a destination of a run, and what becomes of it. Leases and fences as for jobs. */
import { HubError } from '../../../core/errors.ts';
import type { InboxEntry, Page } from '../../../core/ledger/common.ts';
import type { DeliveryAttempt, NewDelivery } from '../../../core/ledger/deliveries.ts';
import {
  type BulkOutcome,
  DELIVERY_PRIORITIES,
  type DeliveryAction,
  type DeliveryFilter,
  type FailureNotes,
} from '../../../core/ledger/deliveries.ts';
import { openAskedCommitments } from './asked-commitments.ts';
import { claimWrites, openBreakers } from './delivery-claims.ts';
import { conditionsOf, MATCHING, PAGED } from './delivery-lists.ts';
import type { EventLog, SealedEvent } from './events.ts';
import { openList } from './page.ts';
import type { Database, Script } from './script.ts';

interface LeasedRow {
  readonly delivery: number;
  readonly delivery_id: string;
  readonly destination: string;
}

export function deliveryWrites(db: Database, log: EventLog) {
  // Somebody may have sent a run's results to a destination before the fact that it is processed was handled.
  const insert = db.query(
    `INSERT INTO deliveries (delivery_id, run, destination, partner, released_study_instance_uid, priority, state, created_at, ready_at)
     VALUES (?, (SELECT run FROM runs WHERE run_id = ?), ?, ?, ?, ?, 'pending', ?, ?) ON CONFLICT (delivery_id) DO NOTHING`,
  );
  const runOf = db.query<{ run: number; study_instance_uid: string }>(
    'SELECT run, study_instance_uid FROM runs JOIN studies USING (study) WHERE run_id = ?',
  );
  const renew = db.query(
    `UPDATE deliveries SET ready_at = ? WHERE delivery_id = ? AND fence = ? AND leased = 1 AND state = 'pending'`,
  );
  const leased = db.query<LeasedRow>(
    `SELECT delivery, delivery_id, destination FROM deliveries
     WHERE delivery_id = ? AND fence = ? AND leased = 1 AND state = 'pending'${db.dialect.forUpdate}`,
  );
  const end = db.query(
    'UPDATE deliveries SET state = ?, leased = 0, attempts = attempts - ?, ready_at = ?, reason = ?, code = ? WHERE delivery = ?',
  );
  const back = db.query('UPDATE deliveries SET leased = 0, attempts = attempts - 1, ready_at = ? WHERE delivery = ?');
  const park = db.query(
    'UPDATE deliveries SET leased = 0, attempts = attempts - 1, ready_at = ?, reason = ?, code = NULL WHERE delivery = ?',
  );
  const attempted = db.query(
    `INSERT INTO delivery_attempts (delivery, attempt, started_at, duration_ms, outcome, code, retry, detail, request, answer, size_bytes)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const keep = db.query(
    `INSERT INTO delivered_instances (delivery, sop_instance_uid, is_missing) VALUES (?, ?, ?)
     ON CONFLICT (delivery, sop_instance_uid) DO UPDATE SET is_missing = excluded.is_missing`,
  );
  const forget = db.query('DELETE FROM delivered_instances WHERE delivery = ?');
  const again = db.query<{ delivery_id: string }>(
    `UPDATE deliveries SET state = 'pending', attempts = 0, leased = 0, ready_at = ?, reason = NULL, code = NULL
     WHERE delivery_id = ? AND state IN ('dead', 'succeeded') RETURNING delivery_id`,
  );
  const uncancel = db.query(`UPDATE deliveries SET state = 'dead' WHERE delivery_id = ? AND state = 'cancelled'`);
  const hurry = db.query<{ destination: string }>(
    `UPDATE deliveries SET ready_at = ? WHERE delivery_id = ? AND state = 'pending' AND leased = 0 RETURNING destination`,
  );
  // With a new fence: whoever has it under way finds out when the lease is renewed, and cannot end it.
  const cancel = db.query(
    `UPDATE deliveries SET state = 'cancelled', leased = 0, fence = fence + 1, ready_at = ?
     WHERE delivery_id = ? AND state IN ('dead', 'pending')`,
  );
  const ofRun = db.query<{ delivery_id: string; state: string }>(
    `SELECT delivery_id, state FROM deliveries WHERE run = ? AND destination = ? ORDER BY delivery DESC LIMIT 1`,
  );
  const matching = openList<{ delivery_id: string }>(db, { ...PAGED, select: `SELECT d.delivery_id ${MATCHING}` });

  // Its items are gone: results that were removed, or received instances that it delivers as they came.
  const GONE = `(EXISTS (SELECT 1 FROM expired_runs e WHERE e.run = r.run)
       OR (EXISTS (SELECT 1 FROM expired_studies e WHERE e.study = r.study AND e.revision >= r.revision)
           AND NOT EXISTS (SELECT 1 FROM run_items i WHERE i.run = r.run AND i.items NOT LIKE '%"blob":"spool/%')))`;
  const expired = db.query<{ study_instance_uid: string }>(
    `SELECT s.study_instance_uid FROM deliveries d JOIN runs r USING (run) JOIN studies s USING (study)
     WHERE d.delivery_id = ? AND ${GONE}`,
  );
  const expiredRun = db.query<{ found: 1 }>(`SELECT 1 AS found FROM runs r WHERE r.run = ? AND ${GONE}`);
  const breakers = openBreakers(db);
  const asked = openAskedCommitments(db);

  const record = function* (delivery: number, attempt: DeliveryAttempt): Script<void> {
    yield* attempted.send(
      delivery,
      attempt.attempt,
      attempt.startedAt,
      Math.round(attempt.durationMs),
      attempt.outcome,
      attempt.code,
      attempt.retry,
      attempt.detail,
      attempt.request,
      attempt.answer,
      attempt.sizeBytes,
    );
  };
  const opened = function* (now: Date, each: NewDelivery): Script<void> {
    if ((yield* runOf.get(each.runId)) === undefined) throw new HubError('resource.not-found', { runId: each.runId });
    yield* insert.send(
      each.deliveryId,
      each.runId,
      each.destination,
      each.partner,
      each.releasedStudyInstanceUid,
      DELIVERY_PRIORITIES.indexOf(each.priority ?? 'normal'),
      now.toISOString(),
      now.getTime(),
    );
  };
  const replay = function* (now: Date, deliveryId: string): Script<boolean> {
    const gone = yield* expired.get(deliveryId);
    if (gone !== undefined) throw new HubError('study.expired', { studyInstanceUid: gone.study_instance_uid });
    return (yield* again.get(now.getTime(), deliveryId)) !== undefined;
  };
  const retry = function* (now: Date, deliveryId: string): Script<boolean> {
    const row = yield* hurry.get(now.getTime(), deliveryId);
    if (row !== undefined) yield* breakers.tryNow(row.destination, now);
    return row !== undefined;
  };
  const giveUp = function* (now: Date, deliveryId: string): Script<boolean> {
    if ((yield* cancel.run(now.getTime(), deliveryId)) !== 1) return false;
    yield* asked.endOf(deliveryId);
    return true;
  };
  const act = function* (action: DeliveryAction, now: Date, deliveryId: string): Script<boolean> {
    switch (action) {
      case 'retry':
        return yield* retry(now, deliveryId);
      case 'cancel':
        return yield* giveUp(now, deliveryId);
      case 'replay':
        // Of many, those whose bytes are gone are told apart, not the end of all.
        return (yield* expired.get(deliveryId)) === undefined && (yield* replay(now, deliveryId));
      default:
        return action satisfies never;
    }
  };

  return {
    ...claimWrites(db),
    replay,
    retry,
    cancel: giveUp,
    *open(now: Date, inbox: InboxEntry, deliveries: readonly NewDelivery[]): Script<'recorded' | 'already'> {
      if (!(yield* log.enter(inbox, now))) return 'already';
      for (const each of deliveries) yield* opened(now, each);
      return 'recorded';
    },
    *renew(_now: Date, deliveryId: string, fence: number, leaseMs: number, at: Date): Script<boolean> {
      return (yield* renew.run(at.getTime() + leaseMs, deliveryId, fence)) === 1;
    },
    *succeed(
      now: Date,
      deliveryId: string,
      fence: number,
      attempt: DeliveryAttempt,
      events: readonly SealedEvent[],
    ): Script<boolean> {
      const row = yield* leased.get(deliveryId, fence);
      if (row === undefined) return false;
      yield* end.send('succeeded', 0, now.getTime(), undefined, undefined, row.delivery);
      yield* record(row.delivery, attempt);
      // A replay of a done delivery is wanted because the peer has lost something: everything goes again.
      yield* forget.send(row.delivery);
      yield* asked.end(row.delivery);
      yield* breakers.isWell(row.destination);
      yield* log.append(events);
      return true;
    },
    *fail(
      now: Date,
      deliveryId: string,
      fence: number,
      attempt: DeliveryAttempt,
      delivered: readonly string[],
      retryAt: Date | undefined,
      events: readonly SealedEvent[],
      { missing = [], isCounted = true, breaker }: FailureNotes = {},
    ): Script<boolean> {
      const row = yield* leased.get(deliveryId, fence);
      if (row === undefined) return false;
      const reason = attempt.detail ?? attempt.code;
      const state = retryAt === undefined ? 'dead' : 'pending';
      yield* end.send(state, isCounted ? 0 : 1, (retryAt ?? now).getTime(), reason, attempt.code, row.delivery);
      yield* record(row.delivery, attempt);
      for (const sopInstanceUid of delivered) yield* keep.send(row.delivery, sopInstanceUid, 0);
      for (const sopInstanceUid of missing) yield* keep.send(row.delivery, sopInstanceUid, 1);
      yield* asked.end(row.delivery);
      if (breaker === 'answered') yield* breakers.isWell(row.destination);
      else if (breaker !== undefined) {
        yield* breakers.failed(row.destination, row.delivery_id, attempt.code ?? 'unknown', breaker, now);
      }
      yield* log.append(events);
      return true;
    },
    *giveBack(_now: Date, deliveryId: string, fence: number, delivered: readonly string[], at: Date): Script<boolean> {
      const row = yield* leased.get(deliveryId, fence);
      if (row === undefined) return false;
      yield* back.send(at.getTime(), row.delivery);
      for (const sopInstanceUid of delivered) yield* keep.send(row.delivery, sopInstanceUid, 0);
      return true;
    },
    *park(
      now: Date,
      deliveryId: string,
      fence: number,
      attempt: DeliveryAttempt,
      delivered: readonly string[],
      until: Date,
    ): Script<boolean> {
      const row = yield* leased.get(deliveryId, fence);
      if (row === undefined) return false;
      // It may have come between the last look and this.
      const dueMs = (yield* asked.isReported(row.delivery)) ? now.getTime() : until.getTime();
      yield* park.send(dueMs, attempt.detail, row.delivery);
      yield* record(row.delivery, attempt);
      for (const sopInstanceUid of delivered) yield* keep.send(row.delivery, sopInstanceUid, 0);
      yield* breakers.isWell(row.destination);
      return true;
    },
    *actOnMany(now: Date, action: DeliveryAction, filter: DeliveryFilter, page: Page): Script<BulkOutcome> {
      const rows = yield* matching(page, ...conditionsOf(filter));
      const done: string[] = [];
      for (const { delivery_id: deliveryId } of rows) {
        if (yield* act(action, now, deliveryId)) done.push(deliveryId);
      }
      const last = rows.length < page.limit ? undefined : rows.at(-1);
      return {
        done,
        skipped: rows.length - done.length,
        ...(last === undefined ? {} : { cursor: last.delivery_id }),
      };
    },
    *send(now: Date, delivery: NewDelivery): Script<string> {
      const { runId, destination } = delivery;
      const run = yield* runOf.get(runId);
      if (run === undefined) throw new HubError('resource.not-found', { runId });
      if ((yield* expiredRun.get(run.run)) !== undefined) {
        throw new HubError('study.expired', { studyInstanceUid: run.study_instance_uid });
      }
      const known = yield* ofRun.get(run.run, destination);
      if (known === undefined) {
        yield* opened(now, delivery);
        return delivery.deliveryId;
      }
      if (known.state === 'pending')
        throw new HubError('resource.conflict', { detail: 'it is on its way there already' });
      // One that was given up is taken up again: somebody wants it there after all.
      yield* uncancel.send(known.delivery_id);
      yield* again.get(now.getTime(), known.delivery_id);
      return known.delivery_id;
    },
  };
}
