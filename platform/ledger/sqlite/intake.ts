/** Taking an instance into its study, or not: its rows, its study's and series' rows, the completion timer, the fact. */
import type { StudyInstanceUid } from '../../../core/identifiers.ts';
import type { CompletionRule, RecordOutcome, SameUidRule, StoredInstance } from '../../../core/ledger.ts';
import type { Database } from './driver.ts';
import { type EventLog, type SealedEvent, sealEvent } from './events.ts';

/** An instance as it crosses to the writer: flat, so that the copy is cheap, and with its event checked. */
export interface PreparedInstance extends Omit<StoredInstance, 'attributes'> {
  /** JSON. */
  readonly attributes: string;
  readonly instanceNumber?: number;
  readonly quietMs: number;
  readonly forceMs: number;
  /** Absent: like `quietMs`. */
  readonly lookMs?: number;
  readonly sameUid: SameUidRule;
  readonly event: SealedEvent;
}

export function prepareInstance(
  instance: StoredInstance,
  completion: CompletionRule,
  sameUid: SameUidRule,
  now: Date,
): PreparedInstance {
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
  const instanceNumber = Number.parseInt(instance.attributes['InstanceNumber']?.[0] ?? '', 10);
  return {
    ...instance,
    attributes: JSON.stringify(instance.attributes),
    ...(Number.isSafeInteger(instanceNumber) ? { instanceNumber } : {}),
    ...completion,
    sameUid,
    event,
  };
}

/** Puts an instance into its study; what a release from quarantine does too. */
export interface Intake {
  /** Decides what the instance is to the ledger, and takes it in when it is new or a new version. */
  settle(instance: PreparedInstance, now: Date): RecordOutcome;
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
  // Of the first series, which is what a search tells of the study: nothing of it is done for the instances that follow.
  const describeStudy = db.query(
    `INSERT OR REPLACE INTO study_headers
     SELECT study, name_group(a ->> '$.PatientName[0]', 0), name_group(a ->> '$.PatientName[0]', 1),
            name_group(a ->> '$.PatientName[0]', 2), name_group(a ->> '$.ReferringPhysicianName[0]', 0),
            name_group(a ->> '$.ReferringPhysicianName[0]', 1), name_group(a ->> '$.ReferringPhysicianName[0]', 2),
            a ->> '$.PatientID[0]', replace(a ->> '$.PatientBirthDate[0]', '.', ''),
            replace(a ->> '$.StudyDate[0]', '.', ''), replace(a ->> '$.StudyTime[0]', ':', ''),
            a ->> '$.AccessionNumber[0]', a ->> '$.StudyID[0]', a ->> '$.StudyDescription[0]'
     FROM (SELECT study, (SELECT attributes FROM series WHERE series.study = studies.study ORDER BY series LIMIT 1) AS a
           FROM studies WHERE study_instance_uid = ?)`,
  );
  const study = db.query<{ study: number; correlation_id: string }>(
    'SELECT study, correlation_id FROM studies WHERE study_instance_uid = ?',
  );
  // The right-hand sides see the row as it was. The timer starts over with each instance, but never runs past what
  // the first instance of this revision set: a scanner that never stops sending must not keep a study open for ever.
  const receive = db.query(
    `UPDATE studies SET
       instances = instances + ?,
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
  const describeSeriesHeader = db.query(
    `INSERT OR REPLACE INTO series_headers
     SELECT series, study, a ->> '$.Modality[0]', CAST(a ->> '$.SeriesNumber[0]' AS INTEGER),
            a ->> '$.SeriesDescription[0]', replace(a ->> '$.PerformedProcedureStepStartDate[0]', '.', ''),
            replace(a ->> '$.PerformedProcedureStepStartTime[0]', ':', '')
     FROM (SELECT series, study, ? AS a FROM series WHERE study = ? AND series_instance_uid = ?)`,
  );
  const insert = db.query(
    `INSERT INTO instances (study, series, sop_instance_uid, sop_class_uid, transfer_syntax_uid, blob, size_bytes,
                            sha256, data_set_sha256, received_at, instance_number)
     VALUES (?, (SELECT series FROM series WHERE study = ? AND series_instance_uid = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const accept = db.query(
    `INSERT INTO accepted_patients (study, patient_digest)
     SELECT study, ? FROM studies WHERE study_instance_uid = ? ON CONFLICT DO NOTHING`,
  );

  const current = db.query<{
    readonly instance: number;
    readonly data_set_sha256: string;
    readonly study_instance_uid: string;
    readonly series_instance_uid: string;
  }>(
    `SELECT i.instance, i.data_set_sha256, st.study_instance_uid, s.series_instance_uid
     FROM instances i JOIN studies st USING (study) JOIN series s USING (series) WHERE i.sop_instance_uid = ?`,
  );
  const earlier = db.query<{ found: 1 }>(
    'SELECT 1 AS found FROM superseded_instances WHERE sop_instance_uid = ? AND data_set_sha256 = ?',
  );
  const isOtherPatient = db.query<{ other: 0 | 1 }>(
    `SELECT patient_digest <> ? AND NOT EXISTS (
       SELECT 1 FROM accepted_patients a WHERE a.study = studies.study AND a.patient_digest = ?
     ) AS other FROM studies WHERE study_instance_uid = ?`,
  );
  const supersede = db.query(
    `INSERT INTO superseded_instances (instance, study, series, revision, sop_instance_uid, sop_class_uid,
                                       transfer_syntax_uid, blob, size_bytes, sha256, data_set_sha256, received_at,
                                       replaced_at, series_provenance, series_attributes)
     SELECT i.instance, i.study, i.series, i.revision, i.sop_instance_uid, i.sop_class_uid, i.transfer_syntax_uid, i.blob,
            i.size_bytes, i.sha256, i.data_set_sha256, i.received_at, ?, s.provenance, s.attributes
     FROM instances i JOIN series s USING (series) WHERE i.instance = ?`,
  );
  const replace = db.query(
    `UPDATE instances SET revision = NULL, sop_class_uid = ?, transfer_syntax_uid = ?, blob = ?, size_bytes = ?,
                          sha256 = ?, data_set_sha256 = ?, received_at = ?, instance_number = ?
     WHERE instance = ?`,
  );
  const describeSeries = db.query(
    `UPDATE series SET provenance = ?, attributes = ? WHERE series = (SELECT series FROM instances WHERE instance = ?)`,
  );

  const arrived = (
    instance: PreparedInstance,
    row: { readonly study: number; readonly correlation_id: string },
    more: 0 | 1,
    now: Date,
  ) => {
    const quietAt = now.getTime() + (instance.lookMs ?? instance.quietMs);
    const forceAt = now.getTime() + instance.forceMs;
    receive.run(more, instance.receivedAt, instance.quietMs, forceAt, quietAt, forceAt, row.study);
    log.append([{ ...instance.event, correlationId: row.correlation_id }]);
  };
  const take = (instance: PreparedInstance, now: Date) => {
    const { studyInstanceUid, seriesInstanceUid, receivedAt, associationId } = instance;
    const created = createStudy.run(
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
    const begun = createSeries.run(row.study, seriesInstanceUid, provenanceOf(instance), instance.attributes);
    if (created > 0) describeStudy.run(studyInstanceUid);
    if (begun > 0) describeSeriesHeader.run(instance.attributes, row.study, seriesInstanceUid);
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
      instance.instanceNumber,
    );
    arrived(instance, row, 1, now);
  };
  /** Another content takes the place of the one before, which stays; the study's next revision brings it along. */
  const revise = (instance: PreparedInstance, key: number, now: Date) => {
    supersede.run(now.toISOString(), key);
    replace.run(
      instance.sopClassUid,
      instance.transferSyntaxUid,
      instance.blob,
      instance.sizeBytes,
      instance.sha256,
      instance.dataSetSha256,
      instance.receivedAt,
      instance.instanceNumber,
      key,
    );
    // Routes look at the series: they must see what the newest version says.
    describeSeries.run(provenanceOf(instance), instance.attributes, key);
    describeStudy.run(instance.studyInstanceUid);
    const row = study.get(instance.studyInstanceUid);
    if (row === undefined) throw new TypeError('an instance without its study');
    describeSeriesHeader.run(instance.attributes, row.study, instance.seriesInstanceUid);
    arrived(instance, row, 0, now);
  };

  return {
    settle(instance, now) {
      const { sopInstanceUid, dataSetSha256, patientDigest, studyInstanceUid } = instance;
      const known = current.get(sopInstanceUid);
      const isElsewhere =
        known !== undefined &&
        (known.study_instance_uid !== studyInstanceUid || known.series_instance_uid !== instance.seriesInstanceUid);
      if (known !== undefined) {
        // A version that was replaced and comes again is a repeat that was late: it must not take its place back.
        const isCurrent = known.data_set_sha256 === dataSetSha256;
        if (isCurrent || earlier.get(sopInstanceUid, dataSetSha256) !== undefined) return 'same';
        // A UID in two series or studies is no later version of one thing.
        if (instance.sameUid !== 'keep-both-as-revision' || isElsewhere) return 'conflict';
      }
      if (isOtherPatient.get(patientDigest, patientDigest, studyInstanceUid)?.other === 1) return 'patient-mismatch';
      if (known === undefined) take(instance, now);
      else revise(instance, known.instance, now);
      return known === undefined ? 'stored' : 'revised';
    },
    accept: (uid, patientDigest) => void accept.run(patientDigest, uid),
  };
}

function provenanceOf(instance: PreparedInstance): string {
  const { door, source, callingAeTitle, calledAeTitle, associationId } = instance;
  return JSON.stringify({ door, source, callingAeTitle, calledAeTitle, associationId });
}
