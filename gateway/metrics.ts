/** What the gateway counts. Labels are names of the configuration and words of this file, never what a peer sent. */
import { QUARANTINED } from '../core/metrics.ts';
import type { Counter, Gauge, Histogram, Metrics } from '../core/ports.ts';

export interface GatewayMetrics {
  readonly instances: Counter<'door' | 'source' | 'outcome'>;
  readonly bytes: Counter<'door' | 'source'>;
  readonly ackSeconds: Histogram<'door'>;
  readonly quarantined: Counter<'reason'>;
  readonly associations: Gauge<never>;
  readonly silentConnections: Counter<never>;
  readonly spoolPendingBytes: Gauge<never>;
  readonly spoolOldestAgeSeconds: Gauge<never>;
  readonly diskFreeBytes: Gauge<never>;
  readonly diskMinFreeBytes: Gauge<never>;
  readonly diskUsedRatio: Gauge<never>;
  readonly diskMaxUsedRatio: Gauge<never>;
  readonly diskLow: Gauge<never>;
  readonly certificateExpirySeconds: Gauge<'door'>;
  readonly studiesCompleted: Counter<'source'>;
  readonly commitments: Counter<'source' | 'outcome'>;
  readonly commitmentReports: Counter<'source' | 'outcome'>;
  readonly commitmentBacklog: Gauge<'state'>;
  readonly commitmentResults: Counter<'destination' | 'outcome'>;
  readonly completionSignals: Counter<'signal'>;
  readonly sourceQueries: Counter<'source' | 'outcome'>;
  readonly sourceLastSeenSeconds: Gauge<'source'>;
  readonly folderFiles: Gauge<'source' | 'state'>;
  readonly folderUp: Gauge<'source'>;
  readonly folderScans: Counter<'source' | 'outcome'>;
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
    silentConnections: metrics.counter({
      name: 'hub_gateway_silent_connections_total',
      help: 'Connections to a DICOM port that were over before their peer had said a word: health checks of load balancers, port scans. No log line tells of them.',
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
    diskFreeBytes: metrics.gauge({
      name: 'hub_gateway_disk_free_bytes',
      help: 'Free on the disk of the data folder.',
      labels: [],
    }),
    diskMinFreeBytes: metrics.gauge({
      name: 'hub_gateway_disk_min_free_bytes',
      help: 'With less free nothing is received: gateway.disk.minFree.',
      labels: [],
    }),
    diskUsedRatio: metrics.gauge({
      name: 'hub_gateway_disk_used_ratio',
      help: 'Used of the disk of the data folder, 0 to 1.',
      labels: [],
    }),
    diskMaxUsedRatio: metrics.gauge({
      name: 'hub_gateway_disk_max_used_ratio',
      help: 'With more in use nothing is received: gateway.disk.maxUsedPercent.',
      labels: [],
    }),
    diskLow: metrics.gauge({
      name: 'hub_gateway_disk_low',
      help: '1 while nothing is received because the disk is low, else 0.',
      labels: [],
    }),
    certificateExpirySeconds: metrics.gauge({
      name: 'hub_gateway_certificate_expiry_seconds',
      help: 'Time until the certificate that a door shows ends; negative when it has. Of doors with TLS.',
      labels: ['door'],
    }),
    studiesCompleted: metrics.counter({
      name: 'hub_studies_completed_total',
      help: 'Studies completed, each revision counted.',
      labels: ['source'],
    }),
    completionSignals: metrics.counter({
      name: 'hub_studies_completed_signal_total',
      help: 'Studies completed by the hub itself, by the signal that decided; each revision counted.',
      labels: ['signal'],
    }),
    sourceQueries: metrics.counter({
      name: 'hub_gateway_source_queries_total',
      help: 'Times a source was asked how many instances of a study it has, by whether it answered.',
      labels: ['source', 'outcome'],
    }),
    commitments: metrics.counter({
      name: 'hub_gateway_commitments_total',
      help: 'Storage commitments decided: committed as a whole, or with failures.',
      labels: ['source', 'outcome'],
    }),
    commitmentReports: metrics.counter({
      name: 'hub_gateway_commitment_reports_total',
      help: 'Attempts to tell a source the result of its storage commitment: answered, failed, or given-up when no more follows.',
      labels: ['source', 'outcome'],
    }),
    commitmentBacklog: metrics.gauge({
      name: 'hub_gateway_commitments',
      help: 'Storage commitments being decided, being reported, those that could not be reported (failed), and those that wait on the disk for the ledger (kept).',
      labels: ['state'],
    }),
    commitmentResults: metrics.counter({
      name: 'hub_gateway_commitment_results_total',
      help: 'Results of storage commitments that destinations reported to a door: recorded, repeated, late when the delivery had ended without it, unknown when nobody had asked, or refused.',
      labels: ['destination', 'outcome'],
    }),
    sourceLastSeenSeconds: metrics.gauge({
      name: 'hub_source_last_seen_seconds',
      help: 'Time since a source last opened an association or sent an instance; since the start when it never did.',
      labels: ['source'],
    }),
    folderFiles: metrics.gauge({
      name: 'hub_gateway_folder_files',
      help: 'Files in a watched folder at the last look: waiting to be taken, refused with a note beside them, stuck (taken, but cannot be put away), other (no instances).',
      labels: ['source', 'state'],
    }),
    folderUp: metrics.gauge({
      name: 'hub_gateway_folder_up',
      help: '1 while a watched folder can be read and written, 0 while it cannot.',
      labels: ['source'],
    }),
    folderScans: metrics.counter({
      name: 'hub_gateway_folder_scans_total',
      help: 'Reconstructions of ParaVision studies in a watched folder: converted, exported (its own DICOM was taken instead), refused with a note beside the scan, no-image (spectroscopy).',
      labels: ['source', 'outcome'],
    }),
  };
}
