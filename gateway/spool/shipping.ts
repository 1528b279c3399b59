/**
 * Copies what was received into an object store of another machine's: runs of records, as they lie in their segment, each
 * run a pack that describes itself like a segment does. No acknowledgement waits for it. Several runs are under way at
 * once; what comes of them is told in the order the records were received.
 *
 * Where a crash may strike, and what it leaves:
 *
 * 1. while a run is copied                       → an upload that never completes: swept; the records are shipped again
 * 2. copied, and the ledger not told             → a pack that nothing refers to: swept; shipped again under another name
 * 3. the ledger told, and the segment still there → it is removed by the next look
 *
 * The name of a pack is never used twice, not even for the same records: so no attempt meets what one before it left.
 */
import { randomBytes } from 'node:crypto';
import { HubError, toHubError } from '../../core/errors.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import { nextDelayMs } from '../../core/retry.ts';
import { formatBlobRef, type PackUploads, parseBlobRef } from '../../core/store.ts';
import { waited } from '../../core/waited.ts';
import { damagedDescription } from '../quarantine.ts';
import { ObjectCheck } from './content.ts';
import type { Digester } from './digester.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';
import { packName } from './pack-name.ts';
import { digestsOf, type ReadRecord, readRecords } from './read-records.ts';
import { SEGMENT_MAGIC } from './record.ts';
import type { SpooledRecord } from './recovery.ts';
import { salvaged } from './salvage.ts';
import { storageFailure } from './storage-failure.ts';

/** A run ends before it is larger, unless it is one object. */
const RUN_BYTES = 16 * 1024 * 1024;
/** What is told to the ledger of one pack; small objects make small packs rather than long waits. */
const RUN_RECORDS = 2_000;
/** Asked again for ever: nothing durable is ever given up. */
const RETRY = { attempts: Infinity, firstDelayMs: 500, maxDelayMs: 5_000 };
/** Attempts that the disk does not give back all bytes of: then what is left is copied, and what is damaged is quarantined. */
const UNREADABLE_AFTER = 3;
/** Between two log lines that say the same. */
const SAY_AGAIN_MS = 60_000;

export interface ShippingOptions {
  /** Which hub this is of those that share the store. */
  readonly node: string;
  /** Runs under way at once. */
  readonly uploads: number;
  readonly lingerMs: number;
}

export interface ShippingPorts {
  readonly uploads: PackUploads;
  readonly files: Pick<SpoolFiles, 'openForReading'>;
  readonly digester: Digester;
  readonly log: Logger;
  readonly clock: Clock;
}

interface Waiting {
  readonly record: ReadRecord;
  /** @param told - the record as it lies in the store */
  readonly onShipped: (told: SpooledRecord) => void;
}

interface Run {
  readonly segment: string;
  readonly from: number;
  readonly to: number;
  readonly items: readonly Waiting[];
  shipped: readonly SpooledRecord[] | undefined;
  /** Attempts that ended because the disk did not give back all of it. */
  unreadable: number;
}

export class Shipping {
  readonly #ports: ShippingPorts;
  readonly #options: ShippingOptions;
  /** How far each segment was handed out; records of a segment come without a gap. */
  readonly #ends: Map<string, number>;
  readonly #waiting: Waiting[] = [];
  readonly #runs: Run[] = [];
  readonly #stopping = new AbortController();
  #isInHurry = false;
  #linger: NodeJS.Timeout | undefined;
  #isLingerOver = false;
  #failingSinceMs: number | undefined;
  #problem: HubError | undefined;
  #saidMs = 0;

  /** @param recorded - how far the ledger knows each segment */
  constructor(ports: ShippingPorts, options: ShippingOptions, recorded: ReadonlyMap<string, number>) {
    this.#ports = ports;
    this.#options = options;
    this.#ends = new Map(recorded);
  }

  /** In the order of their segment. `onShipped` is called in the order of `add`. */
  add(record: ReadRecord, onShipped: Waiting['onShipped']): void {
    this.#waiting.push({ record, onShipped });
    this.#startRuns();
  }

  /** What waits goes at once from now on. */
  hurry(): void {
    this.#isInHurry = true;
    this.#startRuns();
  }

  /** Ends what is under way; it is shipped again after the next start. */
  stop(): void {
    this.#stopping.abort();
    clearTimeout(this.#linger);
  }

  /** Why nothing gets to the store right now; undefined while it does. */
  get problem(): HubError | undefined {
    return this.#problem;
  }

  /** The segment's file is gone. */
  forget(segment: string): void {
    this.#ends.delete(segment);
  }

  #startRuns(): void {
    while (this.#waiting.length > 0 && this.#runs.length < this.#options.uploads && !this.#stopping.signal.aborted) {
      const run = this.#nextRun();
      if (run === undefined) return;
      this.#waiting.splice(0, run.items.length);
      this.#ends.set(run.segment, run.to);
      this.#runs.push(run);
      this.#isLingerOver = false;
      this.#ship(run).catch((error: unknown) => {
        this.#ports.log.error('shipping ended unexpectedly', { reason: String(error) });
      });
    }
  }

  /** Undefined while what waits may wait for company. */
  #nextRun(): Run | undefined {
    const segment = this.#waiting[0]?.record.segment ?? '';
    const from = Math.max(this.#ends.get(segment) ?? 0, SEGMENT_MAGIC.length);
    const isBeyond = ({ record }: Waiting, n: number) =>
      record.segment !== segment || n >= RUN_RECORDS || (n > 0 && record.endOffset - from > RUN_BYTES);
    const end = this.#waiting.findIndex(isBeyond);
    const items = this.#waiting.slice(0, end === -1 ? this.#waiting.length : end);
    const to = items.at(-1)?.record.endOffset ?? from;
    const isWhole = end !== -1 || to - from >= RUN_BYTES;
    if (isWhole || this.#isInHurry || this.#isLingerOver)
      return { segment, from, to, items, shipped: undefined, unreadable: 0 };
    this.#linger ??= setTimeout(() => {
      this.#linger = undefined;
      this.#isLingerOver = true;
      this.#startRuns();
    }, this.#options.lingerMs);
    return undefined;
  }

  async #ship(run: Run): Promise<void> {
    const { signal } = this.#stopping;
    const isStopped = () => signal.aborted;
    for (let failures = 1; run.shipped === undefined && !isStopped(); failures += 1) {
      try {
        run.shipped = await this.#shipOnce(run);
      } catch (error) {
        const delayMs = nextDelayMs(RETRY, Math.min(failures, 20), Math.random()) ?? 0;
        if (!isStopped()) this.#sayDown(toHubError(error), delayMs);
        await waited(delayMs, signal);
      }
    }
    if (run.shipped === undefined) return; // Stopped: it is shipped after the next start.
    this.#sayUp();
    this.#tell();
    this.#startRuns();
  }

  /** In order: a run that is there before the one in front of it waits. */
  #tell(): void {
    const end = this.#runs.findIndex(({ shipped }) => shipped === undefined);
    const done = this.#runs.splice(0, end === -1 ? this.#runs.length : end);
    for (const { items, shipped = [] } of done) {
      for (const [n, { record, onShipped }] of items.entries()) onShipped(shipped[n] ?? record);
    }
  }

  async #shipOnce(run: Run): Promise<readonly SpooledRecord[]> {
    const { segment, from, to, items } = run;
    const signal = this.#stopping.signal;
    const pack = packName({ node: this.#options.node, segment, from, to, mark: randomBytes(6).toString('hex') });
    await readRecords(
      items.map(({ record }) => record),
      this.#ports.digester,
    );
    let areAsRead: readonly boolean[] = [];
    const file = await openSegment(this.#ports.files, segment);
    try {
      const sizeBytes = SEGMENT_MAGIC.length + to - from;
      const body = () => readRun(file, run, (read) => (areAsRead = read));
      await this.#ports.uploads.upload(pack, sizeBytes, body, signal);
    } finally {
      await file.close();
    }
    return items.map(({ record }, n) => {
      const { offset, length } = parseBlobRef(record.blob);
      const blob = formatBlobRef(pack, SEGMENT_MAGIC.length + offset - from, length);
      if (areAsRead[n] === true) return { ...record, blob };
      // The disk changed it since it was received. It is copied as it is, for somebody to look at; its sender has its Success.
      this.#ports.log.error('a record of the spool is damaged, what is left of it is quarantined', { segment, offset });
      const error = new HubError('store.missing', { detail: 'changed on the disk before it was in the object store' });
      const { dataSetSha256 } = digestsOf(record);
      return {
        ...record,
        blob,
        description: damagedDescription(`${segment}#${String(offset)}`, error, dataSetSha256, record.description),
      };
    });
  }

  #sayDown(error: HubError, delayMs: number): void {
    this.#problem = error;
    const nowMs = performance.now();
    const isNew = this.#failingSinceMs === undefined;
    this.#failingSinceMs ??= nowMs;
    if (!isNew && nowMs - this.#saidMs < SAY_AGAIN_MS) return;
    this.#saidMs = nowMs;
    this.#ports.log.error(complaintOf(error), {
      code: error.code,
      reason: error.message,
      ...this.#waits(),
      downSeconds: Math.round((nowMs - this.#failingSinceMs) / 1000),
      delayMs,
    });
  }

  #sayUp(): void {
    this.#problem = undefined;
    if (this.#failingSinceMs === undefined) return;
    const downSeconds = Math.round((performance.now() - this.#failingSinceMs) / 1000);
    this.#failingSinceMs = undefined;
    this.#ports.log.warn('object store takes what was received again', { ...this.#waits(), downSeconds });
  }

  #waits() {
    const oldest = this.#runs[0]?.items[0]?.record ?? this.#waiting[0]?.record;
    const receivedMs = oldest === undefined ? undefined : Date.parse(oldest.description.receivedAt);
    return {
      objects: this.#waiting.length + this.#runs.reduce((sum, { items }) => sum + items.length, 0),
      oldestSeconds:
        receivedMs === undefined ? 0 : Math.max(0, Math.round((this.#ports.clock.now().getTime() - receivedMs) / 1000)),
    };
  }
}

/** Whoever reads it should look at what is down: before a copy the ledger is asked whether the bucket is this hub's. */
function complaintOf({ code }: HubError): string {
  return code.startsWith('ledger.')
    ? 'ledger does not say whose the object store is, what was received waits in the spool'
    : 'object store does not take what was received, it waits in the spool';
}

/** The bytes of a run as a segment of their own, and of each object whether its bytes were those that were digested. */
async function* readRun(
  file: SpoolFile,
  run: Run,
  onRead: (areAsRead: readonly boolean[]) => void,
): AsyncGenerator<Uint8Array> {
  const { from, to, items } = run;
  yield SEGMENT_MAGIC;
  const onUnreadable = () => {
    if ((run.unreadable += 1) < UNREADABLE_AFTER) throw new HubError('store.failed', { reason: 'EIO' });
  };
  const places = items.map(({ record }) => ({
    ...parseBlobRef(record.blob),
    check: new ObjectCheck(record.sizeBytes - record.dataSetBytes, record.description, digestsOf(record)),
  }));
  const areAsRead: boolean[] = [];
  let at = from;
  for await (const chunk of salvaged(file, from, to, onUnreadable)) {
    for (let done = 0; done < chunk.length;) {
      const place = places[areAsRead.length];
      if (place === undefined) break;
      const position = at + done;
      // Between two objects stands the head of the second one.
      if (position < place.offset) done += Math.min(chunk.length - done, place.offset - position);
      else {
        const some = chunk.subarray(done, done + place.offset + place.length - position);
        place.check.update(some);
        done += some.length;
      }
      if (at + done === place.offset + place.length) areAsRead.push(place.check.holds());
    }
    at += chunk.length;
    yield chunk;
  }
  onRead(areAsRead);
}

async function openSegment(files: ShippingPorts['files'], segment: string): Promise<SpoolFile> {
  try {
    return await files.openForReading(segment);
  } catch (error) {
    throw storageFailure(error);
  }
}
