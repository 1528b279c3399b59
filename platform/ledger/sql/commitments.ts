/** Storage commitments: requests of sources, what was decided about each instance, and the attempts to tell them. */
import type {
  CommitmentAttempt,
  CommitmentEvidence,
  CommitmentItem,
  CommitmentOutcome,
  CommitmentRequest,
  CommitmentRow,
  CommitmentState,
  NextOfCommitment,
} from '../../../core/ledger/commitments.ts';
import type { Page } from '../../../core/ledger/common.ts';
import type { Whose } from '../../../core/ledger/replicas.ts';
import type { BlobRef } from '../../../core/store.ts';
import type { Database, Script } from './script.ts';
import { ofNode, parametersOf } from './nodes.ts';
import { openList } from './page.ts';

interface Found {
  readonly commitment: number;
  readonly commitment_id: string;
  readonly state: CommitmentState;
}

export function commitmentWrites(db: Database) {
  const find = db.query<Found>(
    'SELECT commitment, commitment_id, state FROM commitments WHERE source = ? AND calling_ae_title = ? AND transaction_uid = ?',
  );
  const insert = db.query<{ commitment: number }>(
    `INSERT INTO commitments (commitment_id, source, transaction_uid, calling_ae_title, called_ae_title, association_id,
                              state, requested_at, decide_by, due_at, node)
     VALUES (?, ?, ?, ?, ?, ?, 'deciding', ?, ?, ?, ?) RETURNING commitment`,
  );
  const insertItem = db.query(
    'INSERT INTO commitment_items (commitment, item, sop_class_uid, sop_instance_uid) VALUES (?, ?, ?, ?)',
  );
  const itemsOf = db.query<{ sop_class_uid: string; sop_instance_uid: string }>(
    'SELECT sop_class_uid, sop_instance_uid FROM commitment_items WHERE commitment = ? ORDER BY item',
  );
  const goOn = db.query(
    'UPDATE commitments SET association_id = ?, called_ae_title = ?, due_at = ?, node = ? WHERE commitment = ?',
  );
  const again = db.query(
    `UPDATE commitments SET state = 'deciding', requested_at = ?, decide_by = ?, attempts = 0, decided_at = NULL,
            ended_at = NULL, reason = NULL WHERE commitment = ?`,
  );
  const forgetReasons = db.query('UPDATE commitment_items SET failure_reason = NULL WHERE commitment = ?');
  const stateOf = db.query<Found>(
    `SELECT commitment, commitment_id, state FROM commitments WHERE commitment_id = ?${db.dialect.forUpdate}`,
  );
  const fail = db.query('UPDATE commitment_items SET failure_reason = ? WHERE commitment = ? AND item = ?');
  const decided = db.query(
    `UPDATE commitments SET state = 'reporting', decided_at = ?, due_at = ? WHERE commitment = ?`,
  );
  // What it names may be all of a study: it is judged again, with the decision, so that no crash comes between.
  const look = db.query(
    `INSERT INTO completion (study_instance_uid, look_at, told_at)
     SELECT DISTINCT s.study_instance_uid, 0, CAST(? AS BIGINT)
     FROM commitment_items c JOIN instances i USING (sop_instance_uid) JOIN studies s USING (study)
     WHERE c.commitment = ? AND i.revision IS NULL AND s.due_at IS NOT NULL
     ON CONFLICT (study_instance_uid) DO UPDATE SET look_at = 0`,
  );
  const postpone = db.query('UPDATE commitments SET due_at = ? WHERE commitment_id = ? AND due_at IS NOT NULL');
  const rejected = db.query(
    `INSERT INTO rejected_copies (sop_instance_uid, data_set_sha256, source, rejected_at) VALUES (?, ?, ?, ?)
     ON CONFLICT DO NOTHING`,
  );
  const attempted = db.query(
    'INSERT INTO commitment_attempts (commitment, attempt, started_at, way, outcome, detail) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const next = db.query(
    `UPDATE commitments SET state = ?, attempts = ?, due_at = ?, ended_at = ?, reason = ? WHERE commitment = ?`,
  );

  return {
    *request(now: Date, request: CommitmentRequest, decideBy: Date): Script<CommitmentOutcome> {
      const { source, callingAeTitle, calledAeTitle, transactionUid, associationId, items } = request;
      const known = yield* find.get(source, callingAeTitle, transactionUid);
      if (known === undefined) {
        const row = yield* insert.get(
          ...[request.commitmentId, source, transactionUid, callingAeTitle, calledAeTitle, associationId],
          ...[now.toISOString(), decideBy.getTime(), now.getTime(), db.node],
        );
        if (row === undefined) throw new TypeError('a commitment was not made');
        for (const [n, item] of items.entries()) {
          yield* insertItem.send(row.commitment, n, item.sopClassUid, item.sopInstanceUid);
        }
        return { outcome: 'recorded', commitmentId: request.commitmentId };
      }
      // Told once more after a crash: it is the same request, and what has come of it stands.
      if (known.commitment_id === request.commitmentId)
        return { outcome: 'recorded', commitmentId: known.commitment_id };
      const before = yield* itemsOf.all(known.commitment);
      const isSame =
        before.length === items.length &&
        items.every(({ sopClassUid, sopInstanceUid }, n) => {
          const { sop_class_uid: sopClass, sop_instance_uid: sopInstance } = before[n] ?? {};
          return sopClass === sopClassUid && sopInstance === sopInstanceUid;
        });
      if (!isSame) return { outcome: 'conflict', commitmentId: known.commitment_id };
      // Its source never had the answer, or has lost it: what was decided then may not hold any more.
      if (known.state === 'reported' || known.state === 'failed') {
        yield* again.send(now.toISOString(), decideBy.getTime(), known.commitment);
        yield* forgetReasons.send(known.commitment);
      }
      yield* goOn.send(associationId, calledAeTitle, now.getTime(), db.node, known.commitment);
      return { outcome: 'repeated', commitmentId: known.commitment_id };
    },
    *rejected(
      now: Date,
      copy: { readonly sopInstanceUid: string; readonly dataSetSha256: string; readonly source: string },
    ): Script<void> {
      yield* rejected.send(copy.sopInstanceUid, copy.dataSetSha256, copy.source, now.toISOString());
    },
    *decide(
      now: Date,
      commitmentId: string,
      failures: readonly { readonly item: number; readonly reason: number }[],
    ): Script<boolean> {
      const row = yield* stateOf.get(commitmentId);
      if (row?.state !== 'deciding' && row?.state !== 'reporting') return false;
      if (row.state === 'reporting') yield* forgetReasons.send(row.commitment);
      for (const { item, reason } of failures) yield* fail.send(reason, row.commitment, item);
      yield* decided.send(now.toISOString(), now.getTime(), row.commitment);
      if (row.state === 'deciding') yield* look.send(now.getTime(), row.commitment);
      return true;
    },
    *postpone(_now: Date, commitmentId: string, dueAt: Date): Script<void> {
      yield* postpone.send(dueAt.getTime(), commitmentId);
    },
    *attempted(now: Date, commitmentId: string, attempt: CommitmentAttempt, then: NextOfCommitment): Script<boolean> {
      const row = yield* stateOf.get(commitmentId);
      if (row?.state !== 'reporting') return false;
      const { startedAt, way, outcome, detail } = attempt;
      yield* attempted.send(row.commitment, attempt.attempt, startedAt, way, outcome, detail);
      const isOver = then.state !== 'reporting';
      const dueAt = then.state === 'reporting' ? then.dueAt.getTime() : undefined;
      const reason = then.state === 'failed' ? then.reason : undefined;
      yield* next.send(
        then.state,
        attempt.attempt,
        dueAt,
        isOver ? now.toISOString() : undefined,
        reason,
        row.commitment,
      );
      return true;
    },
  };
}

interface CommitmentTableRow {
  readonly commitment_id: string;
  readonly source: string;
  readonly transaction_uid: string;
  readonly calling_ae_title: string;
  readonly called_ae_title: string;
  readonly association_id: string;
  readonly state: CommitmentState;
  readonly requested_at: string;
  readonly decide_by: number;
  readonly decided_at: string | null;
  readonly ended_at: string | null;
  readonly attempts: number;
  readonly due_at: number | null;
  readonly reason: string | null;
  readonly items: number;
  readonly failures: number;
}

interface EvidenceRow {
  readonly item: number;
  readonly sop_class_uid: string;
  readonly sop_instance_uid: string;
  readonly stored_class: string | null;
  readonly study_instance_uid: string | null;
  readonly blob: BlobRef | null;
  readonly sha256: string | null;
  readonly held: 0 | 1;
}

const SELECT = `SELECT c.*, (SELECT count(*) FROM commitment_items i WHERE i.commitment = c.commitment) AS items,
                       (SELECT count(failure_reason) FROM commitment_items i WHERE i.commitment = c.commitment) AS failures
                FROM commitments c`;

export function commitmentReads(db: Database) {
  const due = db.query<CommitmentTableRow>(
    `${SELECT} WHERE c.due_at IS NOT NULL AND c.due_at <= ? AND ${ofNode('c')} ORDER BY c.due_at, c.commitment LIMIT ?`,
  );
  const one = db.query<CommitmentTableRow>(`${SELECT} WHERE c.commitment_id = ?`);
  const evidence = db.query<EvidenceRow>(
    `SELECT i.item, i.sop_class_uid, i.sop_instance_uid, n.sop_class_uid AS stored_class, s.study_instance_uid, n.blob, n.sha256,
            EXISTS (SELECT 1 FROM quarantine_items q JOIN quarantine e USING (entry)
                    WHERE q.sop_instance_uid = i.sop_instance_uid AND e.stage = 'gateway' AND e.state = 'held')
              OR EXISTS (SELECT 1 FROM rejected_copies r WHERE r.sop_instance_uid = i.sop_instance_uid
                         AND r.data_set_sha256 IS DISTINCT FROM n.data_set_sha256) AS held
     FROM commitments c JOIN commitment_items i USING (commitment)
          LEFT JOIN instances n ON n.sop_instance_uid = i.sop_instance_uid
          LEFT JOIN studies s ON s.study = n.study
     WHERE c.commitment_id = ? ORDER BY i.item`,
  );
  const items = db.query<{ sop_class_uid: string; sop_instance_uid: string; failure_reason: number | null }>(
    `SELECT i.sop_class_uid, i.sop_instance_uid, i.failure_reason
     FROM commitments c JOIN commitment_items i USING (commitment) WHERE c.commitment_id = ? ORDER BY i.item`,
  );
  const history = db.query<{
    attempt: number;
    started_at: string;
    way: CommitmentAttempt['way'];
    outcome: CommitmentAttempt['outcome'];
    detail: string | null;
  }>(
    `SELECT a.attempt, a.started_at, a.way, a.outcome, a.detail
     FROM commitments c JOIN commitment_attempts a USING (commitment) WHERE c.commitment_id = ? ORDER BY a.entry`,
  );
  const backlog = db.query<{ source: string; state: CommitmentState; commitments: number }>(
    'SELECT source, state, count(*) AS commitments FROM commitments GROUP BY source, state',
  );
  const list = openList<CommitmentTableRow>(db, {
    select: SELECT,
    key: 'c.commitment',
    find: 'SELECT commitment AS key FROM commitments WHERE commitment_id = ?',
  });

  return {
    *due(by: Date, limit: number, whose?: Whose): Script<readonly CommitmentRow[]> {
      return (yield* due.all(by.getTime(), ...parametersOf(db, whose), limit)).map(toRow);
    },
    *evidence(commitmentId: string): Script<readonly CommitmentEvidence[]> {
      return (yield* evidence.all(commitmentId)).map(toEvidence);
    },
    *items(commitmentId: string): Script<readonly CommitmentItem[]> {
      return (yield* items.all(commitmentId)).map((row) => ({
        sopClassUid: row.sop_class_uid,
        sopInstanceUid: row.sop_instance_uid,
        ...(row.failure_reason === null ? {} : { failureReason: row.failure_reason }),
      }));
    },
    *get(
      commitmentId: string,
    ): Script<(CommitmentRow & { readonly history: readonly CommitmentAttempt[] }) | undefined> {
      const row = yield* one.get(commitmentId);
      if (row === undefined) return undefined;
      return {
        ...toRow(row),
        history: (yield* history.all(commitmentId)).map(({ attempt, started_at: startedAt, way, outcome, detail }) => ({
          ...{ attempt, startedAt, way, outcome },
          ...(detail === null ? {} : { detail }),
        })),
      };
    },
    *list(page: Page & { readonly state?: CommitmentState }): Script<readonly CommitmentRow[]> {
      return (yield* list(page, ['c.state = ?', page.state])).map(toRow);
    },
    *backlog(): Script<
      readonly { readonly source: string; readonly state: CommitmentState; readonly commitments: number }[]
    > {
      return (yield* backlog.all()).map(({ source, state, commitments }) => ({ source, state, commitments }));
    },
  };
}

function toEvidence(row: EvidenceRow): CommitmentEvidence {
  const { stored_class: sopClassUid, study_instance_uid: studyInstanceUid, blob, sha256 } = row;
  return {
    item: row.item,
    sopClassUid: row.sop_class_uid,
    sopInstanceUid: row.sop_instance_uid,
    isHeld: row.held === 1,
    ...(sopClassUid === null || studyInstanceUid === null || blob === null || sha256 === null
      ? {}
      : { stored: { sopClassUid, studyInstanceUid, blob, sha256 } }),
  };
}

function toRow(row: CommitmentTableRow): CommitmentRow {
  return {
    commitmentId: row.commitment_id,
    source: row.source,
    transactionUid: row.transaction_uid,
    callingAeTitle: row.calling_ae_title,
    calledAeTitle: row.called_ae_title,
    associationId: row.association_id,
    state: row.state,
    requestedAt: row.requested_at,
    decideBy: new Date(row.decide_by),
    ...(row.decided_at === null ? {} : { decidedAt: row.decided_at }),
    ...(row.ended_at === null ? {} : { endedAt: row.ended_at }),
    attempts: row.attempts,
    ...(row.due_at === null ? {} : { dueAt: new Date(row.due_at) }),
    ...(row.reason === null ? {} : { reason: row.reason }),
    items: row.items,
    failures: row.failures,
  };
}
