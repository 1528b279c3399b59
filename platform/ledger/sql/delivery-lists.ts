/** Deliveries as lists, pages and counts show them. */
import type { StudyInstanceUid } from '../../../core/identifiers.ts';
import type { Page } from '../../../core/ledger/common.ts';
import type { DeliveryAttempt, DeliveryRow, DeliveryState } from '../../../core/ledger/deliveries.ts';
import { DELIVERY_PRIORITIES, type DeliveryFilter } from '../../../core/ledger/deliveries.ts';
import { breakerReads } from './delivery-claims.ts';
import { type Condition, openList } from './page.ts';
import type { Database, Script, Statement } from './script.ts';

interface DeliveryTableRow {
  readonly delivery: number;
  readonly delivery_id: string;
  readonly run_id: string;
  readonly destination: string;
  readonly partner: string | null;
  readonly released_study_instance_uid: string;
  readonly priority: number;
  readonly state: DeliveryState;
  readonly study_instance_uid: StudyInstanceUid;
  readonly revision: number;
  readonly route: string;
  readonly created_at: string;
  readonly attempts: number;
  readonly leased: 0 | 1;
  readonly ready_at: number;
  readonly reason: string | null;
  readonly code: string | null;
  readonly correlation_id: string;
}

interface AttemptTableRow {
  readonly attempt: number;
  readonly started_at: string;
  readonly duration_ms: number;
  readonly outcome: DeliveryAttempt['outcome'];
  readonly code: string | null;
  readonly retry: string | null;
  readonly detail: string | null;
  readonly request: string | null;
  readonly answer: string | null;
  readonly size_bytes: number | null;
}

/** What a filter may ask for. */
export const MATCHING = 'FROM deliveries d JOIN runs r USING (run) JOIN studies s USING (study)';
const SELECT_DELIVERY = `SELECT d.*, r.run_id, r.revision, r.route, s.study_instance_uid, s.correlation_id ${MATCHING}`;

export const PAGED = {
  key: 'd.delivery',
  find: 'SELECT delivery AS key FROM deliveries WHERE delivery_id = ?',
} as const;

/** By its own UID or the one it was released under; two index look-ups, where a condition on the joined row is a scan. */
const OF_STUDY = `(d.run IN (SELECT run FROM runs JOIN studies USING (study) WHERE study_instance_uid = ?)
  OR d.released_study_instance_uid = ?)`;

export function conditionsOf(filter: DeliveryFilter): readonly Condition[] {
  return [
    ['d.state = ?', filter.state],
    ['d.destination = ?', filter.destination],
    [OF_STUDY, filter.study, filter.study],
    ['r.route = ?', filter.route],
    ['d.partner = ?', filter.partner],
    ['d.created_at >= ?', filter.since?.toISOString()],
    ['d.created_at < ?', filter.until?.toISOString()],
    ['d.code = ?', filter.reason],
  ];
}

export function deliveryReads(db: Database) {
  const one = db.query<DeliveryTableRow>(`${SELECT_DELIVERY} WHERE delivery_id = ?`);
  const list = openList<DeliveryTableRow>(db, { ...PAGED, select: SELECT_DELIVERY });
  const counts = new Map<string, Statement<{ deliveries: number }>>();
  const history = db.query<AttemptTableRow>('SELECT * FROM delivery_attempts WHERE delivery = ? ORDER BY entry');
  const delivered = db.query<{ sop_instance_uid: string; is_missing: 0 | 1 }>(
    `SELECT sop_instance_uid, is_missing FROM delivered_instances
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
  const pending = db.query<{ destination: string; deliveries: number }>(
    `SELECT destination, count(*) AS deliveries FROM deliveries${db.dialect.by('deliveries_ready')}
     WHERE state = 'pending' GROUP BY destination`,
  );
  const byReady = db.dialect.by('deliveries_ready');
  // From name to name by the index: what waits may be a hundred thousand rows of a few destinations.
  const waitingFor = db.query<{ destination: string }>(
    `WITH RECURSIVE waiting (destination) AS (
       SELECT min(destination) FROM deliveries${byReady} WHERE state = 'pending'
       UNION ALL
       SELECT (SELECT min(d.destination) FROM deliveries d${byReady} WHERE d.state = 'pending' AND d.destination > waiting.destination)
       FROM waiting WHERE waiting.destination IS NOT NULL)
     SELECT destination FROM waiting WHERE destination IS NOT NULL`,
  );
  const nextDue = db.query<{ ready_at: number | null }>(
    `SELECT min(ready_at) AS ready_at FROM deliveries${db.dialect.by('deliveries_due')} WHERE state = 'pending' AND ready_at > ?`,
  );
  const nextLook = db.query<{ until: number | null }>('SELECT min(until) AS until FROM breakers WHERE until > ?');

  return {
    ...breakerReads(db),
    *list(page: Page & DeliveryFilter): Script<readonly DeliveryRow[]> {
      return (yield* list(page, ...conditionsOf(page))).map(toDelivery);
    },
    *count(filter: DeliveryFilter, atMost: number): Script<number> {
      const applied = conditionsOf(filter).filter(([, ...parameters]) => !parameters.includes(undefined));
      const where = applied.map(([sql]) => sql).join(' AND ');
      let statement = counts.get(where);
      if (statement === undefined) {
        const sql = `SELECT 1 AS found ${MATCHING}${where === '' ? '' : ` WHERE ${where}`} LIMIT ?`;
        statement = db.query<{ deliveries: number }>(`SELECT count(*) AS deliveries FROM (${sql}) matching`);
        counts.set(where, statement);
      }
      const row = yield* statement.get(...applied.flatMap(([, ...parameters]) => parameters), atMost);
      return row?.deliveries ?? 0;
    },
    *get(deliveryId: string): Script<(DeliveryRow & { readonly history: readonly DeliveryAttempt[] }) | undefined> {
      const row = yield* one.get(deliveryId);
      if (row === undefined) return undefined;
      return { ...toDelivery(row), history: (yield* history.all(row.delivery)).map(toAttempt) };
    },
    /** Without its history. */
    *row(deliveryId: string): Script<DeliveryRow | undefined> {
      const row = yield* one.get(deliveryId);
      return row === undefined ? undefined : toDelivery(row);
    },
    /** What got through, and what the destination was found not to have whatever got through before. */
    *delivered(deliveryId: string): Script<{ readonly sent: readonly string[]; readonly missing: readonly string[] }> {
      const rows = yield* delivered.all(deliveryId);
      const uids = (isMissing: 0 | 1) =>
        rows.filter((row) => row.is_missing === isMissing).map(({ sop_instance_uid: uid }) => uid);
      return { sent: uids(0), missing: uids(1) };
    },
    /** Other runs of the study, up to this revision, that went to the same destination; of earlier revisions, whether it has them. */
    *otherRuns(deliveryId: string): Script<readonly { readonly runId: string; readonly isDelivered: boolean }[]> {
      return (yield* other.all(deliveryId)).map((row) => ({ runId: row.run_id, isDelivered: row.is_delivered === 1 }));
    },
    *dead(): Script<readonly { readonly destination: string; readonly deliveries: number }[]> {
      return (yield* dead.all()).map(({ destination, deliveries }) => ({ destination, deliveries }));
    },
    *pending(): Script<readonly { readonly destination: string; readonly deliveries: number }[]> {
      return (yield* pending.all()).map(({ destination, deliveries }) => ({ destination, deliveries }));
    },
    *waitingFor(): Script<readonly string[]> {
      return (yield* waitingFor.all()).map(({ destination }) => destination);
    },
    *nextDue(after: Date | undefined): Script<Date | undefined> {
      const afterMs = after?.getTime() ?? -1;
      const due = (yield* nextDue.get(afterMs))?.ready_at ?? Infinity;
      const look = (yield* nextLook.get(afterMs))?.until ?? Infinity;
      const next = Math.min(due, look);
      return next === Infinity ? undefined : new Date(next);
    },
  };
}

function toAttempt(row: AttemptTableRow): DeliveryAttempt {
  return {
    attempt: row.attempt,
    startedAt: row.started_at,
    durationMs: row.duration_ms,
    outcome: row.outcome,
    ...(row.code === null ? {} : { code: row.code }),
    ...(row.retry === null ? {} : { retry: row.retry }),
    ...(row.detail === null ? {} : { detail: row.detail }),
    ...(row.request === null ? {} : { request: row.request }),
    ...(row.answer === null ? {} : { answer: row.answer }),
    ...(row.size_bytes === null ? {} : { sizeBytes: row.size_bytes }),
  };
}

function toDelivery(row: DeliveryTableRow): DeliveryRow {
  return {
    deliveryId: row.delivery_id,
    runId: row.run_id,
    destination: row.destination,
    ...(row.partner === null ? {} : { partner: row.partner }),
    releasedStudyInstanceUid: row.released_study_instance_uid,
    priority: DELIVERY_PRIORITIES[row.priority] ?? 'normal',
    state: row.state,
    studyInstanceUid: row.study_instance_uid,
    revision: row.revision,
    route: row.route,
    createdAt: row.created_at,
    attempts: row.attempts,
    ...(row.state === 'pending' && row.leased === 0 ? { dueAt: new Date(row.ready_at).toISOString() } : {}),
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.code === null ? {} : { code: row.code }),
    correlationId: row.correlation_id,
  };
}
