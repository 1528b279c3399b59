/** Pulls as they are read: what is to be asked next, and runs and studies as pages show them. */
import type { StudyInstanceUid } from '../../../core/identifiers.ts';
import type { Page } from '../../../core/ledger/common.ts';
import type {
  PullQuestion,
  PullRunKind,
  PullRunRow,
  PullRunState,
  PullState,
  PullStudyRow,
  PullStudyState,
} from '../../../core/ledger/pulls.ts';
import { openList } from './page.ts';
import type { Database, Script } from './script.ts';

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
