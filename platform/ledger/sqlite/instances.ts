/** Instances as they come from the spool: their rows, their study's and series' rows, the completion timer, the fact. */
import type { SeriesInstanceUid, SopInstanceUid, StudyInstanceUid } from '../../../core/identifiers.ts';
import type { CompletionRule, RecordOutcome, SpoolPosition, StoredInstance } from '../../../core/ledger.ts';
import type { BlobRef, InstanceItem } from '../../../core/store.ts';
import type { Database } from './driver.ts';
import { type EventLog, type SealedEvent, sealEvent } from './events.ts';
import type { Holds } from './quarantine.ts';

/** An instance as it crosses to the writer: flat, so that the copy is cheap, and with its event checked. */
export interface PreparedInstance extends Omit<StoredInstance, 'attributes'> {
  /** JSON. */
  readonly attributes: string;
  readonly quietMs: number;
  readonly forceMs: number;
  readonly event: SealedEvent;
}

export function prepareInstance(instance: StoredInstance, completion: CompletionRule, now: Date): PreparedInstance {
  const { studyInstanceUid, door, source, associationId } = instance;
  const event = sealEvent(
    {
      type: 'instance.stored',
      stream: 'hub.ingest.v1',
      key: studyInstanceUid,
      data: {
        studyInstanceUid,
        seriesInstanceUid: instance.seriesInstanceUid,
        sopInstanceUid: instance.sopInstanceUid,
        sopClassUid: instance.sopClassUid,
        transferSyntaxUid: instance.transferSyntaxUid,
        blobRef: instance.blob,
        sizeBytes: instance.sizeBytes,
        sha256: instance.sha256,
        door,
        source,
        associationId,
      },
    },
    now,
  );
  return { ...instance, attributes: JSON.stringify(instance.attributes), ...completion, event };
}

/** Puts an instance into its study; what a release from quarantine does too. */
export interface Intake {
  take(instance: PreparedInstance, now: Date): void;
  /** The study of an instance that is taken from now on even though its patient differs. */
  accept(study: StudyInstanceUid, patientDigest: string): void;
}

export function openIntake(db: Database, log: EventLog): Intake {
  // Entries may hold a study that nothing of was stored yet.
  const createStudy = db.query(
    `INSERT INTO studies (study_instance_uid, source, patient_digest, correlation_id, state,
                          first_received_at, last_received_at, quiet_ms, holds)
     VALUES (?, ?, ?, ?, 'receiving', ?, ?, ?,
             (SELECT count(*) FROM quarantine WHERE study_instance_uid = ? AND holds_study = 1 AND state = 'held'))
     ON CONFLICT DO NOTHING`,
  );
  const study = db.query<{ study: number; correlation_id: string }>(
    'SELECT study, correlation_id FROM studies WHERE study_instance_uid = ?',
  );
  // The right-hand sides see the row as it was. The timer starts over with each instance, but never runs past what
  // the first instance of this revision set: a scanner that never stops sending must not keep a study open for ever.
  const receive = db.query(
    `UPDATE studies SET
       instances = instances + 1,
       state = 'receiving',
       last_received_at = ?,
       quiet_ms = ?,
       timer_version = timer_version + 1,
       force_at = coalesce(force_at, ?),
       due_at = min(?, coalesce(force_at, ?))
     WHERE study = ?`,
  );
  const createSeries = db.query(
    'INSERT INTO series (study, series_instance_uid, provenance, attributes) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const insert = db.query(
    `INSERT INTO instances (study, series, sop_instance_uid, sop_class_uid, transfer_syntax_uid, blob, size_bytes,
                            sha256, data_set_sha256, received_at)
     VALUES (?, (SELECT series FROM series WHERE study = ? AND series_instance_uid = ?), ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const accept = db.query(
    `INSERT INTO accepted_patients (study, patient_digest)
     SELECT study, ? FROM studies WHERE study_instance_uid = ? ON CONFLICT DO NOTHING`,
  );

  return {
    take(instance, now) {
      const { studyInstanceUid, seriesInstanceUid, receivedAt, associationId } = instance;
      createStudy.run(
        studyInstanceUid,
        instance.source,
        instance.patientDigest,
        associationId,
        receivedAt,
        receivedAt,
        instance.quietMs,
        studyInstanceUid,
      );
      const row = study.get(studyInstanceUid);
      if (row === undefined) throw new TypeError('a study row was not made');
      createSeries.run(row.study, seriesInstanceUid, provenanceOf(instance), instance.attributes);
      insert.run(
        row.study,
        row.study,
        seriesInstanceUid,
        instance.sopInstanceUid,
        instance.sopClassUid,
        instance.transferSyntaxUid,
        instance.blob,
        instance.sizeBytes,
        instance.sha256,
        instance.dataSetSha256,
        receivedAt,
      );
      const quietAt = now.getTime() + instance.quietMs;
      const forceAt = now.getTime() + instance.forceMs;
      receive.run(receivedAt, instance.quietMs, forceAt, quietAt, forceAt, row.study);
      log.append([{ ...instance.event, correlationId: row.correlation_id }]);
    },
    accept: (uid, patientDigest) => void accept.run(patientDigest, uid),
  };
}

export function instanceWrites(db: Database, intake: Intake, holds: Holds) {
  const digestOf = db.query<{ data_set_sha256: string }>(
    'SELECT data_set_sha256 FROM instances WHERE sop_instance_uid = ?',
  );
  const isOtherPatient = db.query<{ other: 0 | 1 }>(
    `SELECT patient_digest <> ? AND NOT EXISTS (
       SELECT 1 FROM accepted_patients a WHERE a.study = studies.study AND a.patient_digest = ?
     ) AS other FROM studies WHERE study_instance_uid = ?`,
  );
  const position = db.query(
    `INSERT INTO spool_positions (segment, segment_offset) VALUES (?, ?)
     ON CONFLICT DO UPDATE SET segment_offset = max(segment_offset, excluded.segment_offset)`,
  );

  const outcomeOf = (instance: PreparedInstance): RecordOutcome => {
    const known = digestOf.get(instance.sopInstanceUid);
    if (known !== undefined) return known.data_set_sha256 === instance.dataSetSha256 ? 'same' : 'conflict';
    const { patientDigest, studyInstanceUid } = instance;
    return isOtherPatient.get(patientDigest, patientDigest, studyInstanceUid)?.other === 1
      ? 'patient-mismatch'
      : 'stored';
  };

  return {
    record(now: Date, instances: readonly PreparedInstance[], spool: SpoolPosition): readonly RecordOutcome[] {
      const refused = holds.gathering(now);
      const outcomes = instances.map((instance) => {
        const outcome = outcomeOf(instance);
        if (outcome === 'stored') intake.take(instance, now);
        else if (outcome !== 'same') refused.add(instance, outcome);
        return outcome;
      });
      refused.publish();
      position.run(spool.segment, spool.offset);
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

export interface ItemSelection {
  readonly revision?: number;
  readonly series?: readonly SeriesInstanceUid[];
}

export function instanceReads(db: Database) {
  const known = db.query<{ data_set_sha256: string }>(
    'SELECT data_set_sha256 FROM instances WHERE sop_instance_uid = ?',
  );
  // A study with further accepted patients has no one digest to compare with at the door; `record` decides.
  const patient = db.query<{ patient_digest: string }>(
    `SELECT patient_digest FROM studies
     WHERE study_instance_uid = ? AND NOT EXISTS (SELECT 1 FROM accepted_patients a WHERE a.study = studies.study)`,
  );
  const positions = db.query<SpoolPosition>(
    'SELECT segment, segment_offset AS "offset" FROM spool_positions ORDER BY segment',
  );
  const items = db.query<ItemRow>(
    `WITH given (study_instance_uid, revision, chosen) AS (SELECT ?, ?, ?)
     SELECT given.study_instance_uid, s.series_instance_uid, i.sop_instance_uid, i.sop_class_uid,
            i.transfer_syntax_uid, i.blob, i.size_bytes, i.sha256
     FROM given JOIN studies USING (study_instance_uid) JOIN instances i USING (study) JOIN series s USING (series)
     WHERE (given.revision IS NULL OR (i.revision <= given.revision AND EXISTS (
              SELECT 1 FROM instances n
              WHERE n.study = i.study AND n.series = i.series AND n.revision = given.revision)))
       AND (given.chosen IS NULL OR s.series_instance_uid IN (SELECT value FROM json_each(given.chosen)))
     ORDER BY i.instance`,
  );

  return {
    known(sop: SopInstanceUid, study: StudyInstanceUid) {
      const instance = known.get(sop);
      const digest = patient.get(study);
      return {
        ...(instance === undefined ? {} : { dataSetSha256: instance.data_set_sha256 }),
        ...(digest === undefined ? {} : { patientDigest: digest.patient_digest }),
      };
    },
    spoolPositions: (): readonly SpoolPosition[] => positions.all().map(({ segment, offset }) => ({ segment, offset })),
    ofStudy: (study: StudyInstanceUid, { revision, series }: ItemSelection = {}): readonly InstanceItem[] =>
      items.all(study, revision, series === undefined ? undefined : JSON.stringify(series)).map(toItem),
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

function provenanceOf(instance: PreparedInstance): string {
  const { door, source, callingAeTitle, calledAeTitle, associationId } = instance;
  return JSON.stringify({ door, source, callingAeTitle, calledAeTitle, associationId });
}
