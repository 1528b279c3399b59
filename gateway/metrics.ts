/** What the gateway counts. Labels are names of the configuration and words of this file, never what a peer sent. */
import { QUARANTINED } from '../core/metrics.ts';
import type { Counter, Gauge, Histogram, Metrics } from '../core/ports.ts';

export interface GatewayMetrics {
  readonly instances: Counter<'door' | 'source' | 'outcome'>;
  readonly bytes: Counter<'door' | 'source'>;
  readonly ackSeconds: Histogram<'door'>;
  readonly quarantined: Counter<'reason'>;
  readonly associations: Gauge<never>;
  readonly spoolPendingBytes: Gauge<never>;
  readonly spoolOldestAgeSeconds: Gauge<never>;
  readonly studiesCompleted: Counter<'source'>;
  readonly sourceLastSeenSeconds: Gauge<'source'>;
}

export function gatewayMetrics(metrics: Metrics): GatewayMetrics {
  return {
    instances: metrics.counter({
      name: 'hub_gateway_instances_total',
      help: 'Instances offered to the hub, by what became of them.',
      labels: ['door', 'source', 'outcome'],
    }),
    bytes: metrics.counter({
      name: 'hub_gateway_bytes_total',
      help: 'Bytes made durable.',
      labels: ['door', 'source'],
    }),
    ackSeconds: metrics.histogram({
      name: 'hub_gateway_ack_duration_seconds',
      help: 'From the last byte of an instance to the moment its sender may be told.',
      labels: ['door'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    }),
    quarantined: metrics.counter(QUARANTINED),
    associations: metrics.gauge({
      name: 'hub_gateway_associations',
      help: 'Associations open now.',
      labels: [],
    }),
    spoolPendingBytes: metrics.gauge({
      name: 'hub_spool_pending_bytes',
      help: 'Durable bytes the ledger does not know of yet.',
      labels: [],
    }),
    spoolOldestAgeSeconds: metrics.gauge({
      name: 'hub_spool_oldest_age_seconds',
      help: 'Age of the oldest instance the ledger does not know of yet; 0 when there is none.',
      labels: [],
    }),
    studiesCompleted: metrics.counter({
      name: 'hub_studies_completed_total',
      help: 'Studies completed, each revision counted.',
      labels: ['source'],
    }),
    sourceLastSeenSeconds: metrics.gauge({
      name: 'hub_source_last_seen_seconds',
      help: 'Time since a source last opened an association or sent an instance; since the start when it never did.',
      labels: ['source'],
    }),
  };
}
