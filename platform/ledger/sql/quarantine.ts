/** Content that cannot be trusted or processed: held with its bytes and the reason, until somebody releases it. */
import { v7 as uuidv7 } from 'uuid';
import { ERRORS } from '../../../core/errors.ts';
import type { StudyInstanceUid } from '../../../core/identifiers.ts';
import type { Page } from '../../../core/ledger/common.ts';
import type { Provenance } from '../../../core/ledger/instances.ts';
import type { Override } from '../../../core/ledger/overrides.ts';
import type { NewQuarantine, QuarantineRow, RefusedCopy } from '../../../core/ledger/quarantine.ts';
import type { BlobRef } from '../../../core/store.ts';
import type { Database, Script } from './script.ts';
import type { EventLog } from './events.ts';
import type { Intake, PreparedInstance } from './intake.ts';
import { studyLock } from './locks.ts';
import { openList } from './page.ts';

/** Holding, inside the transactions of others. */
export interface Holds {
  hold(entry: NewQuarantine, now: Date): Script<void>;
  /** Counts a copy that is held already. */
  repeated(copy: RefusedCopy, now: Date): Script<boolean>;
  /** Gathers the instances that one `record` refuses: one entry an association and reason, one event a new entry. */
  gathering(now: Date): {
    add(instance: PreparedInstance, outcome: 'conflict' | 'patient-mismatch'): Script<void>;
    publish(): Script<void>;
  };
}

export function openHolds(db: Database, log: EventLog): Holds {
  const insert = db.query(
    `INSERT INTO quarantine (quarantine_id, stage, reason, detail, study_instance_uid, run_id, provenance, holds_study,
                             state, created_at, association_id)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'held', ?, ?) ON CONFLICT (quarantine_id) DO NOTHING`,
  );
  const insertItem = db.query(
    `INSERT INTO quarantine_items (entry, blob, size_bytes, sop_instance_uid, instance, data_set_sha256)
     VALUES ((SELECT entry FROM quarantine WHERE quarantine_id = ?), ?, ?, ?, ?, ?)`,
  );
  const holding = db.query<{ entry: number; quarantine_id: string }>(
    `SELECT e.entry, e.quarantine_id FROM quarantine_items i JOIN quarantine e USING (entry)
     WHERE i.data_set_sha256 = ? AND i.sop_instance_uid IS NOT DISTINCT FROM ? AND e.reason = ? AND e.state = 'held'
     ORDER BY e.entry LIMIT 1`,
  );
  const countRepeat = db.query('UPDATE quarantine SET repeats = repeats + 1, repeated_at = ? WHERE entry = ?');
  const holdStudy = db.query('UPDATE studies SET holds = holds + 1 WHERE study_instance_uid = ?');
  const correlation = db.query<{ correlation_id: string }>(
    'SELECT correlation_id FROM studies WHERE study_instance_uid = ?',
  );
  const versionOf = db.query<{ config_version: string }>('SELECT config_version FROM runs WHERE run_id = ?');
  const openEntry = db.query<{ quarantine_id: string }>(
    `SELECT quarantine_id FROM quarantine
     WHERE study_instance_uid = ? AND reason = ? AND association_id = ? AND state = 'held'`,
  );

  const create = function* (entry: NewQuarantine, now: Date, associationId?: string): Script<boolean> {
    const created = yield* insert.run(
      entry.quarantineId,
      entry.stage,
      entry.reason,
      entry.detail,
      entry.studyInstanceUid,
      entry.runId,
      entry.provenance === undefined ? undefined : JSON.stringify(entry.provenance),
      entry.holdsStudy,
      now.toISOString(),
      associationId,
    );
    if (created === 0) return false;
    for (const { blob, sizeBytes, sopInstanceUid, dataSetSha256 } of entry.items) {
      yield* insertItem.send(entry.quarantineId, blob, sizeBytes, sopInstanceUid, undefined, dataSetSha256);
    }
    if (entry.holdsStudy && entry.studyInstanceUid !== undefined) yield* holdStudy.send(entry.studyInstanceUid);
    return true;
  };
  const publish = function* (entry: NewQuarantine, instances: number, now: Date): Script<void> {
    const { quarantineId, stage, reason, studyInstanceUid, runId, provenance } = entry;
    const correlationId =
      (studyInstanceUid === undefined ? undefined : (yield* correlation.get(studyInstanceUid))?.correlation_id) ??
      provenance?.associationId;
    const configVersion = runId === undefined ? undefined : (yield* versionOf.get(runId))?.config_version;
    yield* log.publish(
      {
        type: 'study.quarantined',
        stream: 'hub.work.v1',
        key: studyInstanceUid ?? quarantineId,
        ...(correlationId === undefined ? {} : { correlationId }),
        data: {
          ...(studyInstanceUid === undefined ? {} : { studyInstanceUid }),
          quarantineId,
          stage,
          reason,
          instances,
          ...(runId === undefined ? {} : { runId }),
          ...(configVersion === undefined ? {} : { configVersion }),
        },
      },
      now,
    );
  };

  const repeated = function* (copy: RefusedCopy, now: Date, ownId?: string): Script<boolean> {
    const held = yield* holding.get(copy.dataSetSha256, copy.sopInstanceUid, copy.reason);
    if (held === undefined) return false;
    if (held.quarantine_id !== ownId) yield* countRepeat.send(now.toISOString(), held.entry);
    return true;
  };

  return {
    *hold(entry, now) {
      const [only, ...more] = entry.items;
      if (only?.dataSetSha256 !== undefined && more.length === 0) {
        const copy = { ...only, dataSetSha256: only.dataSetSha256, reason: entry.reason };
        if (yield* repeated(copy, now, entry.quarantineId)) return;
      }
      // The same entry again: a caller that repeats after a crash.
      if (yield* create(entry, now)) yield* publish(entry, entry.items.length, now);
    },
    repeated,
    gathering(now) {
      const fresh = new Map<string, { readonly entry: NewQuarantine; instances: number }>();
      return {
        *add(instance, outcome) {
          const reason = `dataset.${outcome}` as const;
          const { studyInstanceUid, associationId } = instance;
          if (yield* repeated({ ...instance, reason }, now)) return;
          let id = (yield* openEntry.get(studyInstanceUid, reason, associationId))?.quarantine_id;
          if (id === undefined) {
            id = uuidv7();
            const entry: NewQuarantine = {
              quarantineId: id,
              stage: 'gateway',
              reason,
              detail: ERRORS[reason].title,
              studyInstanceUid,
              items: [],
              provenance: provenanceOf(instance),
              holdsStudy: outcome === 'patient-mismatch',
            };
            yield* create(entry, now, associationId);
            fresh.set(id, { entry, instances: 0 });
          }
          // A released mismatch is taken into its study; a UID that is taken can never be.
          const record = outcome === 'patient-mismatch' ? JSON.stringify(instance) : undefined;
          const { blob, sizeBytes, sopInstanceUid, dataSetSha256 } = instance;
          yield* insertItem.send(id, blob, sizeBytes, sopInstanceUid, record, dataSetSha256);
          const counted = fresh.get(id);
          if (counted !== undefined) counted.instances += 1;
        },
        *publish() {
          for (const { entry, instances } of fresh.values()) yield* publish(entry, instances, now);
        },
      };
    },
  };
}

export function quarantineWrites(
  db: Database,
  holds: Holds,
  intake: Intake,
  replay: (runId: string, now: Date) => Script<string>,
) {
  const held = db.query<{
    readonly entry: number;
    readonly study_instance_uid: StudyInstanceUid | null;
    readonly run_id: string | null;
    readonly holds_study: 0 | 1;
  }>(
    `SELECT entry, study_instance_uid, run_id, holds_study FROM quarantine WHERE quarantine_id = ? AND state = 'held'${db.dialect.forUpdate}`,
  );
  const end = db.query('UPDATE quarantine SET state = ?, ended_at = ? WHERE entry = ?');
  const records = db.query<{ instance: string }>(
    'SELECT instance FROM quarantine_items WHERE entry = ? AND instance IS NOT NULL ORDER BY item',
  );
  const dropKept = db.query('DELETE FROM held_results WHERE entry = ?');
  const releaseStudy = db.query('UPDATE studies SET holds = holds - 1 WHERE study_instance_uid = ?');
  // The quiet period has been waited for already, while it was held.
  const makeDue = db.query(
    `UPDATE studies SET due_at = ?, timer_version = timer_version + 1
     WHERE study_instance_uid = ? AND holds = 0 AND due_at IS NOT NULL`,
  );

  return {
    *hold(now: Date, entry: NewQuarantine): Script<void> {
      if (entry.holdsStudy && entry.studyInstanceUid !== undefined) yield* db.lock(studyLock(entry.studyInstanceUid));
      yield* holds.hold(entry, now);
    },
    *repeated(now: Date, copy: RefusedCopy): Script<boolean> {
      return yield* holds.repeated(copy, now);
    },
    *release(now: Date, quarantineId: string): Script<boolean> {
      const row = yield* held.get(quarantineId);
      if (row === undefined) return false;
      if (row.study_instance_uid !== null) yield* db.lock(studyLock(row.study_instance_uid));
      yield* end.send(row.run_id === null ? 'released' : 'replayed', now.toISOString(), row.entry);
      const refused = holds.gathering(now);
      for (const { instance } of yield* records.all(row.entry)) {
        // Written by `gathering` above, in the same shape.
        const prepared = JSON.parse(instance) as PreparedInstance;
        yield* intake.accept(prepared.studyInstanceUid, prepared.patientDigest);
        // Its UID may have been taken meanwhile: then it is held for that, or retention would take it for done with.
        if ((yield* intake.settle(prepared, now)) === 'conflict') yield* refused.add(prepared, 'conflict');
      }
      yield* refused.publish();
      if (row.study_instance_uid !== null && row.holds_study === 1) {
        yield* releaseStudy.send(row.study_instance_uid);
        yield* makeDue.send(now.getTime(), row.study_instance_uid);
      }
      if (row.run_id !== null) {
        // All of it is made anew.
        yield* dropKept.send(row.entry);
        yield* replay(row.run_id, now);
      }
      return true;
    },
  };
}

interface EntryRow {
  readonly entry: number;
  readonly quarantine_id: string;
  readonly stage: QuarantineRow['stage'];
  readonly reason: string;
  readonly detail: string;
  readonly study_instance_uid: StudyInstanceUid | null;
  readonly run_id: string | null;
  readonly provenance: string | null;
  readonly holds_study: 0 | 1;
  readonly state: QuarantineRow['state'];
  readonly created_at: string;
  readonly repeats: number;
  readonly repeated_at: string | null;
  readonly job: number | null;
  readonly overridden_at: string | null;
  readonly overridden_by: string | null;
  readonly overridden_role: Override['role'] | null;
  readonly override_reason: Override['reason'] | null;
  readonly override_note: string | null;
}

const SELECT_ENTRY = `SELECT quarantine.*, job, overridden_at, overridden_by, overridden_role, override_reason, override_note
  FROM quarantine LEFT JOIN held_results USING (entry)`;

export function quarantineReads(db: Database) {
  const one = db.query<EntryRow>(`${SELECT_ENTRY} WHERE quarantine_id = ?`);
  const list = openList<EntryRow>(db, {
    select: SELECT_ENTRY,
    key: 'quarantine.entry',
    find: 'SELECT entry AS key FROM quarantine WHERE quarantine_id = ?',
  });
  const items = db.query<{
    blob: BlobRef;
    size_bytes: number;
    sop_instance_uid: string | null;
    data_set_sha256: string | null;
  }>('SELECT blob, size_bytes, sop_instance_uid, data_set_sha256 FROM quarantine_items WHERE entry = ? ORDER BY item');
  const toRow = function* (row: EntryRow): Script<QuarantineRow> {
    return {
      quarantineId: row.quarantine_id,
      stage: row.stage,
      reason: row.reason,
      detail: row.detail,
      ...(row.study_instance_uid === null ? {} : { studyInstanceUid: row.study_instance_uid }),
      ...(row.run_id === null ? {} : { runId: row.run_id }),
      items: (yield* items.all(row.entry)).map((item) => ({
        blob: item.blob,
        sizeBytes: item.size_bytes,
        ...(item.sop_instance_uid === null ? {} : { sopInstanceUid: item.sop_instance_uid }),
        ...(item.data_set_sha256 === null ? {} : { dataSetSha256: item.data_set_sha256 }),
      })),
      ...(row.provenance === null ? {} : { provenance: JSON.parse(row.provenance) as Provenance }),
      holdsStudy: row.holds_study === 1,
      state: row.state,
      createdAt: row.created_at,
      ...(row.repeated_at === null ? {} : { repeats: row.repeats, repeatedAt: row.repeated_at }),
      ...(row.job !== null && row.state === 'held' ? { isOverridable: true } : {}),
      ...overrideOf(row),
    };
  };

  return {
    *list(page: Page & { readonly state?: QuarantineRow['state'] }): Script<readonly QuarantineRow[]> {
      const rows: QuarantineRow[] = [];
      for (const row of yield* list(page, ['state = ?', page.state])) rows.push(yield* toRow(row));
      return rows;
    },
    *get(quarantineId: string): Script<QuarantineRow | undefined> {
      const row = yield* one.get(quarantineId);
      return row === undefined ? undefined : yield* toRow(row);
    },
  };
}

function overrideOf(row: EntryRow): Pick<QuarantineRow, 'override'> {
  const { overridden_at: at, overridden_by: by, overridden_role: role, override_reason: reason } = row;
  if (at === null || by === null || role === null || reason === null) return {};
  return { override: { reason, by, role, at, ...(row.override_note === null ? {} : { note: row.override_note }) } };
}

function provenanceOf(instance: PreparedInstance): Provenance {
  const { door, source, callingAeTitle, calledAeTitle, associationId } = instance;
  return {
    door,
    source,
    ...(callingAeTitle === undefined ? {} : { callingAeTitle }),
    ...(calledAeTitle === undefined ? {} : { calledAeTitle }),
    associationId,
  };
}
