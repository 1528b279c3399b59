/**
 * Jobs: the steps of runs, leased. A lease that ends (its owner crashed or froze) is given to the next who asks, with
 * a higher fence; whatever the first owner still brings back then bears an old fence and is refused.
 */
import { v7 as uuidv7 } from 'uuid';
import type { NewQuarantine } from '../../../core/ledger/quarantine.ts';
import type { RunStep } from '../../../core/ledger/runs.ts';
import type { CrosswalkPart } from '../../../core/ledger/crosswalk.ts';
import type { QcScan } from '../../../core/ledger/qc-history.ts';
import { crosswalkWriter } from './crosswalk.ts';
import { qcHistoryWriter } from './qc-history.ts';
import type { ClaimTag } from './claims.ts';
import { WORK } from './locks.ts';
import type { Database, Script } from './script.ts';
import type { EventLog, SealedEvent } from './events.ts';
import type { Holds } from './quarantine.ts';

/** What a claim answers; the run itself is read by whoever asked. */
export interface ClaimedJob {
  readonly jobId: string;
  readonly runId: string;
  readonly step: number;
  readonly attempt: number;
  readonly fence: number;
  readonly failures: number;
  readonly losses: number;
}

interface LeasedRow {
  readonly job: number;
  readonly run: number;
  readonly step: number;
  readonly attempt: number;
}

/** Takes what a step made: the working set and the facts; then the next job, or the end of the run. */
export function stepResults(db: Database, log: EventLog) {
  const setJob = db.query(`UPDATE jobs SET state = 'done', ready_at = ? WHERE job = ?`);
  const setRun = db.query('UPDATE runs SET state = ?, next_step = ? WHERE run = ?');
  const stepsOf = db.query<{ steps: string }>('SELECT steps FROM runs WHERE run = ?');
  const setItems = db.query(
    'INSERT INTO run_items (run, items) VALUES (?, ?) ON CONFLICT (run) DO UPDATE SET items = excluded.items',
  );
  const insertJob = db.query(
    `INSERT INTO jobs (job_id, run, step, processor, state, ready_at) VALUES (?, ?, ?, ?, 'waiting', ?)`,
  );

  /** @param items - JSON of the working set */
  return function* (
    row: Pick<LeasedRow, 'job' | 'run' | 'step'>,
    { items, events }: { readonly items: string; readonly events: readonly SealedEvent[] },
    now: Date,
  ): Script<void> {
    yield* setJob.send(now.getTime(), row.job);
    yield* setItems.send(row.run, items);
    const next = row.step + 1;
    const steps = JSON.parse((yield* stepsOf.get(row.run))?.steps ?? '[]') as readonly RunStep[];
    const step = steps[next];
    yield* setRun.send(step === undefined ? 'processed' : 'running', next, row.run);
    if (step !== undefined) yield* insertJob.send(uuidv7(), row.run, next, step.processor, now.getTime());
    yield* log.append(events);
  };
}

/** What a hold keeps for whoever says that the run goes on all the same; items and events as JSON. */
interface PreparedKept {
  readonly items: string;
  readonly events: string;
  readonly quality: readonly QcScan[];
}

export function jobWrites(db: Database, log: EventLog, holds: Holds) {
  // A running job whose lease has ended is ready again.
  const ready = db.query<{ job: number }>(
    `SELECT job FROM jobs WHERE state IN ('waiting', 'running') AND ready_at <= ? ORDER BY ready_at, job LIMIT ?${db.dialect.skipLocked}`,
  );
  const lease = db.query<{ job_id: string; run: number; step: number; attempt: number; fence: number }>(
    `UPDATE jobs SET state = 'running', attempt = attempt + 1, fence = fence + 1, ready_at = ?, claim = ? WHERE job = ?
     RETURNING job_id, run, step, attempt, fence`,
  );
  // Nobody was told of these: the connection broke, or the thread that asked could not read on.
  const claimedBy = db.query<LeasedRow>(
    `SELECT job, run, step, attempt FROM jobs WHERE claim = ? AND state = 'running'${db.dialect.forUpdate}`,
  );
  // Ended without an outcome: given back. Not ended at all: whoever had it died.
  const past = db.query<{ failures: number; losses: number }>(
    `SELECT count(*) FILTER (WHERE outcome = 'retry') AS failures, count(*) FILTER (WHERE ended_at IS NULL) AS losses
     FROM job_attempts WHERE job = ?`,
  );
  const begin = db.query('INSERT INTO job_attempts (job, attempt, owner, started_at) VALUES (?, ?, ?, ?)');
  const runOf = db.query<{ run_id: string }>('SELECT run_id FROM runs WHERE run = ?');
  const renew = db.query(`UPDATE jobs SET ready_at = ? WHERE job_id = ? AND fence = ? AND state = 'running'`);
  const leased = db.query<LeasedRow>(
    `SELECT job, run, step, attempt FROM jobs WHERE job_id = ? AND fence = ? AND state = 'running'${db.dialect.forUpdate}`,
  );
  const setJob = db.query('UPDATE jobs SET state = ?, ready_at = ? WHERE job = ?');
  const end = db.query('UPDATE job_attempts SET ended_at = ?, outcome = ?, reason = ? WHERE job = ? AND attempt = ?');
  const setRun = db.query('UPDATE runs SET state = ?, next_step = ? WHERE run = ?');
  const keep = db.query(
    `INSERT INTO held_results (entry, job, items, events)
     SELECT entry, CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT) FROM quarantine WHERE quarantine_id = ?`,
  );

  const takeResult = stepResults(db, log);
  const addToCrosswalk = crosswalkWriter(db);
  const addToHistory = qcHistoryWriter(db);

  const endAttempt = function* (
    row: LeasedRow,
    now: Date,
    outcome?: 'done' | 'retry' | 'quarantined',
    reason?: string,
  ): Script<void> {
    yield* end.send(now.toISOString(), outcome, reason, row.job, row.attempt);
  };

  return {
    *claim(
      now: Date,
      owner: string,
      leaseMs: number,
      at: Date,
      limit: number,
      tag: ClaimTag,
    ): Script<readonly ClaimedJob[]> {
      const claimed: ClaimedJob[] = [];
      yield* db.lock(WORK, 'shared');
      for (const claim of tag.lost) {
        for (const row of yield* claimedBy.all(claim)) {
          yield* setJob.send('waiting', at.getTime(), row.job);
          yield* setRun.send('waiting', row.step, row.run);
          yield* endAttempt(row, now, undefined, 'given back');
        }
      }
      for (const { job } of yield* ready.all(at.getTime(), limit)) {
        const row = yield* lease.get(at.getTime() + leaseMs, tag.claim, job);
        const run = row === undefined ? undefined : yield* runOf.get(row.run);
        if (row === undefined || run === undefined) continue;
        const { failures = 0, losses = 0 } = (yield* past.get(job)) ?? {};
        yield* begin.send(job, row.attempt, owner, now.toISOString());
        yield* setRun.send('running', row.step, row.run);
        const { job_id: jobId, step, attempt, fence } = row;
        claimed.push({ jobId, runId: run.run_id, step, attempt, fence, failures, losses });
      }
      return claimed;
    },
    *renew(_now: Date, jobId: string, fence: number, leaseMs: number, at: Date): Script<boolean> {
      return (yield* renew.run(at.getTime() + leaseMs, jobId, fence)) === 1;
    },
    /** @param items - JSON of the working set */
    *finishStep(
      now: Date,
      jobId: string,
      fence: number,
      items: string,
      events: readonly SealedEvent[],
      crosswalk: readonly CrosswalkPart[],
      quality: readonly QcScan[],
    ): Script<boolean> {
      const row = yield* leased.get(jobId, fence);
      if (row === undefined) return false;
      yield* endAttempt(row, now, 'done');
      yield* addToCrosswalk(row.run, crosswalk);
      yield* addToHistory(row.run, quality, now);
      yield* takeResult(row, { items, events }, now);
      return true;
    },
    *retryStep(now: Date, jobId: string, fence: number, retryAt: Date, reason: string): Script<boolean> {
      const row = yield* leased.get(jobId, fence);
      if (row === undefined) return false;
      yield* setJob.send('waiting', retryAt.getTime(), row.job);
      yield* setRun.send('waiting', row.step, row.run);
      yield* endAttempt(row, now, 'retry', reason);
      return true;
    },
    *giveBack(now: Date, jobId: string, fence: number, at: Date): Script<boolean> {
      const row = yield* leased.get(jobId, fence);
      if (row === undefined) return false;
      yield* setJob.send('waiting', at.getTime(), row.job);
      yield* setRun.send('waiting', row.step, row.run);
      yield* endAttempt(row, now, undefined, 'given back');
      return true;
    },
    *quarantine(now: Date, jobId: string, fence: number, entry: NewQuarantine, kept?: PreparedKept): Script<boolean> {
      const row = yield* leased.get(jobId, fence);
      if (row === undefined) return false;
      yield* setJob.send('quarantined', now.getTime(), row.job);
      yield* setRun.send('quarantined', row.step, row.run);
      yield* endAttempt(row, now, 'quarantined', entry.reason);
      yield* holds.hold(entry, now);
      if (kept === undefined) return true;
      yield* keep.send(row.job, kept.items, kept.events, entry.quarantineId);
      yield* addToHistory(row.run, kept.quality, now);
      return true;
    },
  };
}
