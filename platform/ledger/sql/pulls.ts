/** Pulls: their schedules, runs, what these ask, and the studies they found. One process at a time has a pull's lease. */
import type { FoundStudy, NewPullRun, PullRange, PullRunKind, PullStudyState } from '../../../core/ledger/pulls.ts';
import type { EventLog } from './events.ts';
import { pullFetchWrites } from './pull-fetches.ts';
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
  const setMissed = db.query(
    'UPDATE pull_questions SET state = ?, attempts = attempts + 1, due_at = ?, reason = ? WHERE question = ?',
  );
  const countFound = db.query('UPDATE pull_runs SET found = found + ?, skipped = skipped + ? WHERE pull_run = ?');
  const countAnswered = db.query('UPDATE pull_runs SET answered = answered + 1 WHERE pull_run = ?');
  const countUnanswered = db.query('UPDATE pull_runs SET unanswered = unanswered + 1, reason = ? WHERE pull_run = ?');
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
  const giveUp = function* (question: number, run: number, reason: string, now: Date): Script<true> {
    yield* setMissed.send('failed', now.getTime(), reason, question);
    yield* countUnanswered.send(reason, run);
    yield* end.send(now.toISOString(), run);
    return true;
  };

  return {
    ...pullFetchWrites(db, log, end),
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
    *answer(now: Date, question: number, studies: readonly FoundStudy[], missed?: string): Script<boolean> {
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
      yield* countFound.send(studies.length, skipped, from.pull_run);
      if (missed !== undefined) return yield* giveUp(question, from.pull_run, missed, now);
      yield* countAnswered.send(from.pull_run);
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
      if (retryAt === undefined) return yield* giveUp(question, from.pull_run, reason, now);
      yield* setMissed.send('waiting', retryAt.getTime(), reason, question);
      return true;
    },
    *cancel(now: Date, pull: string): Script<number> {
      yield* cancelQuestions.send(pull);
      yield* cancelStudies.send(now.toISOString(), pull);
      return yield* cancelRuns.run(now.toISOString(), pull);
    },
  };
}
