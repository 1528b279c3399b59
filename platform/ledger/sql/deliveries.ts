/** Deliveries: one row a destination of a run. Leases and fences as for jobs. */
import { HubError } from '../../../core/errors.ts';
import type { StudyInstanceUid } from '../../../core/identifiers.ts';
import type {
  DeliveryAttempt,
  DeliveryRow,
  DeliveryState,
  InboxEntry,
  NewDelivery,
  Page,
} from '../../../core/ledger.ts';
import type { Database, Script } from './script.ts';
import type { EventLog, SealedEvent } from './events.ts';
import { WORK } from './locks.ts';
import { openList } from './page.ts';

/** What a claim answers; delivery and run are read by whoever asked. */
export interface ClaimedDelivery {
  readonly deliveryId: string;
  readonly runId: string;
  readonly fence: number;
  readonly attempt: number;
}

export function deliveryWrites(db: Database, log: EventLog) {
  const insert = db.query(
    `INSERT INTO deliveries (delivery_id, run, destination, partner, released_study_instance_uid, state, created_at, ready_at)
     VALUES (?, (SELECT run FROM runs WHERE run_id = ?), ?, ?, ?, 'pending', ?, ?)`,
  );
  const knowsRun = db.query<{ run: number }>('SELECT run FROM runs WHERE run_id = ?');
  const underWay = db.query<{ deliveries: number }>(
    `SELECT count(*) AS deliveries FROM deliveries
     WHERE state = 'pending' AND destination = ? AND leased = 1 AND ready_at > ?`,
  );
  const ready = db.query<{ delivery: number }>(
    `SELECT delivery FROM deliveries WHERE state = 'pending' AND destination = ? AND ready_at <= ?
     ORDER BY ready_at, delivery LIMIT ?${db.dialect.skipLocked}`,
  );
  const lease = db.query<{ delivery_id: string; run: number; fence: number; attempts: number }>(
    `UPDATE deliveries SET leased = 1, attempts = attempts + 1, fence = fence + 1, ready_at = ? WHERE delivery = ?
     RETURNING delivery_id, run, fence, attempts`,
  );
  const runOf = db.query<{ run_id: string }>('SELECT run_id FROM runs WHERE run = ?');
  const renew = db.query(
    `UPDATE deliveries SET ready_at = ? WHERE delivery_id = ? AND fence = ? AND leased = 1 AND state = 'pending'`,
  );
  const leased = db.query<{ delivery: number }>(
    `SELECT delivery FROM deliveries WHERE delivery_id = ? AND fence = ? AND leased = 1 AND state = 'pending'${db.dialect.forUpdate}`,
  );
  const end = db.query('UPDATE deliveries SET state = ?, leased = 0, ready_at = ?, reason = ? WHERE delivery = ?');
  const back = db.query('UPDATE deliveries SET leased = 0, attempts = attempts - 1, ready_at = ? WHERE delivery = ?');
  const attempted = db.query(
    `INSERT INTO delivery_attempts (delivery, attempt, started_at, duration_ms, outcome, code, retry, detail)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const keep = db.query(
    'INSERT INTO delivered_instances (delivery, sop_instance_uid) VALUES (?, ?) ON CONFLICT DO NOTHING',
  );
  const forget = db.query('DELETE FROM delivered_instances WHERE delivery = ?');
  const again = db.query(
    `UPDATE deliveries SET state = 'pending', attempts = 0, leased = 0, ready_at = ?, reason = NULL
     WHERE delivery_id = ? AND state IN ('dead', 'succeeded')`,
  );
  const cancel = db.query(
    `UPDATE deliveries SET state = 'cancelled', ready_at = ? WHERE delivery_id = ? AND state = 'dead'`,
  );

  // Its items are gone: results that were removed, or received instances that it delivers as they came.
  const expired = db.query<{ study_instance_uid: string }>(
    `SELECT s.study_instance_uid FROM deliveries d JOIN runs r USING (run) JOIN studies s USING (study)
     WHERE d.delivery_id = ? AND (
       EXISTS (SELECT 1 FROM expired_runs e WHERE e.run = r.run)
       OR (EXISTS (SELECT 1 FROM expired_studies e WHERE e.study = r.study AND e.revision >= r.revision)
           AND NOT EXISTS (SELECT 1 FROM run_items i WHERE i.run = r.run AND i.items NOT LIKE '%"blob":"spool/%')))`,
  );

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
    );
  };

  return {
    *open(now: Date, inbox: InboxEntry, deliveries: readonly NewDelivery[]): Script<'recorded' | 'already'> {
      if (!(yield* log.enter(inbox, now))) return 'already';
      for (const { deliveryId, runId, destination, partner, releasedStudyInstanceUid } of deliveries) {
        if ((yield* knowsRun.get(runId)) === undefined) throw new HubError('resource.not-found', { runId });
        yield* insert.send(
          deliveryId,
          runId,
          destination,
          partner,
          releasedStudyInstanceUid,
          now.toISOString(),
          now.getTime(),
        );
      }
      return 'recorded';
    },
    *claim(
      _now: Date,
      _owner: string,
      leaseMs: number,
      at: Date,
      limits: Readonly<Record<string, number>>,
    ): Script<readonly ClaimedDelivery[]> {
      const claimed: ClaimedDelivery[] = [];
      // Two that count what is under way at the same moment would both find room for the last one.
      yield* db.lock('claim deliveries');
      yield* db.lock(WORK, 'shared');
      for (const [destination, limit] of Object.entries(limits)) {
        const free = limit - ((yield* underWay.get(destination, at.getTime()))?.deliveries ?? 0);
        if (free <= 0) continue;
        for (const { delivery } of yield* ready.all(destination, at.getTime(), free)) {
          const row = yield* lease.get(at.getTime() + leaseMs, delivery);
          const run = row === undefined ? undefined : yield* runOf.get(row.run);
          if (row === undefined || run === undefined) continue;
          claimed.push({ deliveryId: row.delivery_id, runId: run.run_id, fence: row.fence, attempt: row.attempts });
        }
      }
      return claimed;
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
      yield* end.send('succeeded', now.getTime(), undefined, row.delivery);
      yield* record(row.delivery, attempt);
      // A replay of a done delivery is wanted because the peer has lost something: everything goes again.
      yield* forget.send(row.delivery);
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
    ): Script<boolean> {
      const row = yield* leased.get(deliveryId, fence);
      if (row === undefined) return false;
      const reason = attempt.detail ?? attempt.code;
      yield* end.send(retryAt === undefined ? 'dead' : 'pending', (retryAt ?? now).getTime(), reason, row.delivery);
      yield* record(row.delivery, attempt);
      for (const sopInstanceUid of delivered) yield* keep.send(row.delivery, sopInstanceUid);
      yield* log.append(events);
      return true;
    },
    *giveBack(_now: Date, deliveryId: string, fence: number, delivered: readonly string[], at: Date): Script<boolean> {
      const row = yield* leased.get(deliveryId, fence);
      if (row === undefined) return false;
      yield* back.send(at.getTime(), row.delivery);
      for (const sopInstanceUid of delivered) yield* keep.send(row.delivery, sopInstanceUid);
      return true;
    },
    *replay(now: Date, deliveryId: string): Script<boolean> {
      const gone = yield* expired.get(deliveryId);
      if (gone !== undefined) throw new HubError('study.expired', { studyInstanceUid: gone.study_instance_uid });
      return (yield* again.run(now.getTime(), deliveryId)) === 1;
    },
    *cancel(now: Date, deliveryId: string): Script<boolean> {
      return (yield* cancel.run(now.getTime(), deliveryId)) === 1;
    },
  };
}

interface DeliveryTableRow {
  readonly delivery: number;
  readonly delivery_id: string;
  readonly run_id: string;
  readonly destination: string;
  readonly partner: string | null;
  readonly released_study_instance_uid: string;
  readonly state: DeliveryState;
  readonly study_instance_uid: StudyInstanceUid;
  readonly revision: number;
  readonly route: string;
  readonly created_at: string;
  readonly attempts: number;
  readonly leased: 0 | 1;
  readonly ready_at: number;
  readonly reason: string | null;
  readonly correlation_id: string;
}

const SELECT_DELIVERY = `SELECT d.*, r.run_id, r.revision, r.route, s.study_instance_uid, s.correlation_id
  FROM deliveries d JOIN runs r USING (run) JOIN studies s USING (study)`;

/** By its own UID or the one it was released under; two index look-ups, where a condition on the joined row is a scan. */
const OF_STUDY = `(d.run IN (SELECT run FROM runs JOIN studies USING (study) WHERE study_instance_uid = ?)
  OR d.released_study_instance_uid = ?)`;

export function deliveryReads(db: Database) {
  const one = db.query<DeliveryTableRow>(`${SELECT_DELIVERY} WHERE delivery_id = ?`);
  const list = openList<DeliveryTableRow>(db, {
    select: SELECT_DELIVERY,
    key: 'd.delivery',
    find: 'SELECT delivery AS key FROM deliveries WHERE delivery_id = ?',
  });
  const history = db.query<{
    readonly attempt: number;
    readonly started_at: string;
    readonly duration_ms: number;
    readonly outcome: DeliveryAttempt['outcome'];
    readonly code: string | null;
    readonly retry: string | null;
    readonly detail: string | null;
  }>('SELECT * FROM delivery_attempts WHERE delivery = ? ORDER BY entry');
  const delivered = db.query<{ sop_instance_uid: string }>(
    `SELECT sop_instance_uid FROM delivered_instances
     WHERE delivery = (SELECT delivery FROM deliveries WHERE delivery_id = ?)`,
  );
  const other = db.query<{ run_id: string; is_delivered: 0 | 1 }>(
    `SELECT other.run_id, done.state = 'succeeded' AND other.revision < r.revision AS is_delivered
     FROM deliveries d JOIN runs r USING (run)
     JOIN runs other ON other.study = r.study AND other.revision <= r.revision AND other.run <> r.run
     JOIN deliveries done ON done.run = other.run AND done.destination = d.destination
     WHERE d.delivery_id = ?`,
  );
  const dead = db.query<{ destination: string; deliveries: number }>(
    `SELECT destination, count(*) AS deliveries FROM deliveries WHERE state = 'dead' GROUP BY destination`,
  );
  const waitingFor = db.query<{ destination: string }>(
    `SELECT DISTINCT destination FROM deliveries WHERE state = 'pending'`,
  );
  const nextDue = db.query<{ ready_at: number | null }>(
    `SELECT min(ready_at) AS ready_at FROM deliveries WHERE state = 'pending'`,
  );

  return {
    *list(
      page: Page & { readonly state?: DeliveryState; readonly destination?: string; readonly study?: string },
    ): Script<readonly DeliveryRow[]> {
      const rows = yield* list(
        page,
        ['d.state = ?', page.state],
        ['d.destination = ?', page.destination],
        [OF_STUDY, page.study, page.study],
      );
      return rows.map(toDelivery);
    },
    *get(deliveryId: string): Script<(DeliveryRow & { readonly history: readonly DeliveryAttempt[] }) | undefined> {
      const row = yield* one.get(deliveryId);
      if (row === undefined) return undefined;
      const attempts = (yield* history.all(row.delivery)).map((attempt) => ({
        attempt: attempt.attempt,
        startedAt: attempt.started_at,
        durationMs: attempt.duration_ms,
        outcome: attempt.outcome,
        ...(attempt.code === null ? {} : { code: attempt.code }),
        ...(attempt.retry === null ? {} : { retry: attempt.retry }),
        ...(attempt.detail === null ? {} : { detail: attempt.detail }),
      }));
      return { ...toDelivery(row), history: attempts };
    },
    *delivered(deliveryId: string): Script<readonly string[]> {
      return (yield* delivered.all(deliveryId)).map(({ sop_instance_uid }) => sop_instance_uid);
    },
    /** Other runs of the study, up to this revision, that went to the same destination; of earlier revisions, whether it has them. */
    *otherRuns(deliveryId: string): Script<readonly { readonly runId: string; readonly isDelivered: boolean }[]> {
      return (yield* other.all(deliveryId)).map((row) => ({ runId: row.run_id, isDelivered: row.is_delivered === 1 }));
    },
    *dead(): Script<readonly { readonly destination: string; readonly deliveries: number }[]> {
      return (yield* dead.all()).map(({ destination, deliveries }) => ({ destination, deliveries }));
    },
    *waitingFor(): Script<readonly string[]> {
      return (yield* waitingFor.all()).map(({ destination }) => destination);
    },
    *nextDue(): Script<Date | undefined> {
      const at = (yield* nextDue.get())?.ready_at ?? null;
      return at === null ? undefined : new Date(at);
    },
  };
}

function toDelivery(row: DeliveryTableRow): DeliveryRow {
  return {
    deliveryId: row.delivery_id,
    runId: row.run_id,
    destination: row.destination,
    ...(row.partner === null ? {} : { partner: row.partner }),
    releasedStudyInstanceUid: row.released_study_instance_uid,
    state: row.state,
    studyInstanceUid: row.study_instance_uid,
    revision: row.revision,
    route: row.route,
    createdAt: row.created_at,
    attempts: row.attempts,
    ...(row.state === 'pending' && row.leased === 0 ? { dueAt: new Date(row.ready_at).toISOString() } : {}),
    ...(row.reason === null ? {} : { reason: row.reason }),
    correlationId: row.correlation_id,
  };
}
