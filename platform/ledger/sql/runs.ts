/** Runs: what a route does with a revision of a study. Opened by the router, started and replayed here. */
import { v7 as uuidv7 } from 'uuid';
import { HubError } from '../../../core/errors.ts';
import type { SeriesInstanceUid, StudyInstanceUid } from '../../../core/identifiers.ts';
import type { InboxEntry } from '../../../core/ledger/common.ts';
import type { NewRun, RunRow, RunState, RunStep, RunSummary } from '../../../core/ledger/runs.ts';
import type { InstanceItem, RunItem } from '../../../core/store.ts';
import type { Database, Script } from './script.ts';
import type { EventLog, SealedEvent } from './events.ts';
import type { ItemSelection } from './instances.ts';

/** The instances of a study, whole or as a revision took them. */
type ItemsOf = (study: StudyInstanceUid, selection: ItemSelection) => Script<readonly InstanceItem[]>;

/** A run as it crosses to the writer: its lists as JSON. */
export interface PreparedRun {
  readonly runId: string;
  readonly revision: number;
  readonly route: string;
  readonly configVersion: string;
  readonly explanation: string;
  readonly series: string | undefined;
  readonly steps: string;
  readonly destinations: string;
}

export function prepareRun(run: NewRun): PreparedRun {
  return {
    runId: run.runId,
    revision: run.revision,
    route: run.route,
    configVersion: run.configVersion,
    // An explanation of nothing is still JSON.
    explanation: JSON.stringify(run.explanation ?? null),
    series: run.series === undefined ? undefined : JSON.stringify(run.series),
    steps: JSON.stringify(run.steps),
    destinations: JSON.stringify(run.destinations),
  };
}

export function runWrites(db: Database, log: EventLog) {
  const study = db.query<{ study: number }>('SELECT study FROM studies WHERE study_instance_uid = ?');
  // A study that is receiving again is not taken back: its next revision is decided anew.
  const decide = db.query('UPDATE studies SET state = ? WHERE study = ? AND due_at IS NULL');
  const insert = db.query(
    `INSERT INTO runs (run_id, study, revision, route, config_version, explanation, series, steps, destinations, state,
                       created_at, routed_event_id)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?)`,
  );
  const find = db.query<{ run: number; state: RunState; steps: string }>(
    'SELECT run, state, steps FROM runs WHERE run_id = ?',
  );
  const insertJob = db.query(
    `INSERT INTO jobs (job_id, run, step, processor, state, ready_at) VALUES (?, ?, 0, ?, 'waiting', ?)
     ON CONFLICT (run, step) DO NOTHING`,
  );
  const setState = db.query('UPDATE runs SET state = ? WHERE run = ?');

  return {
    *open(
      now: Date,
      inbox: InboxEntry,
      uid: StudyInstanceUid,
      runs: readonly PreparedRun[],
      events: readonly SealedEvent[],
    ): Script<'recorded' | 'already'> {
      if (!(yield* log.enter(inbox, now))) return 'already';
      const row = yield* study.get(uid);
      if (row === undefined) throw new HubError('resource.not-found', { studyInstanceUid: uid });
      for (const run of runs) {
        const { runId, revision, route, configVersion, explanation, series, steps, destinations } = run;
        yield* insert.send(
          runId,
          row.study,
          revision,
          route,
          configVersion,
          explanation,
          series,
          steps,
          destinations,
          now.toISOString(),
          events.find((event) => event.type === 'study.routed' && event.data.includes(runId))?.id,
        );
      }
      yield* decide.send(runs.length === 0 ? 'unrouted' : 'routed', row.study);
      yield* log.append(events);
      return 'recorded';
    },
    *start(
      now: Date,
      inbox: InboxEntry,
      runId: string,
      eventsWithoutSteps: readonly SealedEvent[],
    ): Script<'recorded' | 'already'> {
      if (!(yield* log.enter(inbox, now))) return 'already';
      const row = yield* find.get(runId);
      if (row === undefined) throw new HubError('resource.not-found', { runId });
      // Started by another event of the same run, or ended meanwhile.
      if (row.state !== 'waiting') return 'recorded';
      const [first] = JSON.parse(row.steps) as readonly RunStep[];
      if (first === undefined) {
        yield* setState.send('processed', row.run);
        yield* log.append(eventsWithoutSteps);
      } else {
        yield* insertJob.send(uuidv7(), row.run, first.processor, now.getTime());
      }
      return 'recorded';
    },
  };
}

/**
 * A new run with the same decision, and the `study.routed` that starts it.
 *
 * @returns makes the run and answers its ID; throws {HubError} `resource.not-found`
 */
export function openReplay(
  db: Database,
  log: EventLog,
  itemsOf: ItemsOf,
): (runId: string, now: Date) => Script<string> {
  const find = db.query<RunTableRow>(`${SELECT_RUN} WHERE run_id = ?`);
  const expired = db.query<{ found: 1 }>(
    'SELECT 1 AS found FROM runs r JOIN expired_studies e USING (study) WHERE r.run = ? AND e.revision >= r.revision',
  );
  const insert = db.query(
    `INSERT INTO runs (run_id, study, revision, route, config_version, explanation, series, steps, destinations, state,
                       created_at, routed_event_id, replay_of)
     SELECT CAST(? AS TEXT), study, revision, route, config_version, explanation, series, steps, destinations, 'waiting',
            CAST(? AS TEXT), CAST(? AS TEXT), run_id
     FROM runs WHERE run_id = ?`,
  );

  return function* (runId, now) {
    const row = yield* find.get(runId);
    if (row === undefined) throw new HubError('resource.not-found', { runId });
    const replayId = uuidv7();
    const run = toSummary(row, 0);
    const { studyInstanceUid, revision, series } = run;
    if ((yield* expired.get(row.run)) !== undefined)
      throw new HubError('study.expired', { studyInstanceUid, revision });
    const items = yield* itemsOf(studyInstanceUid, { revision, ...(series === undefined ? {} : { series }) });
    const eventId = yield* log.publish(
      {
        type: 'study.routed',
        stream: 'hub.work.v1',
        key: studyInstanceUid,
        correlationId: run.correlationId,
        ...(row.routed_event_id === null ? {} : { replayOf: row.routed_event_id }),
        data: {
          studyInstanceUid,
          revision,
          runId: replayId,
          route: run.route,
          instances: items.length,
          series: [...(series ?? new Set(items.map((item) => item.seriesInstanceUid)))],
          processors: run.steps.map(({ processor }) => processor),
          destinations: [...run.destinations],
          configVersion: run.configVersion,
        },
      },
      now,
    );
    yield* insert.send(replayId, now.toISOString(), eventId, runId);
    return replayId;
  };
}

interface RunTableRow {
  readonly run: number;
  readonly run_id: string;
  readonly study_instance_uid: StudyInstanceUid;
  readonly revision: number;
  readonly route: string;
  readonly config_version: string;
  readonly explanation: string;
  readonly series: string | null;
  readonly steps: string;
  readonly destinations: string;
  readonly state: RunState;
  readonly next_step: number;
  readonly created_at: string;
  readonly correlation_id: string;
  readonly routed_event_id: string | null;
}

const SELECT_RUN =
  'SELECT runs.*, studies.study_instance_uid, studies.correlation_id FROM runs JOIN studies USING (study)';

export function runReads(db: Database, itemsOf: ItemsOf) {
  const one = db.query<RunTableRow>(`${SELECT_RUN} WHERE run_id = ?`);
  const ofStudy = db.query<RunTableRow>(`${SELECT_RUN} WHERE study_instance_uid = ? ORDER BY run`);
  const items = db.query<{ items: string }>('SELECT items FROM run_items WHERE run = ?');
  const job = db.query<{ state: string; fence: number; kept: number }>(
    `SELECT jobs.state, jobs.fence, (SELECT count(*) FROM held_results h WHERE h.job = jobs.job) AS kept
     FROM jobs JOIN runs USING (run) WHERE run_id = ? AND step = ?`,
  );
  const backlog = db.query<{ state: string; processor: string; jobs: number }>(
    `SELECT state, processor, count(*) AS jobs FROM jobs WHERE state IN ('waiting', 'running') GROUP BY state, processor`,
  );

  const countItems = db.query<{ count: number }>(
    `SELECT ${db.dialect.lengthOf('items')} AS count FROM run_items WHERE run = ?`,
  );

  const workingSet = function* (row: RunTableRow): Script<readonly RunItem[]> {
    const stored = yield* items.get(row.run);
    return stored === undefined ? yield* received(row) : (JSON.parse(stored.items) as readonly RunItem[]);
  };
  const received = function* (row: RunTableRow): Script<readonly RunItem[]> {
    const series = parseSeries(row);
    return yield* itemsOf(row.study_instance_uid, {
      revision: row.revision,
      ...(series === undefined ? {} : { series }),
    });
  };

  return {
    *get(runId: string): Script<RunRow | undefined> {
      const row = yield* one.get(runId);
      if (row === undefined) return undefined;
      const set = yield* workingSet(row);
      return { ...toSummary(row, set.length), items: set };
    },
    *ofStudy(study: StudyInstanceUid): Script<readonly RunSummary[]> {
      const summaries: RunSummary[] = [];
      for (const row of yield* ofStudy.all(study)) {
        const count = (yield* countItems.get(row.run))?.count ?? (yield* received(row)).length;
        summaries.push(toSummary(row, count));
      }
      return summaries;
    },
    *resultless<Attempt extends { readonly runId: string; readonly step: number; readonly fence: number }>(
      attempts: readonly Attempt[],
    ): Script<readonly Attempt[]> {
      const found: Attempt[] = [];
      for (const attempt of attempts) {
        const known = yield* job.get(attempt.runId, attempt.step);
        // A higher fence than we gave out is of a ledger newer than this one: a restored backup must not cost results.
        if (known === undefined || attempt.fence > known.fence) continue;
        // What a hold keeps may still be asked for.
        const isTaken = known.state === 'done' || (known.state === 'quarantined' && known.kept > 0);
        if (attempt.fence < known.fence || !isTaken) found.push(attempt);
      }
      return found;
    },
    *backlog(): Script<readonly { readonly state: string; readonly processor: string; readonly jobs: number }[]> {
      return (yield* backlog.all()).map(({ state, processor, jobs }) => ({ state, processor, jobs }));
    },
  };
}

function toSummary(row: RunTableRow, itemCount: number): RunSummary {
  const series = parseSeries(row);
  return {
    runId: row.run_id,
    studyInstanceUid: row.study_instance_uid,
    revision: row.revision,
    route: row.route,
    configVersion: row.config_version,
    explanation: JSON.parse(row.explanation) as unknown,
    ...(series === undefined ? {} : { series }),
    steps: JSON.parse(row.steps) as readonly RunStep[],
    destinations: JSON.parse(row.destinations) as readonly string[],
    state: row.state,
    correlationId: row.correlation_id,
    createdAt: row.created_at,
    nextStep: row.next_step,
    itemCount,
  };
}

function parseSeries(row: RunTableRow): readonly SeriesInstanceUid[] | undefined {
  return row.series === null ? undefined : (JSON.parse(row.series) as readonly SeriesInstanceUid[]);
}
