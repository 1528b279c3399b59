/** Every operation of the ledger over one connection, by group: what writes, for the writer; what reads, for anybody. */
import { askedCommitmentReads, askedCommitmentWrites } from './asked-commitments.ts';
import { commitmentReads, commitmentWrites } from './commitments.ts';
import { completionReads, completionWrites } from './completion.ts';
import { configurationReads, configurationWrites } from './configuration.ts';
import { crosswalkReads } from './crosswalk.ts';
import { deliveryWrites } from './deliveries.ts';
import { deliveryReads } from './delivery-lists.ts';
import type { Database, Script } from './script.ts';
import { eventReads, eventWrites, openEventLog } from './events.ts';
import { groupReads, groupWrites } from './groups.ts';
import { instanceReads, instanceWrites } from './instances.ts';
import { openIntake } from './intake.ts';
import { jobWrites } from './jobs.ts';
import { leaseReads, leaseWrites } from './leases.ts';
import { openHolds, quarantineReads, quarantineWrites } from './quarantine.ts';
import { pullReads } from './pull-lists.ts';
import { pullWrites } from './pulls.ts';
import { retentionReads, retentionWrites } from './retention.ts';
import { keyWrites } from './nodes.ts';
import { partnerReads, partnerWrites } from './partners.ts';
import { qcHistoryReads, qcHistoryWrites } from './qc-history.ts';
import { overrideReads, overrideWrites } from './overrides.ts';
import { openReplay, runReads, runWrites } from './runs.ts';
import { studyReads, studyWrites } from './studies.ts';
import { timelineReads } from './timeline.ts';
import { tokenReads, tokenWrites } from './tokens.ts';
import { webhookQueue, webhookSending } from './webhook-sending.ts';
import { webhookReads, webhookWrites } from './webhooks.ts';

export type Writes = ReturnType<typeof openWrites>;
export type Reads = ReturnType<typeof openReads>;

/** The first argument of each is the time it happens; a failing one leaves nothing behind only inside a savepoint. */
export function openWrites(db: Database) {
  const log = openEventLog(db);
  const holds = openHolds(db, log);
  const intake = openIntake(db, log);
  const items = instanceReads(db);
  const replay = openReplay(db, log, (study, selection) => items.ofStudy(study, selection));
  return {
    instances: instanceWrites(db, intake, holds),
    studies: { ...studyWrites(db, log), ...completionWrites(db) },
    runs: { ...runWrites(db, log), replay: (now: Date, runId: string): Script<string> => replay(runId, now) },
    jobs: jobWrites(db, log, holds),
    deliveries: deliveryWrites(db, log),
    commitments: commitmentWrites(db),
    askedCommitments: askedCommitmentWrites(db),
    quarantine: quarantineWrites(db, holds, intake, replay),
    overrides: overrideWrites(db, log),
    events: eventWrites(log),
    groups: groupWrites(db),
    leases: leaseWrites(db),
    keys: keyWrites(db),
    pulls: pullWrites(db, log),
    tokens: tokenWrites(db),
    quality: qcHistoryWrites(db),
    configuration: configurationWrites(db),
    partners: partnerWrites(db, log),
    webhooks: { ...webhookWrites(db, log), ...webhookSending(db) },
    retention: retentionWrites(db),
  };
}

export function openReads(db: Database) {
  const instances = instanceReads(db);
  return {
    instances,
    studies: { ...studyReads(db), ...completionReads(db), timeline: timelineReads(db) },
    runs: runReads(db, (study, selection) => instances.ofStudy(study, selection)),
    deliveries: deliveryReads(db),
    commitments: commitmentReads(db),
    askedCommitments: askedCommitmentReads(db),
    crosswalk: crosswalkReads(db),
    quality: qcHistoryReads(db),
    configuration: configurationReads(db),
    quarantine: quarantineReads(db),
    overrides: overrideReads(db),
    events: eventReads(db),
    leases: leaseReads(db),
    pulls: pullReads(db),
    groups: groupReads(db),
    tokens: tokenReads(db),
    partners: partnerReads(db),
    webhooks: { ...webhookReads(db), ...webhookQueue(db) },
    retention: retentionReads(db),
  };
}
