/** Made-up instances, runs and deliveries for the suites of the ports; no device ever sent them. */
import { randomUUID } from 'node:crypto';
import {
  parseSeriesInstanceUid,
  parseSopClassUid,
  parseSopInstanceUid,
  parseStudyInstanceUid,
  parseTransferSyntaxUid,
  type StudyInstanceUid,
} from '../../core/identifiers.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { NewEvent } from '../../core/ledger/common.ts';
import type { CompletionRule, StoredInstance } from '../../core/ledger/instances.ts';
import type { NewQuarantine } from '../../core/ledger/quarantine.ts';
import type { NewRun } from '../../core/ledger/runs.ts';
import type { Clock } from '../../core/ports.ts';
import { formatBlobRef, type InstanceItem } from '../../core/store.ts';

export const COMPLETION: CompletionRule = { quietMs: 60_000, forceMs: 300_000 };
export const STUDY = parseStudyInstanceUid('1.2.826.1');

/** A clock that stands still until it is moved. */
export class TestClock implements Clock {
  #nowMs = Date.parse('2026-03-01T08:00:00.000Z');

  now(): Date {
    return new Date(this.#nowMs);
  }

  advance(ms: number): Date {
    this.#nowMs += ms;
    return this.now();
  }
}

/** One ledger on a place of its own. */
export interface LedgerUnderTest {
  readonly ledger: Ledger;
  readonly clock: TestClock;
  /** Closes it and opens what it left behind. */
  readonly reopen: () => Promise<Ledger>;
}

/** The part of the suite a group of methods has. */
export type LedgerSuite = (subject: () => LedgerUnderTest) => void;

export function hex(number: number): string {
  return number.toString(16).padStart(64, '0');
}

/** The `number`th instance of a series; equal numbers are equal bytes. */
export function received(number: number, changes: Partial<StoredInstance> & { series?: number } = {}): StoredInstance {
  const { series = 1, ...rest } = changes;
  const study = rest.studyInstanceUid ?? STUDY;
  return {
    door: 'dimse',
    source: 'pv-7t',
    callingAeTitle: 'PV7T',
    calledAeTitle: 'HUB',
    associationId: 'association-1',
    studyInstanceUid: study,
    seriesInstanceUid: parseSeriesInstanceUid(`${study}.${series}`),
    sopInstanceUid: parseSopInstanceUid(`${study}.${series}.${number}`),
    sopClassUid: parseSopClassUid('1.2.840.10008.5.1.4.1.1.4'),
    transferSyntaxUid: parseTransferSyntaxUid('1.2.840.10008.1.2.1'),
    blob: formatBlobRef('spool/0001.seg', number * 1000, 900),
    sizeBytes: 900,
    sha256: hex(number),
    dataSetSha256: hex(number),
    receivedAt: '2026-03-01T08:00:00.000Z',
    patientDigest: hex(0xabc),
    attributes: { Modality: ['MR'] },
    ...rest,
  };
}

/** Records instances one batch after the other. */
export async function record(ledger: Ledger, ...instances: readonly StoredInstance[]) {
  return ledger.instances.record(
    instances.map((instance) => ({ instance, completion: COMPLETION })),
    { segment: '0001', offset: instances.length * 1000 },
  );
}

/** Receives `instances` and completes the study's first revision. */
export async function completeStudy(
  ledger: Ledger,
  clock: TestClock,
  ...instances: readonly StoredInstance[]
): Promise<void> {
  await record(ledger, ...(instances.length === 0 ? [received(1), received(2)] : instances));
  const study = instances[0]?.studyInstanceUid ?? STUDY;
  await ledger.studies.complete({ studyInstanceUid: study, signal: 'manual' }, clock.now());
}

export function newRun(changes: Partial<NewRun> = {}): NewRun {
  return {
    runId: randomUUID(),
    studyInstanceUid: STUDY,
    revision: 1,
    route: 'rat-brain',
    configVersion: 'v1',
    explanation: { matched: true },
    steps: [
      { processor: 'deidentify', argument: 'kct' },
      { processor: 'qc', argument: undefined },
    ],
    destinations: ['kct-archive'],
    ...changes,
  };
}

export function routed(run: NewRun): NewEvent {
  return {
    type: 'study.routed',
    stream: 'hub.work.v1',
    key: run.studyInstanceUid,
    correlationId: 'association-1',
    data: {
      studyInstanceUid: run.studyInstanceUid,
      revision: run.revision,
      runId: run.runId,
      route: run.route,
      instances: 2,
      series: [`${run.studyInstanceUid}.1`],
      processors: run.steps.map(({ processor }) => processor),
      destinations: [...run.destinations],
      configVersion: run.configVersion,
    },
  };
}

/** Opens and starts a run of a completed study. */
export async function startRun(ledger: Ledger, changes: Partial<NewRun> = {}): Promise<NewRun> {
  const run = newRun(changes);
  await ledger.runs.open(inbox('router'), run.studyInstanceUid, [run], [routed(run)]);
  await ledger.runs.start(inbox('runner'), run.runId);
  return run;
}

export function processed(run: NewRun): NewEvent {
  return {
    type: 'study.processed',
    stream: 'hub.result.v1',
    key: run.studyInstanceUid,
    correlationId: 'association-1',
    data: {
      studyInstanceUid: run.studyInstanceUid,
      revision: run.revision,
      runId: run.runId,
      route: run.route,
      releasedStudyInstanceUid: '2.25.1',
      instances: 1,
      artefacts: 0,
      destinations: [...run.destinations],
    },
  };
}

export function inbox(
  group: string,
  eventId: string = randomUUID(),
): { readonly group: string; readonly eventId: string } {
  return { group, eventId };
}

export function releasedItem(number: number): InstanceItem {
  const blob = formatBlobRef('store/run.pack', number * 500, 500);
  return {
    kind: 'instance',
    studyInstanceUid: '2.25.1',
    seriesInstanceUid: '2.25.1.1',
    sopInstanceUid: `2.25.1.1.${number}`,
    sopClassUid: '1.2.840.10008.5.1.4.1.1.4',
    transferSyntaxUid: '1.2.840.10008.1.2.1',
    blob,
    sizeBytes: 500,
    sha256: hex(number),
    releasedFor: 'kct',
    derivedBy: 'deidentify',
  };
}

export function heldRun(run: NewRun, changes: Partial<NewQuarantine> = {}): NewQuarantine {
  return {
    quarantineId: randomUUID(),
    stage: 'processors',
    reason: 'policy.unsafe',
    detail: 'a value of the original stands in the output',
    studyInstanceUid: run.studyInstanceUid,
    runId: run.runId,
    items: [],
    holdsStudy: false,
    ...changes,
  };
}

/** A fact of the audit stream: the smallest event there is, with a key of one's own. */
export function audited(key: string, subject = 'something'): NewEvent {
  return {
    type: 'action.audited',
    stream: 'hub.audit.v1',
    key,
    data: { actor: key, role: 'operator', action: 'replay', subject, outcome: 'done' },
  };
}

/** Every event of the hub's own streams so far, by type. */
export async function eventTypes(ledger: Ledger, study: StudyInstanceUid = STUDY): Promise<readonly string[]> {
  const events = await ledger.events.read({
    streams: ['hub.ingest.v1', 'hub.work.v1', 'hub.result.v1', 'hub.delivery.v1'],
    after: 0,
    limit: 1000,
  });
  return events.filter(({ key }) => key === study).map(({ type }) => type);
}
