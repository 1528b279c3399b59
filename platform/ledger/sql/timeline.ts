/** The history of one study, put together from everything that bears its UID. */
import type { StudyInstanceUid } from '../../../core/identifiers.ts';
import type { TimelineEntry } from '../../../core/ledger/studies.ts';
import type { Database, Script } from './script.ts';

interface TimelineRow {
  readonly rank: number;
  readonly tie: number;
  readonly at: string;
  readonly what: string;
  readonly fields: string;
}

/** Of the facts: between what was received and held, and the work. */
const EVENT_RANK = 3;

/**
 * What happened at the same millisecond is told in the order of cause and effect: received, decided, worked, delivered.
 * Instances are told by series and revision: a study has thousands.
 */
export function timelineReads(db: Database): (study: StudyInstanceUid) => Script<readonly TimelineEntry[]> {
  const { object } = db.dialect;
  const statement = db.query<TimelineRow>(
    `WITH given (uid) AS (SELECT CAST(? AS TEXT)), own (study) AS (SELECT study FROM studies, given WHERE study_instance_uid = uid)
     SELECT 0 AS rank, min(i.instance) AS tie, min(i.received_at) AS at, 'series.received' AS what,
            ${object(`'seriesInstanceUid', s.series_instance_uid, 'instances', count(*), 'revision', i.revision,
                        'lastReceivedAt', max(i.received_at)`)} AS fields
       FROM instance_versions i JOIN series s USING (series) WHERE i.study = (SELECT study FROM own) GROUP BY s.series, i.revision
     UNION ALL
     SELECT 0, first_instance, first_received_at, 'series.received',
            ${object(`'seriesInstanceUid', series_instance_uid, 'instances', instances, 'revision', revision,
                        'lastReceivedAt', last_received_at`)}
       FROM expired_series e JOIN series USING (series) WHERE e.study = (SELECT study FROM own)
     UNION ALL
     SELECT 0, entry, replaced_at, 'instance.replaced',
            ${object(`'sopInstanceUid', sop_instance_uid, 'sha256', sha256, 'receivedAt', received_at,
                        'revision', revision, 'endedRevision', ended_revision`)}
       FROM superseded_instances WHERE study = (SELECT study FROM own)
     UNION ALL
     SELECT 8, study, expired_at, 'study.expired', ${object(`'revision', revision`)}
       FROM expired_studies WHERE study = (SELECT study FROM own)
     UNION ALL
     SELECT 1, entry, created_at, 'quarantine.held',
            ${object(`'quarantineId', quarantine_id, 'stage', stage, 'reason', reason, 'detail', detail, 'state', state`)}
       FROM quarantine JOIN given ON study_instance_uid = uid
     UNION ALL
     SELECT 2, entry, ended_at, 'quarantine.released', ${object(`'quarantineId', quarantine_id, 'reason', reason`)}
       FROM quarantine JOIN given ON study_instance_uid = uid WHERE ended_at IS NOT NULL
     UNION ALL
     SELECT 4, run, created_at, 'run.opened',
            ${object(`'runId', run_id, 'route', route, 'revision', revision, 'state', state, 'replayOf', replay_of`)}
       FROM runs r WHERE r.study = (SELECT study FROM own)
     UNION ALL
     SELECT 5, job * 1000 + a.attempt, a.started_at, 'job.attempted',
            ${object(`'runId', run_id, 'jobId', job_id, 'processor', processor, 'step', step, 'attempt', a.attempt,
                        'outcome', a.outcome, 'reason', a.reason, 'endedAt', a.ended_at`)}
       FROM runs r JOIN jobs USING (run) JOIN job_attempts a USING (job) WHERE r.study = (SELECT study FROM own)
     UNION ALL
     SELECT 6, delivery, d.created_at, 'delivery.opened',
            ${object(`'deliveryId', delivery_id, 'runId', run_id, 'destination', destination, 'state', d.state`)}
       FROM runs r JOIN deliveries d USING (run) WHERE r.study = (SELECT study FROM own)
     UNION ALL
     SELECT 7, entry, started_at, 'delivery.attempted',
            ${object(`'deliveryId', delivery_id, 'destination', destination, 'attempt', a.attempt, 'outcome', a.outcome,
                        'code', a.code, 'retry', a.retry, 'detail', detail, 'durationMs', duration_ms`)}
       FROM runs r JOIN deliveries USING (run) JOIN delivery_attempts a USING (delivery) WHERE r.study = (SELECT study FROM own)
     UNION ALL
     SELECT 8, delivery, CAST(d.ready_at AS TEXT), 'delivery.cancelled',
            ${object(`'deliveryId', delivery_id, 'runId', run_id, 'destination', destination, 'reason', d.reason`)}
       FROM runs r JOIN deliveries d USING (run) WHERE r.study = (SELECT study FROM own) AND d.state = 'cancelled'`,
  );
  const events = db.query<{ position: number; id: string; time: string; type: string; data: string }>(
    `SELECT position, id, time, type, data FROM events WHERE key = ? AND type <> 'instance.stored' ORDER BY position`,
  );
  return function* (study) {
    const rows = (yield* statement.all(study)).map(({ rank, tie, at, what, fields }) => ({
      rank,
      tie,
      // Of a delivery that was given up, only when: in milliseconds.
      at: /^\d+$/.test(at) ? new Date(Number(at)).toISOString() : at,
      what,
      fields: withoutNulls(objectOf(fields)),
    }));
    const facts = (yield* events.all(study)).map(({ position, id, time, type, data }) => ({
      rank: EVENT_RANK,
      tie: position,
      at: time,
      what: type,
      fields: withoutNulls({ ...objectOf(data), eventId: id }),
    }));
    return [...rows, ...facts].toSorted(inOrder).map(({ at, what, fields }) => ({ at, what, fields }));
  };
}

interface Ranked {
  readonly rank: number;
  readonly tie: number;
  readonly at: string;
}

function inOrder(one: Ranked, other: Ranked): number {
  if (one.at !== other.at) return one.at < other.at ? -1 : 1;
  return one.rank - other.rank || one.tie - other.tie;
}

function objectOf(json: string): Readonly<Record<string, unknown>> {
  return JSON.parse(json) as Readonly<Record<string, unknown>>;
}

function withoutNulls(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
