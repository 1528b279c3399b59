/** What may be removed, and why other things may not. */
import type { StudyInstanceUid } from '../../../core/identifiers.ts';
import type { SpoolPosition } from '../../../core/ledger/instances.ts';
import type { Expired, KeptBecause, RetentionRules, UsageRow } from '../../../core/ledger/retention.ts';
import { type BlobRef, parseBlobRef } from '../../../core/store.ts';
import type { Dialect } from './dialect.ts';
import { KEEP_FURTHEST } from './instances.ts';
import { WORK } from './locks.ts';
import type { Database, Script } from './script.ts';

/** In one transaction; the writer has others to serve. */
const MAX_AT_ONCE = 50;

/**
 * True where some revision brought a series of the study (`s`) that no run took which fulfils the condition. A route may
 * take some series of a study and leave others: of those nobody else has a copy.
 */
const someSeriesWithout = (dialect: Dialect, condition: string): string =>
  `EXISTS (
    SELECT 1 FROM (SELECT series, revision FROM instances WHERE study = s.study
                   UNION SELECT series, revision FROM superseded_instances WHERE study = s.study) v
    JOIN series e ON e.series = v.series
    WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.study = s.study AND r.revision = v.revision ${condition}
      AND (r.series IS NULL OR e.series_instance_uid IN (${dialect.valuesOf('r.series')}))))`;

/**
 * Why the instances of a study (`s`) are kept, the first reason that holds. Only the last one lets them go: every series
 * of every revision was taken by a route, every run has ended, every delivery was opened and has ended well, or was given
 * up by a person. A version that was replaced before its revision was complete went to nobody, and stays.
 */
const because = (dialect: Dialect): string => `CASE
  WHEN s.holds > 0 THEN 'held'
  WHEN EXISTS (SELECT 1 FROM quarantine q WHERE q.study_instance_uid = s.study_instance_uid AND q.state = 'held')
    THEN 'quarantine'
  WHEN s.due_at IS NOT NULL OR s.state = 'receiving'
    OR EXISTS (SELECT 1 FROM instances i WHERE i.study = s.study AND i.revision IS NULL) THEN 'receiving'
  WHEN s.state = 'completed' THEN 'routing'
  WHEN s.state = 'unrouted' OR ${someSeriesWithout(dialect, '')} THEN 'unrouted'
  WHEN EXISTS (SELECT 1 FROM runs r WHERE r.study = s.study AND r.state IN ('waiting', 'running')) THEN 'processing'
  WHEN EXISTS (SELECT 1 FROM runs r WHERE r.study = s.study AND r.state = 'quarantined'
      AND NOT EXISTS (SELECT 1 FROM runs n WHERE n.replay_of = r.run_id)) THEN 'quarantine'
  WHEN EXISTS (SELECT 1 FROM runs r JOIN deliveries d USING (run) WHERE r.study = s.study AND d.state = 'dead')
    THEN 'dead-letter'
  WHEN EXISTS (SELECT 1 FROM runs r JOIN deliveries d USING (run) WHERE r.study = s.study AND d.state = 'pending')
    OR EXISTS (SELECT 1 FROM runs r WHERE r.study = s.study AND r.state = 'processed'
      AND (SELECT count(*) FROM deliveries d WHERE d.run = r.run) < ${dialect.lengthOf('r.destinations')}) THEN 'delivering'
  WHEN ${someSeriesWithout(dialect, 'AND EXISTS (SELECT 1 FROM deliveries d WHERE d.run = r.run)')}
    OR EXISTS (SELECT 1 FROM superseded_instances o WHERE o.study = s.study AND o.ended_revision <= o.revision)
    THEN 'undelivered'
  ELSE 'delivered' END`;

/** Nothing has happened to a study since: no instance came, no delivery ended. The time as text, then twice in milliseconds. */
const QUIET_SINCE = `s.last_received_at < ? AND coalesce(s.completed_at, 0) < ? AND coalesce(
  (SELECT max(d.ready_at) FROM runs r JOIN deliveries d USING (run) WHERE r.study = s.study), 0) < ?`;

/** The delivery of a run may not be done again without its results, and these deliveries have all ended well. */
const deliveredRun = (dialect: Dialect): string => `r.state = 'processed' AND ${dialect.lengthOf('r.destinations')} > 0
  AND (SELECT count(*) FROM deliveries d WHERE d.run = r.run) >= ${dialect.lengthOf('r.destinations')}
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.run = r.run AND d.state IN ('pending', 'dead'))`;

/** As the conditions of `QUIET_SINCE` want it. */
function since(at: Date): readonly [string, number, number] {
  return [at.toISOString(), at.getTime(), at.getTime()];
}

export function retentionWrites(db: Database) {
  // An instance that comes meanwhile waits for the row, and counts from what is left.
  const skipLocked = db.dialect.skipLocked.replace('UPDATE', 'UPDATE OF s');
  const studies = db.query<{ study: number; study_instance_uid: StudyInstanceUid }>(
    `SELECT s.study, s.study_instance_uid FROM studies s
     WHERE s.state = 'routed' AND s.holds = 0 AND s.due_at IS NULL
       AND EXISTS (SELECT 1 FROM instances i WHERE i.study = s.study)
       AND ${QUIET_SINCE} AND ${because(db.dialect)} = 'delivered' ORDER BY s.study LIMIT ?${skipLocked}`,
  );
  const keepSeries = db.query(
    `INSERT INTO expired_series (study, series, revision, first_instance, instances, first_received_at, last_received_at)
     SELECT study, series, coalesce(revision, 0), min(instance), count(*), min(received_at), max(received_at)
     FROM instance_versions WHERE study = ? GROUP BY study, series, revision`,
  );
  const dropRejected = db.query(
    'DELETE FROM rejected_copies WHERE sop_instance_uid IN (SELECT sop_instance_uid FROM instances WHERE study = ?)',
  );
  const dropVersions = db.query('DELETE FROM superseded_instances WHERE study = ?');
  const dropInstances = db.query('DELETE FROM instances WHERE study = ?');
  const empty = db.query('UPDATE studies SET instances = 0 WHERE study = ?');
  const expireStudy = db.query(
    `INSERT INTO expired_studies (study, revision, expired_at) SELECT study, revision, ? FROM studies WHERE study = ?
     ON CONFLICT (study) DO UPDATE SET revision = excluded.revision, expired_at = excluded.expired_at`,
  );
  const expireRuns = db.query(
    `INSERT INTO expired_runs (run, expired_at)
     SELECT r.run, ? FROM runs r
     WHERE ${deliveredRun(db.dialect)} AND NOT EXISTS (SELECT 1 FROM expired_runs e WHERE e.run = r.run)
       AND (SELECT max(d.ready_at) FROM deliveries d WHERE d.run = r.run) < ? ORDER BY r.run LIMIT ?`,
  );
  const ended = db.query<{ entry: number }>(
    `SELECT entry FROM quarantine q WHERE q.state <> 'held' AND q.ended_at < ?
       AND EXISTS (SELECT 1 FROM quarantine_items i WHERE i.entry = q.entry) ORDER BY entry LIMIT ?`,
  );
  const dropItems = db.query('DELETE FROM quarantine_items WHERE entry = ?');
  const position = db.query(
    `INSERT INTO spool_positions (node, segment, segment_offset) VALUES (?, ?, ?)
     ${KEEP_FURTHEST}`,
  );
  // The next start counts on from the highest number there is: it must not come again, old events name what lay there.
  const forget = db.query(
    `DELETE FROM spool_positions WHERE node = ? AND segment = ?
       AND segment < (SELECT max(segment) FROM spool_positions WHERE node = ?)`,
  );
  const mover = openMover(db);

  return {
    *expire(now: Date, { receivedBefore, resultsBefore, quarantineBefore }: RetentionRules): Script<Expired> {
      const at = now.toISOString();
      const gone = receivedBefore === undefined ? [] : yield* studies.all(...since(receivedBefore), MAX_AT_ONCE);
      for (const { study } of gone) {
        yield* keepSeries.send(study);
        yield* dropRejected.send(study);
        yield* dropVersions.send(study);
        yield* dropInstances.send(study);
        yield* expireStudy.send(at, study);
        yield* empty.send(study);
      }
      const runs = resultsBefore === undefined ? 0 : yield* expireRuns.run(at, resultsBefore.getTime(), MAX_AT_ONCE);
      const entries =
        quarantineBefore === undefined ? [] : yield* ended.all(quarantineBefore.toISOString(), MAX_AT_ONCE);
      for (const { entry } of entries) yield* dropItems.send(entry);
      return { studies: gone.map((row) => row.study_instance_uid), runs, quarantineEntries: entries.length };
    },
    *announce(_now: Date, { segment, offset }: SpoolPosition): Script<void> {
      yield* position.send(db.node, segment, offset);
    },
    move: (_now: Date, moves: readonly { readonly from: BlobRef; readonly to: BlobRef }[]): Script<boolean> =>
      mover(moves),
    *forgetSegment(_now: Date, segment: string): Script<void> {
      yield* forget.send(db.node, segment, db.node);
    },
  };
}

/** Every place that a reference to received bytes stands in. */
function openMover(db: Database) {
  const studiesOf = db.query<{ study: number }>(
    'SELECT study FROM instances WHERE blob = ? UNION SELECT study FROM superseded_instances WHERE blob = ?',
  );
  // Who has a lease was told where the bytes are, and may not have opened them yet.
  const isBusy = db.query<{ busy: 1 }>(
    `SELECT 1 AS busy FROM runs r WHERE r.study = ? AND (
       EXISTS (SELECT 1 FROM jobs j WHERE j.run = r.run AND j.state = 'running')
       OR EXISTS (SELECT 1 FROM deliveries d WHERE d.run = r.run AND d.leased = 1)) LIMIT 1`,
  );
  const updates = [
    db.query('UPDATE instances SET blob = ? WHERE blob = ?'),
    db.query('UPDATE superseded_instances SET blob = ? WHERE blob = ?'),
  ];
  // A release takes the instance into its study from the record that stands with the item, written by `JSON.stringify`.
  const updateHeld = db.query(
    'UPDATE quarantine_items SET blob = ?, instance = replace(instance, ?, ?) WHERE blob = ?',
  );
  const items = db.query<{ run: number; items: string }>(
    'SELECT run, items FROM run_items JOIN runs USING (run) WHERE study = ?',
  );
  const setItems = db.query('UPDATE run_items SET items = ? WHERE run = ?');
  const kept = db.query<{ entry: number; items: string }>(
    `SELECT h.entry, h.items FROM held_results h JOIN jobs j ON j.job = h.job JOIN runs r ON r.run = j.run
     WHERE r.study = ? AND h.overridden_at IS NULL`,
  );
  const setKept = db.query('UPDATE held_results SET items = ? WHERE entry = ?');

  return function* (moves: readonly { readonly from: BlobRef; readonly to: BlobRef }[]): Script<boolean> {
    const studies = new Set<number>();
    yield* db.lock(WORK);
    for (const { from } of moves) for (const { study } of yield* studiesOf.all(from, from)) studies.add(study);
    for (const study of studies) if ((yield* isBusy.get(study)) !== undefined) return false;
    const places = new Map<string, string>(moves.map(({ from, to }) => [from, to]));
    for (const [from, to] of places) {
      for (const update of updates) yield* update.send(to, from);
      yield* updateHeld.send(to, `"blob":${JSON.stringify(from)}`, `"blob":${JSON.stringify(to)}`, from);
    }
    for (const study of studies) {
      for (const row of yield* items.all(study)) {
        const moved = movedItems(row.items, places);
        if (moved !== undefined) yield* setItems.send(moved, row.run);
      }
      for (const row of yield* kept.all(study)) {
        const moved = movedItems(row.items, places);
        if (moved !== undefined) yield* setKept.send(moved, row.entry);
      }
    }
    return true;
  };
}

/** A working set with what was moved where it is now, as JSON; undefined where none of it was. */
function movedItems(items: string, places: ReadonlyMap<string, string>): string | undefined {
  const before = JSON.parse(items) as readonly { readonly blob: string }[];
  if (!before.some((item) => places.has(item.blob))) return undefined;
  return JSON.stringify(before.map((item) => ({ ...item, blob: places.get(item.blob) ?? item.blob })));
}

export function retentionReads(db: Database) {
  // '$' is the next character after '#': all places of the pack, from the index.
  const inPack = (table: string) => `SELECT blob, size_bytes FROM ${table} WHERE blob >= ? AND blob < ?`;
  const all = ['instances', 'superseded_instances', 'quarantine_items'].map(inPack).join(' UNION ');
  const needed = db.query<{ blob: BlobRef; size_bytes: number }>(all);
  const bytes = db.query<{ bytes: number }>(`SELECT coalesce(sum(size_bytes), 0) AS bytes FROM (${all}) AS parts`);
  const range = (segment: string): readonly string[] => {
    const ends = [`spool/${segment}#`, `spool/${segment}$`];
    return [...ends, ...ends, ...ends];
  };
  const expired = db.query<{ found: 1 }>('SELECT 1 AS found FROM expired_runs JOIN runs USING (run) WHERE run_id = ?');
  const destinations = (state: string) =>
    `(SELECT string_agg(destination, ',') FROM (
        SELECT DISTINCT d.destination FROM runs r JOIN deliveries d USING (run)
        WHERE r.study = kept.study AND d.state = '${state}' ORDER BY d.destination) AS names)`;
  const usage = db.query<{ because: KeptBecause; destinations: string | null; studies: number; bytes: number }>(
    `WITH sizes (study, bytes) AS (SELECT study, sum(size_bytes) FROM instance_versions GROUP BY study),
          kept (study, because, bytes) AS (SELECT s.study, ${because(db.dialect)}, bytes FROM sizes JOIN studies s USING (study))
     SELECT because,
            CASE because
              WHEN 'delivering' THEN ${destinations('pending')}
              WHEN 'dead-letter' THEN ${destinations('dead')} END AS destinations,
            count(*) AS studies, sum(bytes) AS bytes
     FROM kept GROUP BY 1, 2 ORDER BY bytes DESC`,
  );

  return {
    *needed(segment: string): Script<readonly { readonly blob: BlobRef; readonly sizeBytes: number }[]> {
      return (yield* needed.all(...range(segment)))
        .map(({ blob, size_bytes: sizeBytes }) => ({ blob, sizeBytes }))
        .toSorted((one, other) => parseBlobRef(one.blob).offset - parseBlobRef(other.blob).offset);
    },
    *neededBytes(segment: string): Script<number> {
      return (yield* bytes.get(...range(segment)))?.bytes ?? 0;
    },
    *expiredRuns(runIds: readonly string[]): Script<readonly string[]> {
      const found: string[] = [];
      for (const runId of runIds) if ((yield* expired.get(runId)) !== undefined) found.push(runId);
      return found;
    },
    *usage(): Script<readonly UsageRow[]> {
      return (yield* usage.all()).map(({ because, destinations, studies, bytes: sum }) => ({
        because,
        ...(destinations === null ? {} : { destinations }),
        studies,
        bytes: sum,
      }));
    },
  };
}
