/** Storage commitments asked of destinations: recorded before they are asked, ended with the attempt that asked. */
import type {
  AskedCommitment,
  AskedCommitmentRow,
  AskedCommitmentState,
  CommitmentReport,
  CommitmentResult,
  ReportOutcome,
} from '../../../core/ledger/asked-commitments.ts';
import { HubError } from '../../../core/errors.ts';
import type { Database, Script } from './script.ts';

interface Found {
  readonly asked: number;
  readonly delivery: number;
  readonly destination: string;
}

export function askedCommitmentWrites(db: Database) {
  const deliveryOf = db.query<{ delivery: number }>('SELECT delivery FROM deliveries WHERE delivery_id = ?');
  const insert = db.query(
    `INSERT INTO asked_commitments (transaction_uid, delivery, instances, state, asked_at, wait_until)
     VALUES (?, ?, ?, 'waiting', ?, ?) ON CONFLICT (transaction_uid) DO NOTHING`,
  );
  const find = db.query<Found>(
    `SELECT a.asked, a.delivery, d.destination FROM asked_commitments a JOIN deliveries d USING (delivery)
     WHERE a.transaction_uid = ?`,
  );
  // Whoever just parks the delivery or ends its attempt goes first, or finds the report.
  const lockDelivery = db.query<{ delivery: number }>(
    `SELECT delivery FROM deliveries WHERE delivery = ?${db.dialect.forUpdate}`,
  );
  const stateOf = db.query<{ state: AskedCommitmentState; report: string | null }>(
    'SELECT state, report FROM asked_commitments WHERE asked = ?',
  );
  const reported = db.query(
    `UPDATE asked_commitments SET report = ?, reported_at = ?,
            state = CASE WHEN state = 'waiting' THEN 'reported' ELSE state END WHERE asked = ?`,
  );
  const wake = db.query(
    `UPDATE deliveries SET ready_at = ? WHERE delivery = ? AND state = 'pending' AND leased = 0 AND ready_at > ?`,
  );

  return {
    *ask(now: Date, { transactionUid, deliveryId, instances }: AskedCommitment, waitMs: number): Script<void> {
      const row = yield* deliveryOf.get(deliveryId);
      if (row === undefined) throw new HubError('resource.not-found', { deliveryId });
      yield* insert.send(transactionUid, row.delivery, instances, now.toISOString(), now.getTime() + waitMs);
    },
    *report(now: Date, { transactionUid, destinations, committed, failed }: CommitmentReport): Script<ReportOutcome> {
      const found = yield* find.get(transactionUid);
      if (found === undefined || !destinations.includes(found.destination)) return 'unknown';
      yield* lockDelivery.get(found.delivery);
      const row = yield* stateOf.get(found.asked);
      if (row === undefined) return 'unknown';
      if (row.report !== null) return 'repeated';
      yield* reported.send(JSON.stringify({ committed, failed }), now.toISOString(), found.asked);
      if (row.state !== 'waiting') return 'late';
      yield* wake.send(now.getTime(), found.delivery, now.getTime());
      return 'recorded';
    },
  };
}

/** What deliveries do to them, inside the transactions of deliveries. */
export function openAskedCommitments(db: Database) {
  const end = db.query(`UPDATE asked_commitments SET state = 'over' WHERE delivery = ? AND state <> 'over'`);
  const endOf = db.query(
    `UPDATE asked_commitments SET state = 'over' WHERE state <> 'over'
     AND delivery = (SELECT delivery FROM deliveries WHERE delivery_id = ?)`,
  );
  const reported = db.query<{ found: 1 }>(
    `SELECT 1 AS found FROM asked_commitments WHERE delivery = ? AND state = 'reported' LIMIT 1`,
  );
  return {
    /** An attempt has ended: the next one asks anew. */
    *end(delivery: number): Script<void> {
      yield* end.send(delivery);
    },
    *endOf(deliveryId: string): Script<void> {
      yield* endOf.send(deliveryId);
    },
    *isReported(delivery: number): Script<boolean> {
      return (yield* reported.get(delivery)) !== undefined;
    },
  };
}

interface TableRow {
  readonly transaction_uid: string;
  readonly instances: number;
  readonly state: AskedCommitmentState;
  readonly asked_at: string;
  readonly wait_until: number;
  readonly reported_at: string | null;
}

export function askedCommitmentReads(db: Database) {
  const ofDelivery = db.query<TableRow>(
    `SELECT a.transaction_uid, a.instances, a.state, a.asked_at, a.wait_until, a.reported_at
     FROM asked_commitments a JOIN deliveries d USING (delivery) WHERE d.delivery_id = ? ORDER BY a.asked DESC`,
  );
  const result = db.query<{ report: string | null }>('SELECT report FROM asked_commitments WHERE transaction_uid = ?');

  return {
    *ofDelivery(now: Date, deliveryId: string): Script<readonly AskedCommitmentRow[]> {
      return (yield* ofDelivery.all(deliveryId)).map((row) => ({
        transactionUid: row.transaction_uid,
        deliveryId,
        instances: row.instances,
        state: row.state,
        askedAt: row.asked_at,
        waitUntil: new Date(row.wait_until),
        isInTime: row.wait_until > now.getTime(),
        ...(row.reported_at === null ? {} : { reportedAt: row.reported_at }),
      }));
    },
    *result(transactionUid: string): Script<CommitmentResult | undefined> {
      const report = (yield* result.get(transactionUid))?.report ?? undefined;
      return report === undefined ? undefined : (JSON.parse(report) as CommitmentResult);
    },
  };
}
