/** Taking an instance into its study, or not: its rows, its study's and series' rows, the completion timer, the fact. */
import type { StudyInstanceUid } from '../../../core/identifiers.ts';
import type { CompletionRule, RecordOutcome, SameUidRule, StoredInstance } from '../../../core/ledger/instances.ts';

import { openHeaders } from './headers.ts';
import { studyLock } from './locks.ts';
import type { Database, Script } from './script.ts';
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
  /** Before what belongs to a study is decided: two replicas that get parts of one study decide one after the other. */
  lock(instances: readonly PreparedInstance[]): Script<void>;
  /**
   * Decides what the instance is to the ledger, and takes it in when it is new or a new version.
   *
   * @param quietSince - when the quiet period begins; never later than `now`
   */
  settle(instance: PreparedInstance, now: Date, quietSince?: Date): Script<RecordOutcome>;
  /** The study of an instance that is taken from now on even though its patient differs. */
  accept(study: StudyInstanceUid, patientDigest: string): Script<void>;
}

/** What is there already: of the study, of its series, and of the instance, in whatever study that is. */
interface Standing {
  readonly study: number | null;
  readonly correlation_id: string | null;
  readonly other: 0 | 1;
  readonly series: number | null;
  readonly instance: number | null;
  readonly data_set_sha256: string | null;
  readonly instance_study: number | null;
  readonly instance_series: number | null;
}

interface Times {
  readonly now: Date;
  readonly quietSince: Date;
}

export function openIntake(db: Database, log: EventLog): Intake {
  // One statement an instance: of thousands only the first of a study or series finds nothing.
  const standing = db.query<Standing>(
    `SELECT st.study, st.correlation_id, s.series, i.instance, i.data_set_sha256, i.study AS instance_study,
            i.series AS instance_series,
            CASE WHEN st.patient_digest <> given.patient AND NOT EXISTS (
              SELECT 1 FROM accepted_patients a WHERE a.study = st.study AND a.patient_digest = given.patient
            ) THEN 1 ELSE 0 END AS other
     FROM (SELECT CAST(? AS TEXT) AS sop, CAST(? AS TEXT) AS study, CAST(? AS TEXT) AS series, CAST(? AS TEXT) AS patient) AS given
          LEFT JOIN studies st ON st.study_instance_uid = given.study
          LEFT JOIN series s ON s.study = st.study AND s.series_instance_uid = given.series
          LEFT JOIN instances i ON i.sop_instance_uid = given.sop`,
  );
  // Entries may hold a study that nothing of was stored yet.
  const createStudy = db.query<{ study: number }>(
    `INSERT INTO studies (study_instance_uid, source, patient_digest, correlation_id, state,
                          first_received_at, last_received_at, quiet_ms, holds)
     VALUES (?, ?, ?, ?, 'receiving', ?, ?, ?,
             (SELECT count(*) FROM quarantine WHERE study_instance_uid = ? AND holds_study = 1 AND state = 'held'))
     RETURNING study`,
  );
  // The right-hand sides see the row as it was. The timer starts over with each instance, but never runs past what
  // the first instance of this revision set: a scanner that never stops sending must not keep a study open for ever.
  const receive = db.query(
    `UPDATE studies SET
       instances = instances + ?,
       state = 'receiving',
       last_received_at = ?,
       quiet_ms = ?,
       node = ?,
       timer_version = timer_version + 1,
       force_at = coalesce(force_at, ?),
       due_at = CASE WHEN coalesce(force_at, ?) < ? THEN coalesce(force_at, ?) ELSE ? END
     WHERE study = ?`,
  );
  const createSeries = db.query<{ series: number }>(
    'INSERT INTO series (study, series_instance_uid, provenance, attributes) VALUES (?, ?, ?, ?) RETURNING series',
  );
  const insert = db.query(
    `INSERT INTO instances (study, series, sop_instance_uid, sop_class_uid, transfer_syntax_uid, blob, size_bytes,
                            sha256, data_set_sha256, received_at, instance_number)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const accept = db.query(
    `INSERT INTO accepted_patients (study, patient_digest)
     SELECT study, CAST(? AS TEXT) FROM studies WHERE study_instance_uid = ? ON CONFLICT DO NOTHING`,
  );
  const earlier = db.query<{ found: 1 }>(
    'SELECT 1 AS found FROM superseded_instances WHERE sop_instance_uid = ? AND data_set_sha256 = ?',
  );
  const supersede = db.query(
    `INSERT INTO superseded_instances (instance, study, series, revision, sop_instance_uid, sop_class_uid,
                                       transfer_syntax_uid, blob, size_bytes, sha256, data_set_sha256, received_at,
                                       replaced_at, series_provenance, series_attributes)
     SELECT i.instance, i.study, i.series, i.revision, i.sop_instance_uid, i.sop_class_uid, i.transfer_syntax_uid, i.blob,
            i.size_bytes, i.sha256, i.data_set_sha256, i.received_at, CAST(? AS TEXT), s.provenance, s.attributes
     FROM instances i JOIN series s USING (series) WHERE i.instance = ?`,
  );
  const replace = db.query(
    `UPDATE instances SET revision = NULL, sop_class_uid = ?, transfer_syntax_uid = ?, blob = ?, size_bytes = ?,
                          sha256 = ?, data_set_sha256 = ?, received_at = ?, instance_number = ?
     WHERE instance = ?`,
  );
  const describeSeries = db.query('UPDATE series SET provenance = ?, attributes = ? WHERE series = ?');
  // A search tells of a study what its first series says.
  const firstSeries = db.query<{ series: number }>('SELECT series FROM series WHERE study = ? ORDER BY series LIMIT 1');
  const headers = openHeaders(db);

  const arrived = function* (
    instance: PreparedInstance,
    study: number,
    correlationId: string,
    more: 0 | 1,
    { now, quietSince }: Times,
  ): Script<void> {
    const quietAt = quietSince.getTime() + (instance.lookMs ?? instance.quietMs);
    const forceAt = now.getTime() + instance.forceMs;
    yield* receive.send(
      ...[more, instance.receivedAt, instance.quietMs, db.node],
      ...[forceAt, forceAt, quietAt, forceAt, quietAt],
      study,
    );
    yield* log.append([{ ...instance.event, correlationId }]);
  };
  const begin = function* (instance: PreparedInstance): Script<number> {
    const { studyInstanceUid, receivedAt } = instance;
    const created = yield* createStudy.get(
      ...[studyInstanceUid, instance.source, instance.patientDigest, instance.associationId],
      ...[receivedAt, receivedAt, instance.quietMs, studyInstanceUid],
    );
    if (created === undefined) throw new TypeError('a study row was not made');
    yield* headers.ofStudy(created.study, instance.attributes);
    return created.study;
  };
  const beginSeries = function* (study: number, instance: PreparedInstance): Script<number> {
    const { seriesInstanceUid, attributes } = instance;
    const created = yield* createSeries.get(study, seriesInstanceUid, provenanceOf(instance), attributes);
    if (created === undefined) throw new TypeError('a series row was not made');
    yield* headers.ofSeries(created.series, study, attributes);
    return created.series;
  };
  const take = function* (instance: PreparedInstance, there: Standing, times: Times): Script<void> {
    const study = there.study ?? (yield* begin(instance));
    const series = there.series ?? (yield* beginSeries(study, instance));
    yield* insert.send(
      study,
      series,
      instance.sopInstanceUid,
      instance.sopClassUid,
      instance.transferSyntaxUid,
      instance.blob,
      instance.sizeBytes,
      instance.sha256,
      instance.dataSetSha256,
      instance.receivedAt,
      instance.instanceNumber,
    );
    yield* arrived(instance, study, there.correlation_id ?? instance.associationId, 1, times);
  };
  /** Another content takes the place of the one before, which stays; the study's next revision brings it along. */
  const revise = function* (
    instance: PreparedInstance,
    known: { readonly instance: number; readonly study: number; readonly series: number },
    correlationId: string,
    times: Times,
  ): Script<void> {
    yield* supersede.send(times.now.toISOString(), known.instance);
    yield* replace.send(
      instance.sopClassUid,
      instance.transferSyntaxUid,
      instance.blob,
      instance.sizeBytes,
      instance.sha256,
      instance.dataSetSha256,
      instance.receivedAt,
      instance.instanceNumber,
      known.instance,
    );
    // Routes look at the series: they must see what the newest version says.
    yield* describeSeries.send(provenanceOf(instance), instance.attributes, known.series);
    yield* headers.ofSeries(known.series, known.study, instance.attributes);
    const first = yield* firstSeries.get(known.study);
    if (first?.series === known.series) yield* headers.ofStudy(known.study, instance.attributes);
    yield* arrived(instance, known.study, correlationId, 0, times);
  };

  return {
    *lock(instances) {
      const studies = new Set(instances.map(({ studyInstanceUid }) => studyInstanceUid));
      // In one order, or two replicas with the same two studies could wait for each other.
      for (const study of [...studies].toSorted()) yield* db.lock(studyLock(study));
    },
    *settle(instance, now, quietSince = now) {
      const { sopInstanceUid, dataSetSha256, studyInstanceUid, seriesInstanceUid, patientDigest } = instance;
      const there = yield* standing.get(sopInstanceUid, studyInstanceUid, seriesInstanceUid, patientDigest);
      if (there === undefined) throw new TypeError('a statement without FROM has a row');
      const { instance: known, instance_study: study, instance_series: series } = there;
      if (known === null || study === null || series === null) {
        if (there.other === 1) return 'patient-mismatch';
        yield* take(instance, there, { now, quietSince });
        return 'stored';
      }
      // A version that was replaced and comes again is a repeat that was late: it must not take its place back.
      const isCurrent = there.data_set_sha256 === dataSetSha256;
      if (isCurrent || (yield* earlier.get(sopInstanceUid, dataSetSha256)) !== undefined) return 'same';
      // A UID in two series or studies is no later version of one thing.
      const isElsewhere = study !== there.study || series !== there.series;
      if (instance.sameUid !== 'keep-both-as-revision' || isElsewhere) return 'conflict';
      if (there.other === 1) return 'patient-mismatch';
      yield* revise(instance, { instance: known, study, series }, there.correlation_id ?? '', { now, quietSince });
      return 'revised';
    },
    *accept(uid, patientDigest) {
      yield* accept.send(patientDigest, uid);
    },
  };
}

function provenanceOf(instance: PreparedInstance): string {
  const { door, source, callingAeTitle, calledAeTitle, associationId } = instance;
  return JSON.stringify({ door, source, callingAeTitle, calledAeTitle, associationId });
}
