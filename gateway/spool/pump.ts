/**
 * Tells the ledger what the spool holds, after the sender has its answer. The ledger may be slow, down or behind: the
 * spool keeps what it was not told, and a restart begins where the last recorded position says.
 */
import { headerAttributes } from '../../core/dicom/attributes.ts';
import { readHeader } from '../../core/dicom/part10.ts';
import { toHubError } from '../../core/errors.ts';
import {
  parseSeriesInstanceUid,
  parseSopClassUid,
  parseSopInstanceUid,
  parseStudyInstanceUid,
  parseTransferSyntaxUid,
} from '../../core/identifiers.ts';
import type {
  Attributes,
  CompletionRule,
  Ledger,
  NewQuarantine,
  Provenance,
  StoredInstance,
} from '../../core/ledger.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import { nextDelayMs } from '../../core/retry.ts';
import { parseBlobRef } from '../../core/store.ts';
import { fileSource } from './byte-sources.ts';
import type { SpoolFiles } from './files.ts';
import type { Description } from './record.ts';
import type { SpooledRecord } from './recovery.ts';

/** Header values are kept for so many records at most; the pump reads those of the others from the segment. */
const MAX_KEPT_ATTRIBUTES = 2_000;
const MAX_BATCH = 200;
/**
 * How long a record waits for company. The ledger's commit and the spool's sync wait for each other in the file
 * system's journal: a commit an instance would make each acknowledgement several times slower.
 */
const LINGER_MS = 250;
/** The ledger is asked again for ever: nothing durable is ever given up. */
const LEDGER_RETRY = { attempts: Infinity, firstDelayMs: 200, maxDelayMs: 30_000 };

export interface PumpPorts {
  readonly ledger: Pick<Ledger, 'instances' | 'quarantine'>;
  readonly files: SpoolFiles;
  readonly log: Logger;
  readonly clock: Clock;
  readonly completionOf: (source: string) => CompletionRule;
  /** Called for each instance the ledger knows from now on. */
  readonly onRecorded: (description: InstanceDescription) => void;
}

export type InstanceDescription = Extract<Description, { kind: 'instance' }>;

interface Pending extends SpooledRecord {
  attributes?: Attributes;
}

export class SpoolPump {
  readonly #ports: PumpPorts;
  readonly #queue: Pending[] = [];
  readonly #stopping = new AbortController();
  readonly #hurry = new AbortController();
  #kept = 0;
  #pendingBytes = 0;
  #running: Promise<void> | undefined;

  constructor(ports: PumpPorts) {
    this.#ports = ports;
  }

  /** In the order of the segment: position and records are told together. */
  add(record: SpooledRecord, attributes?: Attributes): void {
    const isKept = attributes !== undefined && this.#kept < MAX_KEPT_ATTRIBUTES;
    if (isKept) this.#kept += 1;
    this.#queue.push({ ...record, ...(isKept ? { attributes } : {}) });
    this.#pendingBytes += record.sizeBytes;
    this.#running ??= this.#run();
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Seconds since the oldest record the ledger does not know was received. */
  oldestAgeSeconds(): number {
    const oldest = this.#queue[0];
    if (oldest === undefined) return 0;
    return Math.max(0, (this.#ports.clock.now().getTime() - Date.parse(oldest.description.receivedAt)) / 1000);
  }

  /** Waits until the ledger knows everything, at most `deadlineMs`; the rest is told after the next start. */
  async stop(deadlineMs: number): Promise<void> {
    this.#hurry.abort();
    const given = new AbortController();
    await Promise.race([this.#running, waited(deadlineMs, given.signal)]);
    given.abort();
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (this.#queue.length > 0 && !this.#stopping.signal.aborted) {
      if (this.#queue.length < MAX_BATCH) await waited(LINGER_MS, this.#hurry.signal);
      const batch = this.#nextBatch();
      try {
        await this.#record(batch);
        this.#done(batch);
        failures = 0;
      } catch (error) {
        failures += 1;
        const delayMs = nextDelayMs(LEDGER_RETRY, Math.min(failures, 20), Math.random()) ?? 0;
        this.#ports.log.error('ledger does not take what the spool holds', {
          code: toHubError(error).code,
          reason: String(error),
          records: batch.length,
          delayMs,
        });
        await waited(delayMs, this.#stopping.signal);
      }
    }
    this.#running = undefined;
  }

  /** The longest run of one segment, so that one position says how far it got. */
  #nextBatch(): readonly Pending[] {
    const segment = this.#queue[0]?.segment;
    const end = this.#queue.slice(0, MAX_BATCH).findIndex((record) => record.segment !== segment);
    return this.#queue.slice(0, end === -1 ? MAX_BATCH : end);
  }

  async #record(batch: readonly Pending[]): Promise<void> {
    const last = batch.at(-1);
    if (last === undefined) return;
    const instances: { readonly instance: StoredInstance; readonly completion: CompletionRule }[] = [];
    const descriptions: InstanceDescription[] = [];
    for (const record of batch) {
      const { description } = record;
      if (description.kind === 'quarantine') {
        // Before the position: a crash between the two repeats the entry, whose id makes the repeat harmless.
        await this.#ports.ledger.quarantine.hold(quarantineEntry(record, description));
      } else {
        const attributes = record.attributes ?? (await this.#attributesOf(record));
        const completion = this.#ports.completionOf(description.provenance.source);
        instances.push({ instance: storedInstance(record, description, attributes), completion });
        descriptions.push(description);
      }
    }
    const outcomes = await this.#ports.ledger.instances.record(instances, {
      segment: last.segment,
      offset: last.endOffset,
    });
    for (const [n, description] of descriptions.entries()) {
      const { studyInstanceUid, sopInstanceUid, provenance } = description;
      const outcome = outcomes[n];
      if (outcome === 'conflict' || outcome === 'patient-mismatch') {
        const { associationId } = provenance;
        this.#ports.log.warn('instance quarantined', { outcome, studyInstanceUid, sopInstanceUid, associationId });
      }
      this.#ports.onRecorded(description);
    }
  }

  #done(batch: readonly Pending[]): void {
    this.#queue.splice(0, batch.length);
    for (const record of batch) {
      this.#pendingBytes -= record.sizeBytes;
      if (record.attributes !== undefined) this.#kept -= 1;
    }
  }

  async #attributesOf(record: Pending): Promise<Attributes> {
    const { offset, length } = parseBlobRef(record.blob);
    const file = await this.#ports.files.open(record.segment);
    try {
      return headerAttributes((await readHeader(fileSource(file, offset, length))).dataSet);
    } finally {
      await file.close();
    }
  }
}

function storedInstance(record: Pending, description: InstanceDescription, attributes: Attributes): StoredInstance {
  return {
    ...provenanceOf(description),
    studyInstanceUid: parseStudyInstanceUid(description.studyInstanceUid),
    seriesInstanceUid: parseSeriesInstanceUid(description.seriesInstanceUid),
    sopInstanceUid: parseSopInstanceUid(description.sopInstanceUid),
    sopClassUid: parseSopClassUid(description.sopClassUid),
    transferSyntaxUid: parseTransferSyntaxUid(description.transferSyntaxUid),
    blob: record.blob,
    sizeBytes: record.sizeBytes,
    sha256: record.sha256,
    dataSetSha256: description.dataSetSha256,
    receivedAt: description.receivedAt,
    patientDigest: description.patientDigest,
    attributes,
  };
}

function quarantineEntry(record: Pending, description: Extract<Description, { kind: 'quarantine' }>): NewQuarantine {
  const { quarantineId, reason, detail, studyInstanceUid, sopInstanceUid } = description;
  return {
    quarantineId,
    stage: 'gateway',
    reason,
    detail,
    ...(studyInstanceUid === undefined ? {} : { studyInstanceUid: parseStudyInstanceUid(studyInstanceUid) }),
    items: [
      { blob: record.blob, sizeBytes: record.sizeBytes, ...(sopInstanceUid === undefined ? {} : { sopInstanceUid }) },
    ],
    provenance: provenanceOf(description),
    holdsStudy: false,
  };
}

function provenanceOf({ provenance }: Description): Provenance {
  const { door, source, callingAeTitle, calledAeTitle, associationId } = provenance;
  return {
    door,
    source,
    associationId,
    ...(callingAeTitle === undefined ? {} : { callingAeTitle }),
    ...(calledAeTitle === undefined ? {} : { calledAeTitle }),
  };
}

async function waited(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}
