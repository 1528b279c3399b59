/** Which transactions make work for somebody: whoever waits for work is told of them. */

/** Calls that may have made work for somebody. The rest is book-keeping: to wake everybody for it would make the bus wake itself. */
const MAKES_WORK: ReadonlySet<string> = new Set([
  'instances.record',
  'studies.complete',
  'studies.release',
  'studies.answered',
  'commitments.decide',
  'askedCommitments.report',
  'runs.open',
  'runs.start',
  'runs.replay',
  'jobs.finishStep',
  'jobs.retryStep',
  'jobs.quarantine',
  'deliveries.open',
  'deliveries.succeed',
  'deliveries.fail',
  'deliveries.replay',
  'deliveries.retry',
  'deliveries.cancel',
  'deliveries.actOnMany',
  'deliveries.send',
  'pulls.request',
  'pulls.pause',
  'pulls.cancel',
  'quarantine.hold',
  'quarantine.release',
  'overrides.override',
  'events.append',
  'groups.rewind',
  'partners.project',
  'webhooks.create',
  'webhooks.change',
  'webhooks.test',
  'webhooks.redeliver',
  'webhooks.redeliverSince',
  'webhooks.disable',
]);

export function makesWork({ group, method }: { readonly group: string; readonly method: string }): boolean {
  return MAKES_WORK.has(`${group}.${method}`);
}
