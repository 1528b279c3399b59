/**
 * Tells the ledger what the spool holds, after the sender has its answer. The ledger may be slow, down or behind: the
 * spool keeps what it was not told, and a restart begins where the last recorded position says.
 */
import { headerAttributes } from '../../core/dicom/attributes.ts';
import { readHeader } from '../../core/dicom/part10.ts';
import { toHubError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { Attributes } from '../../core/ledger/common.ts';
import type { CompletionRule, SameUidRule, StoredInstance } from '../../core/ledger/instances.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import { nextDelayMs } from '../../core/retry.ts';
import { parseBlobRef } from '../../core/store.ts';
import { waited } from '../../core/waited.ts';
import type { GatewayMetrics } from '../metrics.ts';
import { isOfDiskOrSystem, reasonOf } from './blame.ts';
import { fileSource } from './byte-sources.ts';
import type { Digester } from './digester.ts';
import type { SpoolFiles } from './files.ts';
import { quarantineEntry, refusedEntry, storedInstance } from './ledger-entries.ts';
import { asFound, digestsOf, type ReadRecord, readRecords } from './read-records.ts';
import { SEGMENT_MAGIC, type Description } from './record.ts';
import type { SpooledRecord } from './recovery.ts';
import type { Shipping } from './shipping.ts';

/** Header values are kept for so many records at most; the pump reads those of the others from the segment. */
const MAX_KEPT_ATTRIBUTES = 2_000;
const MAX_BATCH = 200;
/** What is told together is read together: more of it would keep what came first waiting. */
const MAX_BATCH_BYTES = 256 * 1024 * 1024;
/**
 * How long a record waits for company. The ledger's commit and the spool's sync wait for each other in the file
 * system's journal: a commit an instance would make each acknowledgement several times slower.
 */
const LINGER_MS = 250;
/** The ledger is asked again for ever: nothing durable is ever given up. */
const LEDGER_RETRY = { attempts: Infinity, firstDelayMs: 200, maxDelayMs: 5_000 };
/** Attempts at one record before it is asked whether the ledger or the record is at fault. */
const SUSPECT_AFTER = 3;
/** For a call to the ledger that was under way at the deadline. */
const STOP_GRACE_MS = 1_000;

export interface PumpPorts {
  readonly ledger: Pick<Ledger, 'instances' | 'quarantine'>;
  readonly files: SpoolFiles;
  readonly digester: Digester;
  readonly log: Logger;
  readonly clock: Clock;
  readonly metrics: Pick<GatewayMetrics, 'quarantined'>;
  readonly completionOf: (source: string) => CompletionRule;
  /** Called for each instance the ledger knows from now on. */
  readonly onRecorded: (description: InstanceDescription) => void;
  /** Absent where the spool itself is the store; otherwise the ledger is told of what this has shipped. */
  readonly shipping?: Pick<Shipping, 'add' | 'hurry' | 'stop'>;
  /** The ledger knows the segment up to there. */
  readonly onTold?: (segment: string, offset: number) => void;
}

export type InstanceDescription = Extract<Description, { kind: 'instance' }>;

interface Pending extends ReadRecord {
  attributes?: Attributes;
  /** As the ledger is told of it: where it lies in the object store. */
  told?: SpooledRecord;
}

export class SpoolPump {
  readonly #ports: PumpPorts;
  readonly #queue: Pending[] = [];
  readonly #stopping = new AbortController();
  readonly #hurry = new AbortController();
  /** How many records of each SOP Instance UID, refused copies too, wait in the queue. */
  readonly #uids = new Map<string, number>();
  #kept = 0;
  /** Records in front of the queue that were there at the start. */
  #backlog = 0;
  #onBacklogTold: () => void = () => undefined;
  /** Smaller while a record is searched that the ledger refuses. */
  #maxBatch = MAX_BATCH;
  #pendingBytes = 0;
  /** Records in front of the queue that the ledger may be told of. */
  #ready = 0;
  #onReady: () => void = () => undefined;
  #running: Promise<void> | undefined;

  constructor(ports: PumpPorts) {
    this.#ports = ports;
  }

  /**
   * What a recovery found, once and before anything else. It is told at once, before a door is open: a hub that dies again
   * and again soon after its start would else tell less than comes in, and each recovery had more to do than the one before.
   *
   * @param patienceMs - for a ledger that is slow or down: it need not be up for the doors
   */
  async resume(records: readonly SpooledRecord[], patienceMs: number): Promise<void> {
    if (records.length === 0) return;
    this.#backlog = records.length;
    for (const record of records) this.#enqueue(record);
    const told = new Promise<void>((resolve) => (this.#onBacklogTold = resolve));
    this.#running ??= this.#run();
    const given = new AbortController();
    await Promise.race([told, waited(patienceMs, given.signal)]);
    given.abort();
  }

  /** In the order of the segment: position and records are told together. */
  add(record: SpooledRecord, attributes?: Attributes): void {
    const isKept = attributes !== undefined && this.#kept < MAX_KEPT_ATTRIBUTES;
    if (isKept) this.#kept += 1;
    this.#enqueue({ ...record, ...(isKept ? { attributes } : {}) });
    this.#running ??= this.#run();
  }

  /** True while the ledger was not told of everything that is durable with this UID, whether taken or refused. */
  isBehind(sopInstanceUid: string): boolean {
    return this.#uids.has(sopInstanceUid);
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
    this.#ports.shipping?.hurry();
    const given = new AbortController();
    await Promise.race([this.#running, waited(deadlineMs, given.signal)]);
    this.#stopping.abort();
    this.#ports.shipping?.stop();
    this.#onReady();
    // A ledger that hangs must not keep the hub from stopping: what it was not told is in the spool.
    await Promise.race([this.#running, waited(STOP_GRACE_MS, given.signal)]);
    given.abort();
  }

  #enqueue(record: Pending): void {
    this.#queue.push(record);
    this.#pendingBytes += record.sizeBytes;
    const { sopInstanceUid } = record.description;
    if (sopInstanceUid !== undefined) this.#uids.set(sopInstanceUid, (this.#uids.get(sopInstanceUid) ?? 0) + 1);
    const { shipping } = this.#ports;
    if (shipping === undefined) this.#ready += 1;
    else {
      shipping.add(record, (told) => {
        record.told = told;
        this.#ready += 1;
        this.#onReady();
      });
    }
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (this.#queue.length > 0 && !this.#stopping.signal.aborted) {
      if (this.#ready === 0) {
        await new Promise<void>((resolve) => (this.#onReady = resolve));
        continue;
      }
      // What was shipped had its company.
      const mayLinger = this.#backlog === 0 && this.#ports.shipping === undefined;
      if (mayLinger && this.#queue.length < this.#maxBatch) await waited(LINGER_MS, this.#hurry.signal);
      const batch = this.#nextBatch();
      try {
        await this.#record(batch);
        this.#done(batch);
        this.#maxBatch = Math.min(MAX_BATCH, this.#maxBatch * 2);
        failures = 0;
      } catch (error) {
        failures += 1;
        const isSplit = batch.length > 1 && !isOfDiskOrSystem(error);
        const delayMs = isSplit
          ? LEDGER_RETRY.firstDelayMs
          : (nextDelayMs(LEDGER_RETRY, Math.min(failures, 20), Math.random()) ?? 0);
        this.#ports.log.error('ledger does not take what the spool holds', {
          code: toHubError(error).code,
          reason: reasonOf(error),
          records: batch.length,
          delayMs,
        });
        await waited(delayMs, this.#stopping.signal);
        // Halved again and again, a batch ends in the one record that is refused.
        if (isSplit) {
          this.#maxBatch = Math.ceil(batch.length / 2);
          failures = 0;
        } else if (batch.length === 1 && failures >= SUSPECT_AFTER && (await this.#setAside(batch, error)))
          failures = 0;
      }
    }
    this.#running = undefined;
  }

  /** The longest run of one segment, so that one position says how far it got. */
  #nextBatch(): readonly Pending[] {
    const segment = this.#queue[0]?.segment;
    const most = Math.min(this.#maxBatch, this.#ready);
    let bytes = 0;
    const end = this.#queue
      .slice(0, most)
      .findIndex((record, n) => record.segment !== segment || ((bytes += record.sizeBytes) > MAX_BATCH_BYTES && n > 0));
    return this.#queue.slice(0, end === -1 ? most : end);
  }

  /**
   * Quarantines a record that the ledger refuses while it takes others, so that those behind it get on. Its sender was
   * told Success: the study is held until somebody has looked.
   *
   * @returns false when the ledger is what fails, and the record stays where it is
   */
  async #setAside(batch: readonly Pending[], error: unknown): Promise<boolean> {
    const [record] = batch;
    if (record === undefined || isOfDiskOrSystem(error)) return false;
    const { ledger, log, metrics } = this.#ports;
    try {
      // Nothing, up to where a segment begins: it changes nothing, and a ledger that is down does not take it either.
      await ledger.instances.record([], { segment: record.segment, offset: SEGMENT_MAGIC.length });
    } catch {
      return false; // The next attempt at the record says what is wrong.
    }
    try {
      await this.#record(batch);
    } catch (again) {
      if (isOfDiskOrSystem(again)) return false;
      const entry = refusedEntry(record.told ?? record, again);
      try {
        await ledger.quarantine.hold(entry);
        await ledger.instances.record([], { segment: record.segment, offset: record.endOffset });
      } catch (failure) {
        log.error('a record could not be quarantined', { reason: reasonOf(failure) });
        return false;
      }
      metrics.quarantined.increment({ reason: entry.reason });
      log.error('the ledger refuses a record, its object is quarantined', {
        code: toHubError(again).code,
        reason: reasonOf(again),
        quarantineId: entry.quarantineId,
        studyInstanceUid: entry.studyInstanceUid,
      });
      if (record.description.kind === 'instance') this.#ports.onRecorded(record.description);
    }
    this.#done(batch);
    return true;
  }

  async #record(batch: readonly Pending[]): Promise<void> {
    const last = batch.at(-1);
    if (last === undefined) return;
    const received = batch.filter(({ description }) => description.kind === 'instance');
    await readRecords(received, this.#ports.digester);
    const instances: {
      readonly instance: StoredInstance;
      readonly completion: CompletionRule;
      readonly sameUid: SameUidRule;
    }[] = [];
    const descriptions: InstanceDescription[] = [];
    for (const record of batch) {
      const told = asTold(record);
      const { description } = told;
      if (description.kind === 'quarantine') {
        // Before the position: a crash between the two repeats the entry, whose id makes the repeat harmless.
        await this.#ports.ledger.quarantine.hold(quarantineEntry(told, description));
      } else {
        const digests = digestsOf(record);
        const attributes = record.attributes ?? (await this.#attributesOf(record));
        const completion = this.#ports.completionOf(description.provenance.source);
        const { sameUid = 'quarantine' } = description;
        instances.push({ instance: storedInstance(told, description, digests, attributes), completion, sameUid });
        descriptions.push(description);
      }
    }
    const outcomes = await this.#ports.ledger.instances.record(instances, {
      segment: last.segment,
      offset: last.endOffset,
    });
    for (const record of batch) {
      const { description } = asTold(record);
      // Found damaged on its way: nothing waits for it any more.
      if (description.kind === 'quarantine' && record.description.kind === 'instance') {
        if (record.told === undefined) {
          const { segment, endOffset } = record;
          this.#ports.log.error('a record of the spool is damaged, what is left of it is quarantined', {
            segment,
            endOffset,
          });
        }
        this.#ports.onRecorded(record.description);
      }
      if (description.kind === 'quarantine') this.#ports.metrics.quarantined.increment({ reason: description.reason });
    }
    for (const [n, description] of descriptions.entries()) {
      const { studyInstanceUid, sopInstanceUid, provenance } = description;
      const outcome = outcomes[n];
      if (outcome === 'conflict' || outcome === 'patient-mismatch') {
        const { associationId } = provenance;
        this.#ports.metrics.quarantined.increment({ reason: `dataset.${outcome}` });
        this.#ports.log.warn('instance quarantined', { outcome, studyInstanceUid, sopInstanceUid, associationId });
      }
      this.#ports.onRecorded(description);
    }
  }

  #done(batch: readonly Pending[]): void {
    this.#queue.splice(0, batch.length);
    this.#ready -= batch.length;
    const last = batch.at(-1);
    if (last !== undefined) this.#ports.onTold?.(last.segment, last.endOffset);
    this.#backlog = Math.max(0, this.#backlog - batch.length);
    if (this.#backlog === 0) this.#onBacklogTold();
    for (const record of batch) {
      this.#pendingBytes -= record.sizeBytes;
      if (record.attributes !== undefined) this.#kept -= 1;
      const { sopInstanceUid = '' } = record.description;
      const left = (this.#uids.get(sopInstanceUid) ?? 1) - 1;
      if (left > 0) this.#uids.set(sopInstanceUid, left);
      else this.#uids.delete(sopInstanceUid);
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

/** What the ledger is told: where the record lies now; of one that is not what was received, that. */
function asTold(record: Pending): SpooledRecord {
  return record.told ?? asFound(record);
}
