/** Runs planned, and their questions put to the source. */
import { HubError, toHubError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { PullQuestion, PullRunRow } from '../../core/ledger/pulls.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import { nextDelayMs } from '../../core/retry.ts';
import { readAccessions } from './accessions.ts';
import type { PullMetrics } from './metrics.ts';
import type { PullOptions } from './options.ts';
import { partsOf, questionsOf } from './questions.ts';
import type { PullSource } from './source.ts';

export interface AskPorts {
  readonly ledger: Pick<Ledger, 'pulls'>;
  readonly source: Pick<PullSource, 'find'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: PullMetrics;
  readonly random: () => number;
}

/** Decides once what a run asks: "the last three days" are those before it was planned, whenever they are asked for. */
export async function planRun(run: PullRunRow, options: PullOptions, { ledger, clock, log }: AskPorts): Promise<void> {
  const { accessions } = options.query;
  try {
    const list = accessions === undefined ? undefined : await readAccessions(accessions.file, accessions.column);
    const questions = questionsOf(run, options, list, clock.now());
    await ledger.pulls.plan(run.runId, questions);
    log.info('pull begins', { pull: options.name, run: run.runId, kind: run.kind, questions: questions.length });
  } catch (error) {
    const failure = toHubError(error);
    if (failure.code !== 'pull.list-unreadable') throw error;
    log.error('pull cannot begin', { pull: options.name, run: run.runId, code: failure.code, ...failure.fields });
    await ledger.pulls.abandon(run.runId, failure.message);
  }
}

/** `down`: nobody is there, or has time; the question stays as it is. */
export type AskOutcome = 'answered' | 'missed' | 'down' | 'stopped';

/** @throws {HubError} only what the ledger says */
export async function askQuestion(
  question: PullQuestion,
  options: PullOptions,
  ports: AskPorts,
  signal: AbortSignal,
): Promise<AskOutcome> {
  const { ledger, clock, log, metrics } = ports;
  const { name: pull } = options;
  try {
    const found = await ports.source.find(question, signal);
    if (found.strays > 0) log.warn('matches that were not asked for, left alone', { pull, matches: found.strays });
    const parts = found.isCut ? partsOf(question) : undefined;
    if (parts !== undefined) {
      await ledger.pulls.split(question.question, parts);
      metrics.questions.increment({ pull, outcome: 'split' });
      return 'answered';
    }
    if (found.isCut) {
      log.error('pull finds more than it may ask for', { pull, run: question.runId, maxMatches: options.maxMatches });
      await ledger.pulls.miss(question.question, new HubError('pull.too-many').message, undefined);
      metrics.questions.increment({ pull, outcome: 'failed' });
      return 'missed';
    }
    if (found.nameless > 0) {
      const failure = new HubError('pull.nameless', { matches: found.nameless });
      log.error('matches that cannot be fetched', { pull, run: question.runId, code: failure.code, ...failure.fields });
      await ledger.pulls.answer(question.question, found.studies, failure.message);
      metrics.questions.increment({ pull, outcome: 'failed' });
      return 'missed';
    }
    await ledger.pulls.answer(question.question, found.studies);
    metrics.questions.increment({ pull, outcome: 'answered' });
    return 'answered';
  } catch (error) {
    const failure = toHubError(error);
    if (failure.code.startsWith('ledger.')) throw error;
    if (signal.aborted) return 'stopped';
    if (failure.code === 'partner.unreachable' || failure.code === 'partner.busy') return 'down';
    const attempts = question.attempts + 1;
    const delayMs =
      failure.code === 'pull.keys-ignored' ? undefined : nextDelayMs(options.retry, attempts, ports.random());
    const retryAt = delayMs === undefined ? undefined : new Date(clock.now().getTime() + delayMs);
    await ledger.pulls.miss(question.question, failure.message, retryAt);
    metrics.questions.increment({ pull, outcome: retryAt === undefined ? 'failed' : 'retried' });
    const fields = { pull, run: question.runId, attempts, code: failure.code, ...failure.fields };
    if (failure.code === 'internal.unexpected')
      log.error('source not asked', { ...fields, reason: String(failure.cause) });
    else log.warn('source did not answer', fields);
    return 'missed';
  }
}
