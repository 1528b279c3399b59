/** Held runs that go on all the same: what their step made is kept until a person decides. */
import type { NewEvent } from '../../../core/ledger/common.ts';
import type { Override } from '../../../core/ledger/overrides.ts';
import type { StudyInstanceUid } from '../../../core/identifiers.ts';
import type { RunItem } from '../../../core/store.ts';
import type { EventLog } from './events.ts';
import { stepResults } from './jobs.ts';
import { WORK } from './locks.ts';
import type { Database, Script } from './script.ts';

interface KeptRow {
  readonly job: number;
  readonly items: string;
  readonly events: string;
  readonly overridden_at: string | null;
  readonly run: number;
  readonly step: number;
  readonly processor: string;
  readonly run_id: string;
  readonly revision: number;
  readonly route: string;
  readonly config_version: string;
  readonly study_instance_uid: StudyInstanceUid;
  readonly correlation_id: string;
}

export function overrideWrites(db: Database, log: EventLog) {
  const entryOf = db.query<{ entry: number; state: string; reason: string }>(
    `SELECT entry, state, reason FROM quarantine WHERE quarantine_id = ?${db.dialect.forUpdate}`,
  );
  const keptOf = db.query<KeptRow>(
    `SELECT h.job, h.items, h.events, h.overridden_at, j.run, j.step, j.processor, r.run_id, r.revision, r.route,
            r.config_version, s.study_instance_uid, s.correlation_id
     FROM held_results h JOIN jobs j ON j.job = h.job JOIN runs r ON r.run = j.run JOIN studies s ON s.study = r.study
     WHERE h.entry = ?`,
  );
  const end = db.query(`UPDATE quarantine SET state = 'released', ended_at = ? WHERE entry = ?`);
  const note = db.query(
    `UPDATE held_results SET overridden_at = ?, overridden_by = ?, overridden_role = ?, override_reason = ?,
                             override_note = ?, items = '[]', events = '[]' WHERE entry = ?`,
  );
  const takeResult = stepResults(db, log);

  return {
    *override(
      now: Date,
      quarantineId: string,
      decision: Override,
    ): Script<'overridden' | 'already' | 'not-held' | 'nothing-kept'> {
      // Whoever moves bytes must not do so between the reading of where they are and the run's going on with that.
      yield* db.lock(WORK, 'shared');
      const held = yield* entryOf.get(quarantineId);
      if (held === undefined) return 'not-held';
      const kept = yield* keptOf.get(held.entry);
      if (kept !== undefined && kept.overridden_at !== null) return 'already';
      if (held.state !== 'held') return 'not-held';
      if (kept === undefined) return 'nothing-kept';
      const { reason, by, role } = decision;
      yield* end.send(now.toISOString(), held.entry);
      yield* note.send(now.toISOString(), by, role, reason, decision.note, held.entry);
      const { study_instance_uid: studyInstanceUid, correlation_id: correlationId, run_id: runId } = kept;
      const { revision, route, processor, config_version: configVersion } = kept;
      const override = { reason, by };
      yield* log.publish(
        {
          type: 'study.overridden',
          stream: 'hub.work.v1',
          key: studyInstanceUid,
          correlationId,
          data: {
            ...{ studyInstanceUid, revision, runId, route, configVersion },
            ...{ quarantineId, processor, heldFor: held.reason, because: reason, by, role },
          },
        },
        now,
      );
      // Written by the hold, in the same shape.
      const events = JSON.parse(kept.events) as readonly NewEvent[];
      for (const event of events) yield* log.publish(marked(event, override), now);
      yield* takeResult(kept, { items: kept.items, events: [] }, now);
      return 'overridden';
    },
  };
}

/** The facts of the step that was overridden say so; what comes behind it does not. */
function marked(event: NewEvent, override: Pick<Override, 'reason' | 'by'>): NewEvent {
  if (event.type === 'qc.completed') return { ...event, data: { ...event.data, override } };
  if (event.type === 'segmentation.completed') return { ...event, data: { ...event.data, override } };
  return event;
}

export function overrideReads(db: Database) {
  const kept = db.query<{ items: string }>(
    `SELECT h.items FROM held_results h JOIN jobs j ON j.job = h.job JOIN runs r ON r.run = j.run WHERE r.run_id = ?`,
  );
  return {
    *kept(runId: string): Script<readonly RunItem[]> {
      const row = yield* kept.get(runId);
      return row === undefined ? [] : (JSON.parse(row.items) as readonly RunItem[]);
    },
  };
}
