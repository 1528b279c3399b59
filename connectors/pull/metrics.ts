/** The metrics of pulls. */
import type { Counter, Gauge, Histogram, Metrics } from '../../core/ports.ts';

export interface PullMetrics {
  readonly studies: Counter<'pull' | 'outcome'>;
  readonly questions: Counter<'pull' | 'outcome'>;
  readonly bytes: Counter<'pull'>;
  readonly duration: Histogram<'pull'>;
  readonly backlog: Gauge<'pull' | 'state'>;
  readonly isWorking: Gauge<'pull' | 'state'>;
}

const SECONDS = [1, 3, 10, 30, 100, 300, 1000, 3000];

export function pullMetrics(metrics: Metrics): PullMetrics {
  return {
    studies: metrics.counter({
      name: 'hub_pull_studies_total',
      help: 'Attempts to fetch a study, by how they ended: fetched, skipped (all of it was here), retried or failed.',
      labels: ['pull', 'outcome'],
    }),
    questions: metrics.counter({
      name: 'hub_pull_questions_total',
      help: 'Questions to the source of a pull: answered, split (the answer was too long), retried or failed.',
      labels: ['pull', 'outcome'],
    }),
    bytes: metrics.counter({
      name: 'hub_pull_bytes_total',
      help: 'Bytes that came because a pull asked for them.',
      labels: ['pull'],
    }),
    duration: metrics.histogram({
      name: 'hub_pull_study_duration_seconds',
      help: 'Duration of one attempt to fetch a study, until the ledger holds as much of it as its source has.',
      labels: ['pull'],
      buckets: SECONDS,
    }),
    backlog: metrics.gauge({
      name: 'hub_pull_backlog_studies',
      help: 'Studies that a pull has found and not fetched yet, or could not fetch: found, fetching, failed.',
      labels: ['pull', 'state'],
    }),
    isWorking: metrics.gauge({
      name: 'hub_pull_state',
      help: 'What a pull does in this process: 1 for its state, 0 for all others. `elsewhere`: another replica has it.',
      labels: ['pull', 'state'],
    }),
  };
}
