/** Instances as they come from the spool, and what is known of them. */
import type {
  SeriesInstanceUid,
  SopInstanceUid,
  StudyInstanceUid,
  TransferSyntaxUid,
} from '../../../core/identifiers.ts';
import type { InstanceVersion, RecordOutcome, SpoolPosition } from '../../../core/ledger/instances.ts';
import type { BlobRef, InstanceItem } from '../../../core/store.ts';
import type { Database, Script } from './script.ts';
import type { Intake, PreparedInstance } from './intake.ts';
import type { Holds } from './quarantine.ts';

/** Where a spool stands never goes back: a repeated call may be behind another. */
export const KEEP_FURTHEST = `ON CONFLICT (node, segment) DO UPDATE SET segment_offset =
       CASE WHEN spool_positions.segment_offset > excluded.segment_offset
            THEN spool_positions.segment_offset ELSE excluded.segment_offset END`;

export function instanceWrites(db: Database, intake: Intake, holds: Holds) {
  const position = db.query(
    `INSERT INTO spool_positions (node, segment, segment_offset) VALUES (?, ?, ?)
     ${KEEP_FURTHEST}`,
  );

  return {
    *record(now: Date, instances: readonly PreparedInstance[], spool: SpoolPosition): Script<readonly RecordOutcome[]> {
      const refused = holds.gathering(now);
      const outcomes: RecordOutcome[] = [];
      yield* intake.lock(instances);
      for (const instance of instances) {
        const outcome = yield* intake.settle(instance, now, quietSince(instance, now));
        if (outcome === 'conflict' || outcome === 'patient-mismatch') yield* refused.add(instance, outcome);
        outcomes.push(outcome);
      }
      yield* refused.publish();
      yield* position.send(db.node, spool.segment, spool.offset);
      return outcomes;
    },
  };
}

interface ItemRow {
  readonly study_instance_uid: string;
  readonly series_instance_uid: string;
  readonly sop_instance_uid: string;
  readonly sop_class_uid: string;
  readonly transfer_syntax_uid: string;
  readonly blob: BlobRef;
  readonly size_bytes: number;
  readonly sha256: string;
}

interface VersionRow {
  readonly study_instance_uid: StudyInstanceUid;
  readonly series_instance_uid: SeriesInstanceUid;
  readonly transfer_syntax_uid: TransferSyntaxUid;
  readonly blob: BlobRef;
  readonly data_set_sha256: string;
  readonly is_current: 0 | 1;
}

interface Known {
  readonly dataSetSha256?: string;
  readonly patientDigest?: string;
  readonly otherPatients?: readonly string[];
}

export interface ItemSelection {
  readonly revision?: number;
  readonly series?: readonly SeriesInstanceUid[];
}

export function instanceReads(db: Database) {
  // Asked before each acknowledgement: one statement takes the file's locks once.
  const known = db.query<{ data_set_sha256: string | null; patient_digest: string | null; others: string | null }>(
    `SELECT (SELECT data_set_sha256 FROM instances WHERE sop_instance_uid = ?) AS data_set_sha256,
            s.patient_digest, (SELECT string_agg(a.patient_digest, ',') FROM accepted_patients a WHERE a.study = s.study) AS others
     FROM (SELECT 1 AS one) AS given LEFT JOIN studies s ON s.study_instance_uid = ?`,
  );
  const positions = db.query<SpoolPosition>(
    'SELECT segment, segment_offset AS "offset" FROM spool_positions WHERE node = ? ORDER BY segment',
  );
  // Without a revision: what is current. With one: what was current in it, of the series that it touched.
  const items = db.query<ItemRow>(
    // A constant goes into both halves of the view; a joined study would read every instance there is.
    `WITH given (study_instance_uid, revision, chosen) AS (SELECT CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS TEXT))
     SELECT given.study_instance_uid, s.series_instance_uid, i.sop_instance_uid, i.sop_class_uid,
            i.transfer_syntax_uid, i.blob, i.size_bytes, i.sha256
     FROM given, instance_versions i JOIN series s USING (series)
     WHERE i.study = (SELECT study FROM studies JOIN given USING (study_instance_uid))
       AND CASE WHEN given.revision IS NULL THEN i.is_current = 1
           ELSE i.revision <= given.revision AND (i.ended_revision IS NULL OR i.ended_revision > given.revision)
                AND (EXISTS (SELECT 1 FROM instances n
                             WHERE n.study = i.study AND n.series = i.series AND n.revision = given.revision)
                     OR EXISTS (SELECT 1 FROM superseded_instances n
                                WHERE n.study = i.study AND n.series = i.series AND n.revision = given.revision)) END
       AND (given.chosen IS NULL OR s.series_instance_uid IN (${db.dialect.valuesOf('given.chosen')}))
     ORDER BY i.instance`,
  );
  const one = db.query<ItemRow>(
    `SELECT t.study_instance_uid, s.series_instance_uid, i.sop_instance_uid, i.sop_class_uid,
            i.transfer_syntax_uid, i.blob, i.size_bytes, i.sha256
     FROM instances i JOIN studies t USING (study) JOIN series s USING (series)
     WHERE i.sop_instance_uid = ? AND t.study_instance_uid = ? AND s.series_instance_uid = coalesce(?, s.series_instance_uid)`,
  );
  const versions = db.query<VersionRow>(
    `SELECT st.study_instance_uid, s.series_instance_uid, v.transfer_syntax_uid, v.blob, v.data_set_sha256, v.is_current
     FROM (SELECT study, series, transfer_syntax_uid, blob, data_set_sha256, 0 AS is_current, entry AS place
           FROM superseded_instances WHERE sop_instance_uid = ?
           UNION ALL
           SELECT study, series, transfer_syntax_uid, blob, data_set_sha256, 1, 0
           FROM instances WHERE sop_instance_uid = ?) v
     JOIN studies st USING (study) JOIN series s USING (series) ORDER BY v.is_current, v.place`,
  );

  return {
    *known(sop: SopInstanceUid, study: StudyInstanceUid): Script<Known> {
      const row = yield* known.get(sop, study);
      const { data_set_sha256: dataSetSha256 = null, patient_digest: patientDigest = null, others = null } = row ?? {};
      return {
        ...(dataSetSha256 === null ? {} : { dataSetSha256 }),
        ...(patientDigest === null ? {} : { patientDigest }),
        ...(others === null ? {} : { otherPatients: others.split(',') }),
      };
    },
    *versions(sop: SopInstanceUid): Script<readonly InstanceVersion[]> {
      return (yield* versions.all(sop, sop)).map((row) => ({
        studyInstanceUid: row.study_instance_uid,
        seriesInstanceUid: row.series_instance_uid,
        transferSyntaxUid: row.transfer_syntax_uid,
        blob: row.blob,
        dataSetSha256: row.data_set_sha256,
        isCurrent: row.is_current === 1,
      }));
    },
    *spoolPositions(): Script<readonly SpoolPosition[]> {
      return (yield* positions.all(db.node)).map(({ segment, offset }) => ({ segment, offset }));
    },
    *ofStudy(study: StudyInstanceUid, { revision, series }: ItemSelection = {}): Script<readonly InstanceItem[]> {
      return (yield* items.all(study, revision, series === undefined ? undefined : JSON.stringify(series))).map(toItem);
    },
    *one(
      study: StudyInstanceUid,
      instance: SopInstanceUid,
      series?: SeriesInstanceUid,
    ): Script<InstanceItem | undefined> {
      const row = yield* one.get(instance, study, series);
      return row === undefined ? undefined : toItem(row);
    },
  };
}

function toItem(row: ItemRow): InstanceItem {
  return {
    kind: 'instance',
    studyInstanceUid: row.study_instance_uid,
    seriesInstanceUid: row.series_instance_uid,
    sopInstanceUid: row.sop_instance_uid,
    sopClassUid: row.sop_class_uid,
    transferSyntaxUid: row.transfer_syntax_uid,
    blob: row.blob,
    sizeBytes: row.size_bytes,
    sha256: row.sha256,
  };
}

/** The ledger hears of an instance a moment late, with company. What is later than that is a backlog, or told by another clock. */
const TOLD_WITHIN_MS = 1_000;

/** The sender has been quiet since its last byte: the moment the ledger takes to hear of it is part of the quiet period. */
function quietSince({ receivedAt }: PreparedInstance, now: Date): Date {
  const received = new Date(receivedAt);
  const lateMs = now.getTime() - received.getTime();
  return lateMs >= 0 && lateMs <= TOLD_WITHIN_MS ? received : now;
}
