/** Taking an instance into its study: its rows, its study's and series' rows, the completion timer, the fact. */
import type { StudyInstanceUid } from '../../../core/identifiers.ts';
import type { CompletionRule, StoredInstance } from '../../../core/ledger.ts';
import type { Database } from './driver.ts';
import { type EventLog, type SealedEvent, sealEvent } from './events.ts';

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

function provenanceOf(instance: PreparedInstance): string {
  const { door, source, callingAeTitle, calledAeTitle, associationId } = instance;
  return JSON.stringify({ door, source, callingAeTitle, calledAeTitle, associationId });
}
