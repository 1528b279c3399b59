/** Studies: when one is complete, and what is known of it. */
import { HubError } from '../../../core/errors.ts';
import type { SeriesInstanceUid, StudyInstanceUid } from '../../../core/identifiers.ts';
import type { Attributes, Page } from '../../../core/ledger/common.ts';
import type { Provenance } from '../../../core/ledger/instances.ts';
import type { DueStudy, SeriesRow, StudyRow } from '../../../core/ledger/studies.ts';
import type { Database, Script } from './script.ts';
import type { EventLog } from './events.ts';
import { studyLock } from './locks.ts';
import { openList } from './page.ts';

type Due =
  | DueStudy
  | { readonly studyInstanceUid: StudyInstanceUid; readonly signal: 'manual'; readonly configVersion?: string };

export function studyWrites(db: Database, log: EventLog) {
  const find = db.query<{
    readonly study: number;
    readonly revision: number;
    readonly source: string;
    readonly correlation_id: string;
    readonly quiet_ms: number;
    readonly timer_version: number;
    readonly due_at: number | null;
    readonly holds: number;
  }>(`SELECT * FROM studies WHERE study_instance_uid = ?${db.dialect.forUpdate}`);
  const open = db.query('UPDATE instances SET revision = ? WHERE study = ? AND revision IS NULL');
  const endSuperseded = db.query(
    `UPDATE superseded_instances SET revision = coalesce(revision, ?), ended_revision = ?
     WHERE study = ? AND ended_revision IS NULL`,
  );
  const close = db.query(
    `UPDATE studies SET state = 'completed', revision = ?, completed_at = ?, due_at = NULL, force_at = NULL,
                        timer_version = timer_version + 1
     WHERE study = ?`,
  );
  const forget = db.query('DELETE FROM completion WHERE study_instance_uid = ?');
  const count = db.query<{ instances: number }>(
    `SELECT count(*) AS instances FROM instances i
     WHERE i.study = ? AND i.series IN (SELECT series FROM instances n WHERE n.study = ? AND n.revision = ?)`,
  );

  return {
    *complete(now: Date, due: Due): Script<boolean> {
      yield* db.lock(studyLock(due.studyInstanceUid));
      const row = yield* find.get(due.studyInstanceUid);
      if (row === undefined) {
        if (due.signal !== 'manual') return false;
        throw new HubError('resource.not-found', { studyInstanceUid: due.studyInstanceUid });
      }
      // Between `due` and here an instance may have come in, or another watcher may have been faster.
      if (row.due_at === null || row.holds > 0) return false;
      if (due.signal !== 'manual' && row.timer_version !== due.version) return false;

      const revision = row.revision + 1;
      yield* open.send(revision, row.study);
      yield* endSuperseded.send(revision, revision, row.study);
      yield* close.send(revision, now.getTime(), row.study);
      yield* forget.send(due.studyInstanceUid);
      yield* log.publish(
        {
          type: 'study.completed',
          stream: 'hub.ingest.v1',
          key: due.studyInstanceUid,
          correlationId: row.correlation_id,
          data: {
            studyInstanceUid: due.studyInstanceUid,
            revision,
            instances: (yield* count.get(row.study, row.study, revision))?.instances ?? 0,
            source: row.source,
            signal: due.signal,
            quietMs: due.signal === 'manual' ? row.quiet_ms : (due.quietMs ?? row.quiet_ms),
            ...(due.configVersion === undefined ? {} : { configVersion: due.configVersion }),
            ...(due.signal === 'manual' || due.evidence === undefined ? {} : { evidence: [...due.evidence] }),
          },
        },
        now,
      );
      return true;
    },
  };
}

interface StudyTableRow {
  readonly study_instance_uid: StudyInstanceUid;
  readonly revision: number;
  readonly source: string;
  readonly instances: number;
  readonly first_received_at: string;
  readonly last_received_at: string;
  readonly correlation_id: string;
  readonly holds: number;
  readonly state: StudyRow['state'];
  readonly expired_at: string | null;
}

export function studyReads(db: Database) {
  const select = `SELECT studies.*, (SELECT expired_at FROM expired_studies e
    WHERE e.study = studies.study AND e.revision >= studies.revision) AS expired_at FROM studies`;
  const one = db.query<StudyTableRow>(`${select} WHERE study_instance_uid = ?`);
  const list = openList<StudyTableRow>(db, {
    select,
    key: 'study',
    find: 'SELECT study AS key FROM studies WHERE study_instance_uid = ?',
  });
  const series = db.query<{
    series_instance_uid: SeriesInstanceUid;
    instances: number;
    provenance: string;
    attributes: string;
  }>(
    // A constant goes into both halves of the view; a joined study would read every instance there is.
    `WITH given (study, revision) AS (SELECT (SELECT study FROM studies WHERE study_instance_uid = ?), CAST(? AS BIGINT))
     SELECT s.series_instance_uid,
            coalesce((SELECT o.series_provenance FROM superseded_instances o
                      WHERE o.study = s.study AND o.series = s.series AND given.revision IS NOT NULL
                        AND (o.ended_revision IS NULL OR o.ended_revision > given.revision)
                      ORDER BY o.entry LIMIT 1), s.provenance) AS provenance,
            coalesce((SELECT o.series_attributes FROM superseded_instances o
                      WHERE o.study = s.study AND o.series = s.series AND given.revision IS NOT NULL
                        AND (o.ended_revision IS NULL OR o.ended_revision > given.revision)
                      ORDER BY o.entry LIMIT 1), s.attributes) AS attributes,
            count(i.instance) FILTER (
              WHERE CASE WHEN given.revision IS NULL THEN i.is_current = 1
                    ELSE i.revision <= given.revision
                         AND (i.ended_revision IS NULL OR i.ended_revision > given.revision) END) AS instances
     FROM given, instance_versions i JOIN series s USING (series)
     WHERE i.study = (SELECT study FROM given)
     GROUP BY s.series, given.revision
     HAVING given.revision IS NULL OR count(i.instance) FILTER (WHERE i.revision = given.revision) > 0
     ORDER BY s.series`,
  );

  return {
    *get(study: StudyInstanceUid): Script<StudyRow | undefined> {
      const row = yield* one.get(study);
      return row === undefined ? undefined : toStudy(row);
    },
    *series(study: StudyInstanceUid, revision?: number): Script<readonly SeriesRow[]> {
      return (yield* series.all(study, revision)).map((row) => ({
        seriesInstanceUid: row.series_instance_uid,
        instances: row.instances,
        provenance: JSON.parse(row.provenance) as Provenance,
        attributes: JSON.parse(row.attributes) as Attributes,
      }));
    },
    *list(page: Page & { readonly state?: StudyRow['state'] }): Script<readonly StudyRow[]> {
      return (yield* list(page, ['state = ?', page.state])).map(toStudy);
    },
  };
}

function toStudy(row: StudyTableRow): StudyRow {
  return {
    studyInstanceUid: row.study_instance_uid,
    revision: row.revision,
    source: row.source,
    instances: row.instances,
    firstReceivedAt: row.first_received_at,
    lastReceivedAt: row.last_received_at,
    correlationId: row.correlation_id,
    held: row.holds > 0,
    state: row.state,
    ...(row.expired_at === null ? {} : { expiredAt: row.expired_at }),
  };
}
