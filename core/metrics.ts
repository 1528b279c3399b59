/** Metrics that several stages count into: one definition, so that it is one metric. */
import type { MetricDefinition } from './ports.ts';

/** What is held for somebody to look at, counted by whoever puts it there. */
export const QUARANTINED: MetricDefinition<'reason'> = {
  name: 'hub_quarantined_total',
  help: 'Instances at the doors and runs in processing that were put into quarantine.',
  labels: ['reason'],
};
