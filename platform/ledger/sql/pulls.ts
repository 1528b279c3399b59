/** Pulls: runs, what they ask, and the studies they found. One process at a time has a pull's lease; its fence guards the studies. */
import type { StudyInstanceUid } from '../../../core/identifiers.ts';
import type { Page } from '../../../core/ledger/common.ts';
import type {
  ClaimedPullStudy,
  FoundStudy,
  NewPullRun,
  PullFailure,
  PullOutcome,
  PullQuestion,
  PullRange,
  PullRunKind,
  PullRunRow,
  PullRunState,
  PullState,
  PullStudyRow,
  PullStudyState,
} from '../../../core/ledger/pulls.ts';
import type { EventLog, SealedEvent } from './events.ts';
import { openList } from './page.ts';
import type { Database, Script } from './script.ts';

/** What waits behind everything else. */
const rankOf = (kind: PullRunKind): number => (kind === 'backfill' ? 1 : 0);

export function pullWrites(db: Database, log: EventLog) {
  const { forUpdate } = db.dialect;
  const setSchedule = db.query(
    `INSERT INTO pull_states (pull, schedule, next_at) VALUES (?, ?, ?)
     ON CONFLICT (pull) DO UPDATE SET schedule = excluded.schedule, next_at = excluded.next_at`,
  );
  const pause = db.query(
    `INSERT INTO pull_states (pull, paused) VALUES (?, 1)
     ON CONFLICT (pull) DO UPDATE SET paused = 1 WHERE pull_states.paused = 0`,
  );
  const resume = db.query('UPDATE pull_states SET paused = 0 WHERE pull = ? AND paused = 1');
  const scheduled = db.query<{ pull_run: number }>(
    `SELECT pull_run FROM pull_runs WHERE pull = ? AND kind = 'scheduled' AND state IN ('requested', 'active') LIMIT 1`,
  );
  const insertRun = db.query(
    `INSERT INTO pull_runs (run_id, pull, kind, state, day_from, day_to, requested_at)
     VALUES (?, ?, ?, 'requested', ?, ?, ?) ON CONFLICT (run_id) DO NOTHING`,
  );
  const activate = db.query<{ pull_run: number; pull: string; kind: PullRunKind }>(
    `UPDATE pull_runs SET state = 'active', questions = ? WHERE run_id = ? AND state = 'requested'
     RETURNING pull_run, pull, kind`,
  );
  const abandon = db.query(
    `UPDATE pull_runs SET state = 'incomplete', ended_at = ?, reason = ? WHERE run_id = ? AND state = 'requested'`,
  );
  const insertQuestion = db.query(
    `INSERT INTO pull_questions
       (pull_run, pull, state, rank, day_from, day_to, time_from, time_to, accession_number, due_at)
     VALUES (?, ?, 'waiting', ?, ?, ?, ?, ?, ?, ?)`,
  );
  const asked = db.query<{ pull_run: number; pull: string; rank: number }>(
    `SELECT pull_run, pull, rank FROM pull_questions WHERE question = ? AND state = 'waiting'${forUpdate}`,
  );
  const removeQuestion = db.query('DELETE FROM pull_questions WHERE question = ?');
  const missed = db.query(
    'UPDATE pull_questions SET state = ?, attempts = attempts + 1, due_at = ?, reason = ? WHERE question = ?',
  );
  const countAnswered = db.query(
    'UPDATE pull_runs SET answered = answered + 1, found = found + ?, skipped = skipped + ? WHERE pull_run = ?',
  );
  const countUnanswered = db.query('UPDATE pull_runs SET unanswered = unanswered + 1 WHERE pull_run = ?');
  const countSplit = db.query('UPDATE pull_runs SET questions = questions + ? WHERE pull_run = ?');
  // One that waits or is being fetched is its run's; one that ended is this run's from now on.
  const find = db.query<{ entry: number; state: PullStudyState }>(
    `INSERT INTO pull_studies (pull, study_instance_uid, pull_run, state, rank, due_at, instances, found_at, updated_at)
     VALUES (?, ?, ?, 'found', ?, ?, ?, ?, ?)
     ON CONFLICT (pull, study_instance_uid) DO UPDATE SET
       pull_run = excluded.pull_run, state = 'found', attempts = 0, due_at = excluded.due_at,
       rank = excluded.rank, instances = excluded.instances, updated_at = excluded.updated_at, code = NULL, reason = NULL
       WHERE pull_studies.state IN ('done', 'failed', 'cancelled')
     RETURNING entry, state`,
  );
  const known = db.query<{ state: PullStudyState; verified: number | null }>(
    'SELECT state, verified FROM pull_studies WHERE pull = ? AND study_instance_uid = ?',
  );
  const takeOver = db.query(
    `UPDATE pull_studies SET state = 'found', updated_at = ? WHERE pull = ? AND state = 'fetching' AND fence <> ?`,
  );
  const due = db.query<{ entry: number }>(
    `SELECT entry FROM pull_studies WHERE pull = ? AND state = 'found' AND due_at <= ?
     ORDER BY rank, due_at, entry LIMIT ?${db.dialect.skipLocked}`,
  );
  const take = db.query<{
    study_instance_uid: StudyInstanceUid;
    attempts: number;
    instances: number | null;
    verified: number | null;
  }>(
    `UPDATE pull_studies SET state = 'fetching', attempts = attempts + 1, fence = ?, updated_at = ? WHERE entry = ?
     RETURNING study_instance_uid, attempts, instances, verified`,
  );
  const fetched = db.query<{ entry: number; pull_run: number }>(
    `SELECT entry, pull_run FROM pull_studies
     WHERE pull = ? AND study_instance_uid = ? AND state = 'fetching' AND fence = ?${forUpdate}`,
  );
  const done = db.query(
    `UPDATE pull_studies SET state = 'done', held = ?, verified = ?, updated_at = ?, code = NULL, reason = NULL
     WHERE entry = ?`,
  );
  const failed = db.query(
    'UPDATE pull_studies SET state = ?, due_at = ?, held = ?, updated_at = ?, code = ?, reason = ? WHERE entry = ?',
  );
  const back = db.query(
    `UPDATE pull_studies SET state = 'found', attempts = attempts - 1, due_at = ?, updated_at = ? WHERE entry = ?`,
  );
  const countDone = db.query(
    'UPDATE pull_runs SET fetched = fetched + ?, skipped = skipped + ?, instances = instances + ? WHERE pull_run = ?',
  );
  const countFailed = db.query('UPDATE pull_runs SET failed = failed + 1 WHERE pull_run = ?');
  const end = db.query(
    `UPDATE pull_runs SET state = CASE WHEN failed + unanswered > 0 THEN 'incomplete' ELSE 'done' END, ended_at = ?
     WHERE pull_run = ? AND state = 'active'
       AND NOT EXISTS (SELECT 1 FROM pull_questions q WHERE q.pull_run = pull_runs.pull_run AND q.state = 'waiting')
       AND NOT EXISTS (SELECT 1 FROM pull_studies s WHERE s.pull_run = pull_runs.pull_run
                       AND s.state IN ('found', 'fetching'))`,
  );
  const cancelRuns = db.query(
    `UPDATE pull_runs SET state = 'cancelled', ended_at = ? WHERE pull = ? AND state IN ('requested', 'active')`,
  );
  const cancelQuestions = db.query(`DELETE FROM pull_questions WHERE pull = ? AND state = 'waiting'`);
  const cancelStudies = db.query(
    `UPDATE pull_studies SET state = 'cancelled', updated_at = ? WHERE pull = ? AND state IN ('found', 'fetching')`,
  );

  const ask = function* (run: number, pull: string, rank: number, ranges: readonly PullRange[], now: Date) {
    for (const { from, to, timeFrom, timeTo, accessionNumber } of ranges) {
      yield* insertQuestion.send(run, pull, rank, from, to, timeFrom, timeTo, accessionNumber, now.getTime());
    }
  };

  return {
    *schedule(_now: Date, pull: string, schedule: string, nextAt: Date | undefined): Script<void> {
      yield* setSchedule.send(pull, schedule, nextAt?.getTime());
    },
    *pause(_now: Date, pull: string, isPaused: boolean): Script<boolean> {
      return (yield* (isPaused ? pause : resume).run(pull)) === 1;
    },
    *request(now: Date, { runId, pull, kind, from, to }: NewPullRun): Script<'requested' | 'already' | 'busy'> {
      if (kind === 'scheduled' && (yield* scheduled.get(pull)) !== undefined) return 'busy';
      return (yield* insertRun.run(runId, pull, kind, from, to, now.toISOString())) === 1 ? 'requested' : 'already';
    },
    *plan(now: Date, runId: string, questions: readonly PullRange[]): Script<boolean> {
      const run = yield* activate.get(questions.length, runId);
      if (run === undefined) return false;
      yield* ask(run.pull_run, run.pull, rankOf(run.kind), questions, now);
      if (questions.length === 0) yield* end.send(now.toISOString(), run.pull_run);
      return true;
    },
    *abandon(now: Date, runId: string, reason: string): Script<boolean> {
      return (yield* abandon.run(now.toISOString(), reason, runId)) === 1;
    },
    *answer(now: Date, question: number, studies: readonly FoundStudy[]): Script<boolean> {
      const from = yield* asked.get(question);
      if (from === undefined) return false;
      const at = now.toISOString();
      let skipped = 0;
      for (const { studyInstanceUid, instances } of studies) {
        const before = yield* known.get(from.pull, studyInstanceUid);
        if (before?.state === 'done' && instances !== undefined && before.verified === instances) {
          skipped += 1;
          continue;
        }
        const { pull, pull_run: run, rank } = from;
        yield* find.get(pull, studyInstanceUid, run, rank, now.getTime(), instances, at, at);
      }
      yield* countAnswered.send(studies.length, skipped, from.pull_run);
      yield* removeQuestion.send(question);
      yield* end.send(at, from.pull_run);
      return true;
    },
    *split(now: Date, question: number, parts: readonly PullRange[]): Script<boolean> {
      const from = yield* asked.get(question);
      if (from === undefined) return false;
      yield* ask(from.pull_run, from.pull, from.rank, parts, now);
      yield* countSplit.send(parts.length - 1, from.pull_run);
      yield* removeQuestion.send(question);
      return true;
    },
    *miss(now: Date, question: number, reason: string, retryAt: Date | undefined): Script<boolean> {
      const from = yield* asked.get(question);
      if (from === undefined) return false;
      yield* missed.send(retryAt === undefined ? 'failed' : 'waiting', (retryAt ?? now).getTime(), reason, question);
      if (retryAt !== undefined) return true;
      yield* countUnanswered.send(from.pull_run);
      yield* end.send(now.toISOString(), from.pull_run);
      return true;
    },
    *takeOver(now: Date, pull: string, fence: number): Script<number> {
      return yield* takeOver.run(now.toISOString(), pull, fence);
    },
    *claim(_now: Date, pull: string, fence: number, at: Date, limit: number): Script<readonly ClaimedPullStudy[]> {
      const claimed: ClaimedPullStudy[] = [];
      for (const { entry } of yield* due.all(pull, at.getTime(), limit)) {
        const row = yield* take.get(fence, at.toISOString(), entry);
        if (row === undefined) continue;
        claimed.push({
          studyInstanceUid: row.study_instance_uid,
          fence,
          attempt: row.attempts,
          ...(row.instances === null ? {} : { instances: row.instances }),
          ...(row.verified === null ? {} : { verified: row.verified }),
        });
      }
      return claimed;
    },
    *finish(
      now: Date,
      pull: string,
      study: StudyInstanceUid,
      fence: number,
      { held, verified, how }: PullOutcome,
      events: readonly SealedEvent[],
    ): Script<boolean> {
      const row = yield* fetched.get(pull, study, fence);
      if (row === undefined) return false;
      const isFetched = how === 'fetched';
      yield* done.send(held, verified, now.toISOString(), row.entry);
      yield* countDone.send(isFetched ? 1 : 0, isFetched ? 0 : 1, isFetched ? held : 0, row.pull_run);
      yield* end.send(now.toISOString(), row.pull_run);
      yield* log.append(events);
      return true;
    },
    *fail(
      now: Date,
      pull: string,
      study: StudyInstanceUid,
      fence: number,
      { code, reason, held }: PullFailure,
      retryAt: Date | undefined,
      events: readonly SealedEvent[],
    ): Script<boolean> {
      const row = yield* fetched.get(pull, study, fence);
      if (row === undefined) return false;
      const state = retryAt === undefined ? 'failed' : 'found';
      yield* failed.send(state, (retryAt ?? now).getTime(), held, now.toISOString(), code, reason, row.entry);
      if (retryAt === undefined) {
        yield* countFailed.send(row.pull_run);
        yield* end.send(now.toISOString(), row.pull_run);
      }
      yield* log.append(events);
      return true;
    },
    *giveBack(now: Date, pull: string, study: StudyInstanceUid, fence: number, dueAt: Date): Script<boolean> {
      const row = yield* fetched.get(pull, study, fence);
      if (row === undefined) return false;
      yield* back.send(dueAt.getTime(), now.toISOString(), row.entry);
      return true;
    },
    *cancel(now: Date, pull: string): Script<number> {
      yield* cancelQuestions.send(pull);
      yield* cancelStudies.send(now.toISOString(), pull);
      return yield* cancelRuns.run(now.toISOString(), pull);
    },
  };
}

interface RunTableRow {
  readonly run_id: string;
  readonly pull: string;
  readonly kind: PullRunKind;
  readonly state: PullRunState;
  readonly day_from: string | null;
  readonly day_to: string | null;
  readonly requested_at: string;
  readonly ended_at: string | null;
  readonly reason: string | null;
  readonly questions: number;
  readonly answered: number;
  readonly unanswered: number;
  readonly found: number;
  readonly fetched: number;
  readonly skipped: number;
  readonly failed: number;
  readonly instances: number;
}

interface StudyTableRow {
  readonly entry: number;
  readonly pull: string;
  readonly study_instance_uid: StudyInstanceUid;
  readonly run_id: string;
  readonly state: PullStudyState;
  readonly attempts: number;
  readonly due_at: number;
  readonly instances: number | null;
  readonly held: number | null;
  readonly verified: number | null;
  readonly found_at: string;
  readonly updated_at: string;
  readonly code: string | null;
  readonly reason: string | null;
}

export function pullReads(db: Database) {
  const state = db.query<{ paused: 0 | 1; schedule: string | null; next_at: number | null }>(
    'SELECT paused, schedule, next_at FROM pull_states WHERE pull = ?',
  );
  const requested = db.query<RunTableRow>(
    `SELECT * FROM pull_runs WHERE pull = ? AND state = 'requested' ORDER BY pull_run`,
  );
  const questions = db.query<{
    question: number;
    run_id: string;
    attempts: number;
    day_from: string | null;
    day_to: string | null;
    time_from: string | null;
    time_to: string | null;
    accession_number: string | null;
  }>(
    `SELECT q.*, r.run_id FROM pull_questions q JOIN pull_runs r USING (pull_run)
     WHERE q.pull = ? AND q.state = 'waiting' AND q.due_at <= ? ORDER BY q.rank, q.due_at, q.question LIMIT ?`,
  );
  const wanted = db.query<{ entry: number }>(
    `SELECT entry FROM pull_studies WHERE pull = ? AND study_instance_uid = ? AND state = 'fetching' AND fence = ?`,
  );
  const nextQuestion = db.query<{ at: number | null }>(
    `SELECT min(due_at) AS at FROM pull_questions WHERE pull = ? AND state = 'waiting'`,
  );
  const nextStudy = db.query<{ at: number | null }>(
    `SELECT min(due_at) AS at FROM pull_studies WHERE pull = ? AND state = 'found'`,
  );
  const runs = openList<RunTableRow>(db, {
    select: 'SELECT * FROM pull_runs',
    key: 'pull_run',
    find: 'SELECT pull_run AS key FROM pull_runs WHERE run_id = ?',
  });
  const backlog = db.query<{ pull: string; state: PullStudyState; studies: number }>(
    'SELECT pull, state, count(*) AS studies FROM pull_studies GROUP BY pull, state',
  );
  const studies = openList<StudyTableRow>(db, {
    select: 'SELECT s.*, r.run_id FROM pull_studies s JOIN pull_runs r USING (pull_run)',
    key: 's.entry',
    // A study is a row of each pull that found it: a page goes on after a row, not after a study.
    find: 'SELECT entry AS key FROM pull_studies WHERE entry = CAST(? AS BIGINT)',
  });

  return {
    *state(pull: string): Script<PullState> {
      const row = yield* state.get(pull);
      const nextAt = row?.next_at ?? null;
      const schedule = row?.schedule ?? null;
      return {
        isPaused: row?.paused === 1,
        ...(nextAt === null ? {} : { nextAt: new Date(nextAt) }),
        ...(schedule === null ? {} : { schedule }),
      };
    },
    *requested(pull: string): Script<readonly PullRunRow[]> {
      return (yield* requested.all(pull)).map(toRun);
    },
    *questions(pull: string, now: Date, limit: number): Script<readonly PullQuestion[]> {
      return (yield* questions.all(pull, now.getTime(), limit)).map((row) => ({
        question: row.question,
        runId: row.run_id,
        attempts: row.attempts,
        ...present({
          from: row.day_from,
          to: row.day_to,
          timeFrom: row.time_from,
          timeTo: row.time_to,
          accessionNumber: row.accession_number,
        }),
      }));
    },
    *isWanted(pull: string, study: StudyInstanceUid, fence: number): Script<boolean> {
      return (yield* wanted.get(pull, study, fence)) !== undefined;
    },
    *nextDue(pull: string): Script<Date | undefined> {
      const at = [(yield* nextQuestion.get(pull))?.at, (yield* nextStudy.get(pull))?.at];
      const times = at.filter((each) => each !== null && each !== undefined);
      return times.length === 0 ? undefined : new Date(Math.min(...times));
    },
    *runs({ pull, ...page }: Page & { readonly pull: string }): Script<readonly PullRunRow[]> {
      return (yield* runs(page, ['pull = ?', pull])).map(toRun);
    },
    *studies({
      pull,
      state: only,
      ...page
    }: Page & { readonly pull: string; readonly state?: PullStudyState }): Script<readonly PullStudyRow[]> {
      return (yield* studies(page, ['s.pull = ?', pull], ['s.state = ?', only])).map(toStudy);
    },
    *backlog(): Script<readonly { readonly pull: string; readonly state: PullStudyState; readonly studies: number }[]> {
      return (yield* backlog.all()).map((row) => ({ ...row }));
    },
  };
}

function toRun(row: RunTableRow): PullRunRow {
  const { questions, answered, unanswered, found, fetched, skipped, failed, instances } = row;
  return {
    runId: row.run_id,
    pull: row.pull,
    kind: row.kind,
    state: row.state,
    requestedAt: row.requested_at,
    ...present({ from: row.day_from, to: row.day_to, endedAt: row.ended_at, reason: row.reason }),
    ...{ questions, answered, unanswered, found, fetched, skipped, failed, instances },
  };
}

function toStudy(row: StudyTableRow): PullStudyRow {
  return {
    entryId: String(row.entry),
    pull: row.pull,
    studyInstanceUid: row.study_instance_uid,
    runId: row.run_id,
    state: row.state,
    attempts: row.attempts,
    foundAt: row.found_at,
    updatedAt: row.updated_at,
    ...(row.state === 'found' ? { dueAt: new Date(row.due_at).toISOString() } : {}),
    ...present({ code: row.code, reason: row.reason }),
    ...(row.instances === null ? {} : { instances: row.instances }),
    ...(row.held === null ? {} : { held: row.held }),
    ...(row.verified === null ? {} : { verified: row.verified }),
  };
}

/** What a row has, without what it has not. */
function present<Key extends string>(texts: Readonly<Record<Key, string | null>>): Partial<Record<Key, string>> {
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== null)) as Partial<Record<Key, string>>;
}
