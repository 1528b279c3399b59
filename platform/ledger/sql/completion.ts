/** When to judge whether a study is complete, and what is known of it then. */
import type { CommittedList, SourceAnswer } from '../../../core/completion.ts';
import type { SeriesInstanceUid, StudyInstanceUid } from '../../../core/identifiers.ts';
import type { Attributes } from '../../../core/ledger/common.ts';
import type { Provenance } from '../../../core/ledger/instances.ts';
import type { Whose } from '../../../core/ledger/replicas.ts';
import type { CompletionFacts, DueStudy, Release, SeriesRow } from '../../../core/ledger/studies.ts';
import { ofNode, parametersOf } from './nodes.ts';
import type { Database, Script } from './script.ts';

/** A study that gets an instance with every commit and has to be judged at each is judged as often as this. */
const ARRIVAL_LOOK_MS = 1_000;
/** Of what was told of a study and never came. */
const FORGET_AFTER_MS = 86_400_000;

export function completionWrites(db: Database) {
  const postpone = db.query(
    'UPDATE studies SET due_at = ? WHERE study_instance_uid = ? AND timer_version = ? AND due_at IS NOT NULL',
  );
  // By the index of what is due: what is held becomes due with its release.
  const reconsider = db.query('UPDATE studies SET due_at = ? WHERE due_at IS NOT NULL AND holds = 0 AND due_at > ?');
  const looked = db.query(
    `INSERT INTO completion (study_instance_uid, at_arrival, looked_version, looked_at, told_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (study_instance_uid) DO UPDATE SET look_at = NULL, at_arrival = excluded.at_arrival,
       looked_version = excluded.looked_version, looked_at = excluded.looked_at`,
  );
  // A release of what was complete already, because all of it was a repeat, says nothing.
  const release = db.query(
    `INSERT INTO completion (study_instance_uid, look_at, released_at, released_by, told_at)
     SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM studies WHERE study_instance_uid = ? AND due_at IS NULL)
     ON CONFLICT (study_instance_uid) DO UPDATE SET
       look_at = CASE WHEN completion.look_at < excluded.look_at THEN completion.look_at ELSE excluded.look_at END,
       released_at = excluded.released_at, released_by = excluded.released_by
       WHERE completion.released_at IS NULL OR completion.released_at <= excluded.released_at`,
  );
  const answered = db.query(
    `INSERT INTO completion (study_instance_uid, look_at, answer_version, answer_at, answer_attempts, answer_instances,
                             answer_failure, told_at)
     SELECT ?, 0, ?, ?, 1, ?, ?, ? WHERE EXISTS (SELECT 1 FROM studies WHERE study_instance_uid = ? AND due_at IS NOT NULL)
     ON CONFLICT (study_instance_uid) DO UPDATE SET look_at = 0, answer_at = excluded.answer_at,
       answer_attempts = CASE WHEN completion.answer_version = excluded.answer_version
                              THEN completion.answer_attempts + 1 ELSE 1 END,
       answer_version = excluded.answer_version, answer_instances = excluded.answer_instances,
       answer_failure = excluded.answer_failure`,
  );
  const forget = db.query(
    `DELETE FROM completion WHERE told_at < ?
       AND NOT EXISTS (SELECT 1 FROM studies s WHERE s.study_instance_uid = completion.study_instance_uid)`,
  );

  return {
    *postpone(
      now: Date,
      { studyInstanceUid, version }: Pick<DueStudy, 'studyInstanceUid' | 'version'>,
      until: Date | undefined,
      atArrival: boolean,
    ): Script<boolean> {
      // Never null, which would say that nothing is open: an arrival or an operator ends the wait.
      if ((yield* postpone.run(until?.getTime() ?? NEVER, studyInstanceUid, version)) === 0) return false;
      yield* looked.send(studyInstanceUid, atArrival, version, now.getTime(), now.getTime());
      return true;
    },
    *reconsider(now: Date): Script<void> {
      yield* reconsider.send(now.getTime(), now.getTime());
    },
    *release(now: Date, releases: readonly Release[]): Script<void> {
      for (const { studyInstanceUid, releasedAt, releasedBy, lookAt } of releases) {
        yield* release.send(
          ...[studyInstanceUid, lookAt.getTime(), releasedAt.getTime(), releasedBy, now.getTime(), studyInstanceUid],
        );
      }
      yield* forget.send(now.getTime() - FORGET_AFTER_MS);
    },
    *answered(now: Date, studyInstanceUid: StudyInstanceUid, answer: Omit<SourceAnswer, 'attempts'>): Script<void> {
      const { version, atMs, instances, failure } = answer;
      yield* answered.send(studyInstanceUid, version, atMs, instances, failure, now.getTime(), studyInstanceUid);
    },
  };
}

/** A time that does not come: the largest integer a Date can hold. */
const NEVER = 8_640_000_000_000_000;

interface FactsRow {
  readonly study: number;
  readonly source: string;
  readonly timer_version: number;
  readonly instances: number;
  readonly last_received_at: string;
  readonly released_at: number | null;
  readonly released_by: string | null;
  readonly answer_version: number | null;
  readonly answer_at: number | null;
  readonly answer_attempts: number | null;
  readonly answer_instances: number | null;
  readonly answer_failure: string | null;
  readonly is_partly_removed: 0 | 1;
}

export function completionReads(db: Database) {
  // Each part by its own index: of thousands of studies a few are open, of those a few have something to tell.
  const due = db.query<{
    study_instance_uid: StudyInstanceUid;
    timer_version: number;
    due_at: number;
    force_at: number;
  }>(
    `SELECT study_instance_uid, timer_version, due_at, force_at FROM (
       SELECT s.study_instance_uid, s.timer_version, s.due_at, s.force_at FROM studies s
       WHERE s.due_at IS NOT NULL AND s.holds = 0 AND s.due_at <= ? AND ${ofNode('s')}
       UNION
       SELECT s.study_instance_uid, s.timer_version, s.due_at, s.force_at
       FROM completion c JOIN studies s USING (study_instance_uid)
       WHERE c.look_at IS NOT NULL AND c.look_at <= ? AND s.due_at IS NOT NULL AND s.holds = 0 AND ${ofNode('s')}
       UNION
       SELECT s.study_instance_uid, s.timer_version, s.due_at, s.force_at
       FROM completion c JOIN studies s USING (study_instance_uid)
       WHERE c.at_arrival = 1 AND c.looked_at <= ? AND c.looked_version <> s.timer_version
         AND s.due_at IS NOT NULL AND s.holds = 0 AND ${ofNode('s')}
     ) AS judged ORDER BY due_at LIMIT ?`,
  );
  const nextDue = db.query<{ at: number | null }>(
    `SELECT min(at) AS at FROM (
       SELECT min(s.due_at) AS at FROM studies s WHERE s.due_at IS NOT NULL AND s.holds = 0 AND ${ofNode('s')}
       UNION ALL
       SELECT min(c.look_at) FROM completion c JOIN studies s USING (study_instance_uid)
       WHERE c.look_at IS NOT NULL AND s.due_at IS NOT NULL AND s.holds = 0 AND ${ofNode('s')}
       UNION ALL
       SELECT min(c.looked_at) + ${ARRIVAL_LOOK_MS} FROM completion c JOIN studies s USING (study_instance_uid)
       WHERE c.at_arrival = 1 AND c.looked_version <> s.timer_version AND s.due_at IS NOT NULL AND s.holds = 0
         AND ${ofNode('s')}
     ) AS times`,
  );
  const facts = db.query<FactsRow>(
    `SELECT s.study, s.source, s.timer_version, s.instances, s.last_received_at, c.released_at, c.released_by,
            c.answer_version, c.answer_at, c.answer_attempts, c.answer_instances, c.answer_failure,
            EXISTS (SELECT 1 FROM expired_studies e WHERE e.study = s.study) AS is_partly_removed
     FROM studies s LEFT JOIN completion c USING (study_instance_uid)
     WHERE s.study_instance_uid = ? AND s.due_at IS NOT NULL`,
  );
  const series = db.query<{
    series_instance_uid: SeriesInstanceUid;
    provenance: string;
    attributes: string;
    instances: number;
    began_at: string | null;
  }>(
    `SELECT s.series_instance_uid, s.provenance, s.attributes, count(*) AS instances,
            min(i.received_at) FILTER (WHERE i.revision IS NULL) AS began_at
     FROM instances i JOIN series s ON s.series = i.series WHERE i.study = ? GROUP BY s.series ORDER BY s.series`,
  );
  // A long list may come in several requests: together they must name what came, and all they name must be here.
  const commitment = db.query<{
    transaction_uid: string;
    named: number;
    held: number;
    unnamed: number;
  }>(
    `WITH open (sop_instance_uid) AS (SELECT sop_instance_uid FROM instances WHERE study = ? AND revision IS NULL),
          asked (commitment) AS (SELECT DISTINCT commitment FROM open JOIN commitment_items USING (sop_instance_uid))
     SELECT (SELECT transaction_uid FROM commitments WHERE commitment = (SELECT max(commitment) FROM asked)) AS transaction_uid,
            count(DISTINCT c.sop_instance_uid) AS named, count(DISTINCT i.sop_instance_uid) AS held,
            (SELECT count(*) FROM open o
             WHERE NOT EXISTS (SELECT 1 FROM commitment_items n WHERE n.sop_instance_uid = o.sop_instance_uid)) AS unnamed
     FROM asked JOIN commitment_items c USING (commitment) LEFT JOIN instances i USING (sop_instance_uid)
     HAVING count(*) > 0`,
  );

  const received = function* (row: FactsRow): Script<Pick<CompletionFacts, 'beganAtMs' | 'series'>> {
    const rows = yield* series.all(row.study);
    const began = rows.flatMap(({ began_at: at }) => (at === null ? [] : [Date.parse(at)]));
    return {
      beganAtMs: began.length === 0 ? Date.parse(row.last_received_at) : Math.min(...began),
      series: rows.map((each): SeriesRow => ({
        seriesInstanceUid: each.series_instance_uid,
        instances: each.instances,
        provenance: JSON.parse(each.provenance) as Provenance,
        attributes: JSON.parse(each.attributes) as Attributes,
      })),
    };
  };
  const committed = function* (study: number): Script<CommittedList | undefined> {
    const row = yield* commitment.get(study);
    if (row === undefined) return undefined;
    const { transaction_uid: transactionUid, named, held, unnamed } = row;
    return { transactionUid, named, held, isWhole: held === named && unnamed === 0 };
  };

  return {
    *due(now: Date, limit: number, whose?: Whose): Script<readonly DueStudy[]> {
      const of = parametersOf(db, whose);
      const times = [now.getTime(), now.getTime(), now.getTime() - ARRIVAL_LOOK_MS].flatMap((at) => [at, ...of]);
      return (yield* due.all(...times, limit)).map((row) => ({
        studyInstanceUid: row.study_instance_uid,
        version: row.timer_version,
        signal: now.getTime() >= row.force_at ? 'force' : 'quiet',
      }));
    },
    *nextDue(whose?: Whose): Script<Date | undefined> {
      const of = parametersOf(db, whose);
      const at = (yield* nextDue.get(...of, ...of, ...of))?.at ?? null;
      return at === null ? undefined : new Date(at);
    },
    *completionFacts(studyInstanceUid: StudyInstanceUid): Script<CompletionFacts | undefined> {
      const row = yield* facts.get(studyInstanceUid);
      if (row === undefined) return undefined;
      const list = yield* committed(row.study);
      const answer = answerOf(row);
      return {
        studyInstanceUid,
        source: row.source,
        version: row.timer_version,
        instances: row.instances,
        lastReceivedAtMs: Date.parse(row.last_received_at),
        ...(yield* received(row)),
        ...(row.is_partly_removed === 1 ? { isPartlyRemoved: true as const } : {}),
        ...(row.released_at === null ? {} : { releasedAtMs: row.released_at }),
        ...(row.released_by === null ? {} : { releasedBy: row.released_by }),
        ...(list === undefined ? {} : { commitment: list }),
        ...(answer === undefined ? {} : { answer }),
      };
    },
  };
}

function answerOf(row: FactsRow): SourceAnswer | undefined {
  if (row.answer_version === null || row.answer_at === null) return undefined;
  return {
    version: row.answer_version,
    atMs: row.answer_at,
    attempts: row.answer_attempts ?? 0,
    ...(row.answer_instances === null ? {} : { instances: row.answer_instances }),
    ...(row.answer_failure === null ? {} : { failure: row.answer_failure }),
  };
}
