/** What an attempt at a delivery needs of the hub. */
import type { Ledger } from '../core/ledger.ts';
import type { Clock, Logger } from '../core/ports.ts';
import type { DeliveryMetrics } from './metrics.ts';
import type { PartnerDirectory } from './partner-api/directory.ts';

export interface AttemptPorts {
  readonly ledger: Pick<Ledger, 'deliveries'>;
  readonly partners: Pick<PartnerDirectory, 'find'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: DeliveryMetrics;
}
