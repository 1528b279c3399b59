/** For each alert of monitoring/rules.yaml: what makes it fire, and the nearest thing that does not. */

export interface Situation {
  /** Series in promtool's notation: `start+step x times`, `_` is nothing; one value a minute. */
  readonly series: Readonly<Record<string, string>>;
  /** When it is looked at. */
  readonly at: string;
}

export interface AlertCase {
  readonly alert: string;
  readonly fires: Situation;
  readonly quiet: Situation;
  /** What is quiet about it. */
  readonly because: string;
}

const GATEWAY = 'job="hub",instance="gateway-0"';
const [FIRST, SECOND] = ['job="hub",instance="hub-1"', 'job="hub",instance="hub-2"'];
const always = (value: number) => `${String(value)}x2000`;
const FAILED = `hub_gateway_instances_total{${GATEWAY},door="dimse",source="pv-7t",outcome="failed"}`;
const DISABLED = `hub_webhooks_disabled_total{${FIRST},partner="kct",reason="gone"}`;

export const ALERT_CASES: readonly AlertCase[] = [
  {
    alert: 'HubDown',
    fires: { series: { [`up{${GATEWAY}}`]: '1x3 0x10' }, at: '8m' },
    quiet: { series: { [`up{${GATEWAY}}`]: '1x3 0 1x10', 'up{job="other"}': always(0) }, at: '8m' },
    because: 'one scrape failed, and what is no hub is down',
  },
  {
    alert: 'HubStageMissing',
    fires: { series: running('gateway', 'routers', 'processors'), at: '30m' },
    quiet: { series: running('gateway', 'routers', 'processors', 'connectors'), at: '30m' },
    because: 'each of them runs somewhere',
  },
  {
    alert: 'HubSourceSilent',
    fires: { series: { [`hub_source_last_seen_seconds{${GATEWAY},source="pv-7t"}`]: '259000+60x60' }, at: '50m' },
    quiet: { series: { [`hub_source_last_seen_seconds{${GATEWAY},source="pv-7t"}`]: '172800+60x60' }, at: '50m' },
    because: 'a weekend is no silence',
  },
  {
    alert: 'HubDiskLow',
    fires: { series: { [`hub_gateway_disk_low{${GATEWAY}}`]: '0x5 1x10' }, at: '8m' },
    quiet: { series: { [`hub_gateway_disk_low{${GATEWAY}}`]: always(0) }, at: '8m' },
    because: 'there is room',
  },
  {
    alert: 'HubDiskFillsSoon',
    fires: { series: disk('0.40+0.0005x600'), at: '8h' },
    quiet: { series: disk('0.40+0.00005x600'), at: '8h' },
    because: 'at this rate it lasts for days',
  },
  {
    alert: 'HubAcknowledgementSlow',
    fires: { series: acknowledgements('0+97x60', '0+100x60'), at: '40m' },
    quiet: { series: acknowledgements('0+100x60', '0+100x60'), at: '40m' },
    because: 'all were answered within a second',
  },
  {
    alert: 'HubPullFails',
    fires: { series: { [`hub_pull_state{${GATEWAY},pull="nightly",state="source-down"}`]: always(1) }, at: '3h' },
    quiet: {
      series: {
        [`hub_pull_state{${GATEWAY},pull="nightly",state="source-down"}`]: '1x60 0x2000',
        [`hub_pull_backlog_studies{${GATEWAY},pull="nightly",state="found"}`]: always(40),
      },
      at: '3h',
    },
    because: 'the source came back after an hour, and what waits is only not fetched yet',
  },
  {
    alert: 'HubReceivingFails',
    fires: {
      series: {
        [`hub_gateway_instances_total{${GATEWAY},door="dimse",source="pv-7t",outcome="failed"}`]: '0x5 1+1x30',
      },
      at: '20m',
    },
    quiet: {
      series: {
        [`hub_gateway_instances_total{${GATEWAY},door="dimse",source="pv-7t",outcome="failed"}`]: always(3),
        [`hub_gateway_instances_total{${GATEWAY},door="dimse",source="pv-7t",outcome="refused"}`]: '0+1x30',
      },
      at: '20m',
    },
    because: 'the senders were at fault, and what failed was long ago',
  },
  {
    alert: 'HubReceivingFails',
    fires: { series: { [FAILED]: '_x30 4x30' }, at: '40m' },
    quiet: { series: { [FAILED]: '_x30 4x60' }, at: '60m' },
    because: 'the first that ever failed did so long ago',
  },
  {
    alert: 'HubFolderUnusable',
    fires: { series: { [`hub_gateway_folder_up{${GATEWAY},source="export"}`]: '1x5 0x30' }, at: '20m' },
    quiet: { series: { [`hub_gateway_folder_up{${GATEWAY},source="export"}`]: '1x5 0x5 1x30' }, at: '20m' },
    because: 'the share came back after five minutes',
  },
  {
    alert: 'HubCertificateEnds',
    fires: {
      series: { [`hub_gateway_certificate_expiry_seconds{${GATEWAY},door="dimse"}`]: '1209000-60x200' },
      at: '2h',
    },
    quiet: {
      series: { [`hub_gateway_certificate_expiry_seconds{${GATEWAY},door="dimse"}`]: '2592000-60x200' },
      at: '2h',
    },
    because: 'it is good for a month',
  },
  {
    alert: 'HubSpoolNotDraining',
    fires: { series: { [`hub_spool_oldest_age_seconds{${GATEWAY}}`]: '0+60x60' }, at: '20m' },
    quiet: { series: { [`hub_spool_oldest_age_seconds{${GATEWAY}}`]: '0+60x4 0x60' }, at: '20m' },
    because: 'what waited is recorded',
  },
  {
    alert: 'HubEventsLate',
    fires: { series: lag('0+60x60', '0+60x60'), at: '20m' },
    quiet: { series: lag('200x60', '200x60'), at: '20m' },
    because: 'two replicas that each say 200 seconds are not 400',
  },
  {
    alert: 'HubBusDown',
    fires: { series: { [`hub_bus_up{${FIRST}}`]: '1x5 0x60', [`hub_bus_up{${SECOND}}`]: '1x5 0x60' }, at: '20m' },
    quiet: { series: { [`hub_bus_up{${FIRST}}`]: '1x60', [`hub_bus_up{${SECOND}}`]: '1x5 0x60' }, at: '20m' },
    because: 'one replica is being started, and another publishes',
  },
  {
    alert: 'HubBusDown',
    fires: { series: { [`hub_bus_up{${FIRST}}`]: always(0), [`hub_ledger_up{${FIRST}}`]: always(1) }, at: '20m' },
    quiet: { series: { [`hub_bus_up{${FIRST}}`]: always(0), [`hub_ledger_up{${FIRST}}`]: always(0) }, at: '20m' },
    because: 'it is the ledger that is down, and that is told of',
  },
  {
    alert: 'HubLedgerDown',
    fires: { series: { [`hub_ledger_up{${FIRST}}`]: '1x5 0x60', [`hub_ledger_up{${SECOND}}`]: '1x5 0x60' }, at: '20m' },
    quiet: { series: { [`hub_ledger_up{${FIRST}}`]: '1x60', [`hub_ledger_up{${SECOND}}`]: '1x5 0x60' }, at: '20m' },
    because: 'one replica is being started, and another works',
  },
  {
    alert: 'HubStoreDown',
    fires: { series: { [`hub_store_up{${FIRST}}`]: '1x5 0x60', [`hub_store_up{${SECOND}}`]: '1x5 0x60' }, at: '20m' },
    quiet: { series: { [`hub_store_up{${FIRST}}`]: '1x60', [`hub_store_up{${SECOND}}`]: '1x5 0x60' }, at: '20m' },
    because: 'one replica has no way to the store, and another works',
  },
  {
    alert: 'HubStudiesParked',
    fires: {
      series: { [`hub_bus_parked_keys{${FIRST},group="router",stream="hub.ingest.v1"}`]: '0x5 1x60' },
      at: '40m',
    },
    quiet: {
      series: { [`hub_bus_parked_keys{${FIRST},group="router",stream="hub.ingest.v1"}`]: '0x5 1x5 0x60' },
      at: '40m',
    },
    because: 'the event went through at the second attempt',
  },
  {
    alert: 'HubJobsStuck',
    fires: { series: jobs({ waiting: '3x120', running: '0x120', done: '7x120' }), at: '80m' },
    quiet: { series: jobs({ waiting: '3x120', running: '0x120', done: '7+1x120' }), at: '80m' },
    because: 'steps wait, and others are worked meanwhile',
  },
  {
    alert: 'HubJobsStuck',
    fires: { series: jobs({ waiting: '3x120', running: '0x120', done: '0x120' }), at: '80m' },
    quiet: { series: jobs({ waiting: '3x120', running: '2x120', done: '7x120' }), at: '80m' },
    because: 'two long ones are being worked',
  },
  {
    alert: 'HubJobsFail',
    fires: { series: steps('retried', '0+1x120'), at: '100m' },
    quiet: { series: steps('quarantined', '0+1x120'), at: '100m' },
    because: 'what is quarantined is not tried again; it has an alert of its own',
  },
  {
    alert: 'HubThreadKeepsEnding',
    fires: { series: { [`hub_threads_ended_total{${FIRST},thread="backstage"}`]: '0x10 1 2 3 4 5 5x60' }, at: '25m' },
    quiet: { series: { [`hub_threads_ended_total{${FIRST},thread="backstage"}`]: '0x10 1x60' }, at: '25m' },
    because: 'it ended once',
  },
  {
    alert: 'HubQuarantineGrows',
    fires: { series: { [`hub_quarantined_total{${FIRST},reason="dataset.unreadable"}`]: '0+1x90' }, at: '80m' },
    quiet: { series: { [`hub_quarantined_total{${FIRST},reason="dataset.unreadable"}`]: '0x30 5x90' }, at: '80m' },
    because: 'five are somebody’s daily work',
  },
  {
    alert: 'HubQuarantineGrows',
    fires: { series: { [`hub_quarantined_total{${FIRST},reason="policy.unsafe"}`]: '_x60 40x60' }, at: '70m' },
    quiet: { series: { [`hub_quarantined_total{${FIRST},reason="policy.unsafe"}`]: '_x60 4x60' }, at: '70m' },
    because: 'the first of a kind were few',
  },
  {
    alert: 'HubDeliveriesFail',
    fires: { series: deliveries('0+1x90', '5x90'), at: '60m' },
    quiet: { series: deliveries('0+1x90', '5+1x90'), at: '60m' },
    because: 'others arrive meanwhile',
  },
  {
    alert: 'HubDeadLetters',
    fires: { series: { [`hub_dead_letters{${FIRST},destination="kct-pacs"}`]: '0x5 1x60' }, at: '20m' },
    quiet: { series: { [`hub_dead_letters{${FIRST},destination="kct-pacs"}`]: '1x2 0x60' }, at: '20m' },
    because: 'they were replayed',
  },
  {
    alert: 'HubWebhookDisabled',
    fires: { series: { [DISABLED]: '_x60 1x60' }, at: '70m' },
    quiet: { series: { [DISABLED]: '1x800' }, at: '400m' },
    because: 'it was in the night',
  },
  {
    alert: 'HubWebhookDisabled',
    fires: { series: { [DISABLED]: '1x400 2x60' }, at: '410m' },
    quiet: { series: { 'hub_webhook_attempts_total{partner="kct",outcome="failed"}': '0+1x90' }, at: '70m' },
    because: 'messages that fail disable nothing yet',
  },
  {
    alert: 'HubCommitmentsUntold',
    fires: { series: { [`hub_gateway_commitments{${GATEWAY},state="failed"}`]: '0x5 2x60' }, at: '40m' },
    quiet: { series: { [`hub_gateway_commitments{${GATEWAY},state="reporting"}`]: '0x5 2x60' }, at: '40m' },
    because: 'they are still being told',
  },
];

function running(...stages: readonly string[]): Record<string, string> {
  return Object.fromEntries(stages.map((stage) => [`hub_stage_running{job="hub",stage="${stage}"}`, always(1)]));
}

function disk(used: string): Situation['series'] {
  return {
    [`hub_gateway_disk_used_ratio{${GATEWAY}}`]: used,
    [`hub_gateway_disk_max_used_ratio{${GATEWAY}}`]: always(0.75),
    [`hub_gateway_disk_free_bytes{${GATEWAY}}`]: always(1e12),
    [`hub_gateway_disk_min_free_bytes{${GATEWAY}}`]: always(5e9),
    [`hub_gateway_disk_low{${GATEWAY}}`]: always(0),
  };
}

/** @param soon - those answered within a second, of `all` */
function acknowledgements(soon: string, all: string): Situation['series'] {
  const bucket = (le: string) => `hub_gateway_ack_duration_seconds_bucket{${GATEWAY},door="dimse",le="${le}"}`;
  return { [bucket('1')]: soon, [bucket('10')]: all, [bucket('+Inf')]: all };
}

function lag(first: string, second: string): Situation['series'] {
  const of = (replica: string) => `hub_bus_lag_seconds{${replica},group="router",stream="hub.ingest.v1"}`;
  return { [of(FIRST)]: first, [of(SECOND)]: second };
}

/** As two replicas report it: both the same of the ledger, each its own of what it worked. */
function jobs({
  waiting,
  running,
  done,
}: Readonly<Record<'waiting' | 'running' | 'done', string>>): Situation['series'] {
  return Object.fromEntries(
    [FIRST, SECOND].flatMap((replica) => [
      [`hub_jobs{${replica},state="waiting",processor="segment"}`, waiting],
      [`hub_jobs{${replica},state="running",processor="segment"}`, running],
      [`hub_processor_duration_seconds_count{${replica},processor="segment",outcome="done"}`, done],
    ]),
  );
}

function steps(outcome: string, count: string): Situation['series'] {
  return { [`hub_processor_duration_seconds_count{${FIRST},processor="segment",outcome="${outcome}"}`]: count };
}

function deliveries(failed: string, succeeded: string): Situation['series'] {
  const of = (outcome: string) => `hub_deliveries_total{${FIRST},destination="kct-pacs",outcome="${outcome}"}`;
  return { [of('retried')]: failed, [of('succeeded')]: succeeded };
}
