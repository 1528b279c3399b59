/** The history of one study, put together from everything that bears its UID. */
import type { StudyInstanceUid } from '../../../core/identifiers.ts';
import type { TimelineEntry } from '../../../core/ledger.ts';
import type { Database } from './driver.ts';

interface TimelineRow {
  readonly at: string;
  readonly what: string;
  readonly fields: string;
}

/**
 * What happened at the same millisecond is told in the order of cause and effect: received, decided, worked, delivered.
 * Instances are told by series and revision: a study has thousands.
 */
export function timelineReads(db: Database): (study: StudyInstanceUid) => readonly TimelineEntry[] {
  const statement = db.query<TimelineRow>(
    `WITH given (uid) AS (SELECT ?), own (study) AS (SELECT study FROM studies, given WHERE study_instance_uid = uid)
     SELECT 0 AS rank, min(i.instance) AS tie, min(i.received_at) AS at, 'series.received' AS what,
            json_object('seriesInstanceUid', s.series_instance_uid, 'instances', count(*), 'revision', i.revision,
                        'lastReceivedAt', max(i.received_at)) AS fields
       FROM instance_versions i JOIN series s USING (series) WHERE i.study = (SELECT study FROM own) GROUP BY i.series, i.revision
     UNION ALL
     SELECT 0, first_instance, first_received_at, 'series.received',
            json_object('seriesInstanceUid', series_instance_uid, 'instances', instances, 'revision', revision,
                        'lastReceivedAt', last_received_at)
       FROM own JOIN expired_series USING (study) JOIN series USING (series)
     UNION ALL
     SELECT 0, entry, replaced_at, 'instance.replaced',
            json_object('sopInstanceUid', sop_instance_uid, 'sha256', sha256, 'receivedAt', received_at,
                        'revision', revision, 'endedRevision', ended_revision)
       FROM own JOIN superseded_instances USING (study)
     UNION ALL
     SELECT 8, study, expired_at, 'study.expired', json_object('revision', revision)
       FROM own JOIN expired_studies USING (study)
     UNION ALL
     SELECT 1, entry, created_at, 'quarantine.held',
            json_object('quarantineId', quarantine_id, 'stage', stage, 'reason', reason, 'detail', detail, 'state', state)
       FROM quarantine JOIN given ON study_instance_uid = uid
     UNION ALL
     SELECT 2, entry, ended_at, 'quarantine.released', json_object('quarantineId', quarantine_id, 'reason', reason)
       FROM quarantine JOIN given ON study_instance_uid = uid WHERE ended_at IS NOT NULL
     UNION ALL
     SELECT 3, position, time, type, json_set(data, '$.eventId', id)
       FROM events JOIN given ON key = uid WHERE type <> 'instance.stored'
     UNION ALL
     SELECT 4, run, created_at, 'run.opened',
            json_object('runId', run_id, 'route', route, 'revision', revision, 'state', state, 'replayOf', replay_of)
       FROM own JOIN runs USING (study)
     UNION ALL
     SELECT 5, job * 1000 + a.attempt, a.started_at, 'job.attempted',
            json_object('runId', run_id, 'jobId', job_id, 'processor', processor, 'step', step, 'attempt', a.attempt,
                        'outcome', a.outcome, 'reason', a.reason, 'endedAt', a.ended_at)
       FROM own JOIN runs USING (study) JOIN jobs USING (run) JOIN job_attempts a USING (job)
     UNION ALL
     SELECT 6, delivery, d.created_at, 'delivery.opened',
            json_object('deliveryId', delivery_id, 'runId', run_id, 'destination', destination, 'state', d.state)
       FROM own JOIN runs USING (study) JOIN deliveries d USING (run)
     UNION ALL
     SELECT 7, entry, started_at, 'delivery.attempted',
            json_object('deliveryId', delivery_id, 'destination', destination, 'attempt', a.attempt, 'outcome', outcome,
                        'code', code, 'retry', retry, 'detail', detail, 'durationMs', duration_ms)
       FROM own JOIN runs USING (study) JOIN deliveries USING (run) JOIN delivery_attempts a USING (delivery)
     UNION ALL
     SELECT 8, delivery, strftime('%Y-%m-%dT%H:%M:%fZ', d.ready_at / 1000.0, 'unixepoch'), 'delivery.cancelled',
            json_object('deliveryId', delivery_id, 'runId', run_id, 'destination', destination, 'reason', d.reason)
       FROM own JOIN runs USING (study) JOIN deliveries d USING (run) WHERE d.state = 'cancelled'
     ORDER BY at, rank, tie`,
  );
  return (study) =>
    statement.all(study).map(({ at, what, fields }) => ({
      at,
      what,
      fields: withoutNulls(JSON.parse(fields) as Readonly<Record<string, unknown>>),
    }));
}

function withoutNulls(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
