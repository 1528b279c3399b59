/**
 * What the hub knows and must not forget. Each method is one transaction: it has happened, durably, when its promise
 * resolves, or it has not happened at all. Methods that make a fact true append the event of that fact in the same
 * transaction. Every method may be repeated after a crash: what was done is not done twice.
 */
import type { AskedCommitmentsLedger } from './ledger/asked-commitments.ts';
import type { CommitmentsLedger } from './ledger/commitments.ts';
import type { ConfigurationLedger } from './ledger/configuration.ts';
import type { CrosswalkLedger } from './ledger/crosswalk.ts';
import type { DeliveryLedger } from './ledger/deliveries.ts';
import type { EventsLedger, GroupsLedger } from './ledger/events.ts';
import type { InstancesLedger } from './ledger/instances.ts';
import type { OverridesLedger } from './ledger/overrides.ts';
import type { PartnersLedger } from './ledger/partners.ts';
import type { PullsLedger } from './ledger/pulls.ts';
import type { QcHistoryLedger } from './ledger/qc-history.ts';
import type { QuarantineLedger } from './ledger/quarantine.ts';
import type { KeysLedger, LeasesLedger } from './ledger/replicas.ts';
import type { RetentionLedger } from './ledger/retention.ts';
import type { RunsLedger } from './ledger/runs.ts';
import type { StudiesLedger } from './ledger/studies.ts';
import type { TokensLedger } from './ledger/tokens.ts';
import type { WebhooksLedger } from './ledger/webhooks.ts';

export interface Ledger {
  readonly instances: InstancesLedger;
  readonly studies: StudiesLedger;
  readonly runs: RunsLedger;
  readonly deliveries: DeliveryLedger;
  readonly commitments: CommitmentsLedger;
  readonly askedCommitments: AskedCommitmentsLedger;
  readonly quarantine: QuarantineLedger;
  readonly overrides: OverridesLedger;
  readonly events: EventsLedger;
  readonly groups: GroupsLedger;
  readonly pulls: PullsLedger;
  readonly crosswalk: CrosswalkLedger;
  readonly quality: QcHistoryLedger;
  readonly configuration: ConfigurationLedger;
  readonly leases: LeasesLedger;
  readonly keys: KeysLedger;
  readonly partners: PartnersLedger;
  readonly webhooks: WebhooksLedger;
  readonly tokens: TokensLedger;
  readonly retention: RetentionLedger;
  /** Called after each commit that may have made work for somebody; coalesced. Returns its own removal. */
  onCommit(listener: () => void): () => void;
  /** Waits for the commits under way, checkpoints, closes. */
  close(): Promise<void>;
}
