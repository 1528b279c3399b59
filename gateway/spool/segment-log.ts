/**
 * The append-only log of small objects with group commit: one fdatasync at a time, shared by all that wait for it.
 *
 * An object is acknowledged by the first sync that began after its bytes were written. Writing and syncing take turns,
 * so the acknowledged bytes of a segment are always an unbroken run from its start; a crash can only tear what nobody
 * was promised.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { HubError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';
import { SEGMENT_MAGIC } from './record.ts';
import { Room, zeros } from './room.ts';
import { errorCode, storageFailure } from './storage-failure.ts';
import { historyAfter, isSyncedHere, NO_SYNC_YET, type SyncHistory } from './sync-place.ts';

/** More than this is not put under one sync, so that the first of many does not wait for the last. */
const MAX_BATCH_BYTES = 16 * 1024 * 1024;

export interface Placement {
  /** File name of the segment. */
  readonly segment: string;
  /** Of the record's first byte. */
  readonly offset: number;
  /** Behind the record's last byte. */
  readonly endOffset: number;
}

interface Waiting {
  readonly parts: readonly Uint8Array[];
  readonly length: number;
  readonly onDurable: (placement: Placement) => void;
  readonly onFailed: (error: HubError) => void;
}

interface OpenSegment {
  readonly name: string;
  readonly file: SpoolFile;
  /** Everything before it is durable. */
  endOffset: number;
}

export class SegmentLog {
  readonly #files: SpoolFiles;
  readonly #log: Logger;
  readonly #nextName: () => string;
  readonly #segmentBytes: number;
  readonly #areOthersUnderWay: () => boolean;
  readonly #room = new Room();
  #syncs: SyncHistory = NO_SYNC_YET;
  #open: OpenSegment | undefined;
  readonly #waiting: Waiting[] = [];
  #isFlushing = false;
  #isClosed = false;
  #flushed: Promise<void> = Promise.resolve();

  /**
   * @param nextName - a segment name that was never used
   * @param areOthersUnderWay - more than one object has bytes in memory, or on their way to the disk
   */
  constructor(
    files: SpoolFiles,
    options: { nextName: () => string; segmentBytes: number; areOthersUnderWay: () => boolean; log: Logger },
  ) {
    this.#files = files;
    this.#areOthersUnderWay = options.areOthersUnderWay;
    this.#log = options.log;
    this.#nextName = options.nextName;
    this.#segmentBytes = options.segmentBytes;
  }

  /**
   * Resolves when the parts would survive the power plug. `onDurable` order is append order.
   *
   * @param parts - not copied; they belong to the log until it resolves
   * @throws {HubError} `store.full`, `store.failed`, `gateway.stopping`; then nothing of it is kept
   */
  append(parts: readonly Uint8Array[]): Promise<Placement> {
    if (this.#isClosed) return Promise.reject(new HubError('gateway.stopping'));
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    return new Promise((onDurable, onFailed) => {
      this.#waiting.push({ parts, length, onDurable, onFailed });
      if (!this.#isFlushing) this.#flushed = this.#flush();
    });
  }

  /** The segment that grows; undefined while there is none. A segment that was closed never grows again. */
  get openName(): string | undefined {
    return this.#open?.name;
  }

  /**
   * Waits for what was appended, then closes the segment for good: after it another process may own the folder, and
   * would cut what this one still writes.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#flushed;
    if (this.#open !== undefined) await this.#closeSegment(this.#open);
    this.#open = undefined;
  }

  async #flush(): Promise<void> {
    this.#isFlushing = true;
    // What has come from other senders in this turn of the loop is read first: they share the sync.
    await nextTurn();
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch();
      try {
        const segment = await this.#segmentWithRoom();
        await this.#commit(segment, batch);
      } catch (error) {
        const failure = storageFailure(error);
        this.#log.error('spool write failed', { code: failure.code, reason: errorCode(error) });
        for (const waiting of batch) waiting.onFailed(failure);
        await this.#giveUpSegment();
      }
    }
    this.#isFlushing = false;
  }

  #takeBatch(): Waiting[] {
    let bytes = 0;
    const isTooMuch = (waiting: Waiting) => (bytes += waiting.length) > MAX_BATCH_BYTES;
    const tooMuch = this.#waiting.findIndex(isTooMuch);
    return this.#waiting.splice(0, tooMuch === -1 ? this.#waiting.length : Math.max(1, tooMuch));
  }

  async #commit(segment: OpenSegment, batch: readonly Waiting[]): Promise<void> {
    const start = segment.endOffset;
    const parts = batch.flatMap((waiting) => waiting.parts);
    const end = start + parts.reduce((sum, part) => sum + part.length, 0);
    const zeroBytes = this.#room.wanted(start, end);
    await segment.file.write(zeroBytes > 0 ? [...parts, ...zeros(zeroBytes)] : parts, start);
    // The promise of the whole hub: before this is done, nobody is told Success. Survives the power plug.
    await this.#sync(segment.file, batch.length, zeroBytes > 0);
    this.#room.written(start, end, zeroBytes);
    let offset = start;
    for (const waiting of batch) {
      const placement = { segment: segment.name, offset, endOffset: offset + waiting.length };
      offset = placement.endOffset;
      segment.endOffset = offset;
      waiting.onDurable(placement);
    }
  }

  /** The same fdatasync in either place; only who waits for it differs. */
  async #sync(file: SpoolFile, records: number, laysRoom: boolean): Promise<void> {
    const facts = { records, laysRoom, areOthersUnderWay: this.#areOthersUnderWay() };
    const startedMs = performance.now();
    if (isSyncedHere(facts, this.#syncs)) file.syncHere();
    else await file.sync();
    this.#syncs = historyAfter(facts, this.#syncs, performance.now() - startedMs);
  }

  async #segmentWithRoom(): Promise<OpenSegment> {
    if (this.#open !== undefined && this.#open.endOffset < this.#segmentBytes) return this.#open;
    const full = this.#open;
    this.#open = undefined;
    if (full !== undefined) await this.#closeSegment(full);
    this.#open = await createSegment(this.#files, this.#nextName());
    this.#room.restart();
    return this.#open;
  }

  /** Without the zeros behind it. A power cut may bring them back: the next start cuts them off. */
  async #closeSegment({ name, file, endOffset }: OpenSegment): Promise<void> {
    try {
      if (this.#room.isBehind(endOffset)) await file.truncate(endOffset);
    } catch (error) {
      this.#log.warn('spool segment keeps room it does not need', { segment: name, reason: errorCode(error) });
    } finally {
      await file.close();
    }
  }

  /**
   * After a failed sync the kernel may hold the pages for clean though the disk never got them: a second sync of the
   * same file would say "good" and be wrong. So the segment is cut back to what was acknowledged and never written again.
   */
  async #giveUpSegment(): Promise<void> {
    const failed = this.#open;
    this.#open = undefined;
    if (failed === undefined) return;
    try {
      await failed.file.truncate(failed.endOffset);
      await failed.file.sync();
    } catch (error) {
      this.#log.error('spool segment could not be cut back', { segment: failed.name, reason: errorCode(error) });
    } finally {
      // The close may report the same failure again; the segment is given up either way.
      await failed.file.close().catch(() => undefined);
    }
  }
}

/** A new segment whose name and first bytes survive the power plug. */
async function createSegment(files: SpoolFiles, name: string): Promise<OpenSegment> {
  const file = await files.create(name);
  try {
    await file.write([SEGMENT_MAGIC], 0);
    await file.sync();
    await files.syncFolder();
    return { name, file, endOffset: SEGMENT_MAGIC.length };
  } catch (error) {
    await file.close().catch(() => undefined); // The first failure is the one to report.
    await files.remove(name).catch(() => undefined); // An empty segment does no harm if it stays.
    throw error;
  }
}
