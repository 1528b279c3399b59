/**
 * Which studies of a pull are being fetched, and what came of it. Whoever fetches names the fence of its lease on the
 * pull: with an earlier one nothing happens.
 */
import type { StudyInstanceUid } from '../../../core/identifiers.ts';
import type { ClaimedPullStudy, PullFailure, PullOutcome } from '../../../core/ledger/pulls.ts';
import type { EventLog, SealedEvent } from './events.ts';
import type { Database, Script, Statement } from './script.ts';

/** @param end - ends a run of which nothing waits any more; of the time and its row */
export function pullFetchWrites(db: Database, log: EventLog, end: Statement<unknown>) {
  const { forUpdate } = db.dialect;
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

  return {
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
  };
}
