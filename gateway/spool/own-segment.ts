/**
 * A segment for one large object, written while it arrives. Its record's head comes last, into room kept at the front.
 *
 * Writing is never done on the event loop: a kernel that has too many dirty pages lets whoever writes wait. And it does
 * not leave everything to the last sync, which the sender waits for: what has been written goes to the disk meanwhile.
 */
import type { Logger } from '../../core/ports.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';
import { RESERVED_BYTES, SEGMENT_MAGIC } from './record.ts';
import { errorCode } from './storage-failure.ts';

/** The memory an object may hold: its sender waits above it. */
const MAX_QUEUED_BYTES = 2 * 1024 * 1024;
const SYNC_EVERY_BYTES = 16 * 1024 * 1024;

interface Queued {
  readonly parts: readonly Uint8Array[];
  readonly length: number;
  readonly done: () => void;
}

export class OwnSegment {
  readonly name: string;
  readonly bodyOffset = SEGMENT_MAGIC.length + RESERVED_BYTES;
  readonly #files: SpoolFiles;
  readonly #log: Logger;
  readonly #opened: Promise<SpoolFile>;
  #file: SpoolFile | undefined;
  #position = this.bodyOffset;
  readonly #queue: Queued[] = [];
  #queuedBytes = 0;
  #unsyncedBytes = 0;
  #isWriting = false;
  #written: Promise<void>;
  #synced: Promise<void> = Promise.resolve();
  #isSyncing = false;

  constructor(files: SpoolFiles, name: string, log: Logger) {
    this.#files = files;
    this.#log = log;
    this.name = name;
    this.#opened = files.create(name);
    this.#written = this.#opened.then((file) => void (this.#file = file));
    // Whoever waits with `caughtUp` gets the failure; without a waiter it is not an unhandled one.
    this.#written.catch(() => undefined);
  }

  /** Valid after the first `caughtUp`. */
  get file(): SpoolFile {
    if (this.#file === undefined) throw new Error('the segment is not open yet');
    return this.#file;
  }

  /** Queues bytes behind those before. `done` is called when they may be used again, written or not. */
  write(parts: readonly Uint8Array[], done: () => void): void {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    this.#queue.push({ parts, length, done });
    this.#queuedBytes += length;
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#written = this.#written.then(
      async () => this.#writeQueued(),
      (error: unknown) => this.#letGo(error),
    );
    this.#written.catch(() => undefined);
  }

  get isBehind(): boolean {
    return this.#queuedBytes > MAX_QUEUED_BYTES;
  }

  /** Everything queued is written. Throws what the disk said. */
  async caughtUp(): Promise<void> {
    await this.#written;
  }

  /**
   * Bytes, description, size and name survive the power plug when it resolves. Until the head is there the file is no
   * segment, so a crash before leaves nothing that could be taken for an object.
   */
  async commit(head: (reserved: number) => Buffer): Promise<void> {
    await this.#written;
    // A failure is told to one sync only: had the last one not seen it, it would say "good" of what the disk never got.
    await this.#synced;
    await this.file.write([SEGMENT_MAGIC, head(RESERVED_BYTES)], 0);
    await this.file.sync();
    await this.#files.syncFolder();
    await this.file.close();
  }

  /** Never fails: on a disk that takes no more changes the file stays until a recovery removes it. */
  async remove(): Promise<void> {
    await this.#written.catch(() => undefined); // Removed either way.
    await this.#synced.catch(() => undefined);
    await this.#file?.close().catch(() => undefined); // Closed already after a failed commit.
    try {
      await this.#files.remove(this.name);
    } catch (error) {
      this.#log.warn('spool segment could not be removed', { segment: this.name, reason: errorCode(error) });
    }
  }

  /** All that has gathered while the write before was under way goes in one. */
  async #writeQueued(): Promise<void> {
    while (this.#queue.length > 0) {
      const some = this.#queue.splice(0);
      const parts = some.flatMap((queued) => queued.parts);
      const length = some.reduce((sum, queued) => sum + queued.length, 0);
      try {
        await this.file.write(parts, this.#position, 'aside');
      } catch (error) {
        this.#letGo(error, some);
      }
      this.#release(some);
      this.#position += length;
      this.#unsyncedBytes += length;
      if (this.#unsyncedBytes >= SYNC_EVERY_BYTES && !this.#isSyncing) this.#syncAhead();
    }
    this.#isWriting = false;
  }

  /** Beside the writes that follow; only `commit` waits for it. */
  #syncAhead(): void {
    this.#unsyncedBytes = 0;
    this.#isSyncing = true;
    this.#synced = this.#synced.then(async () => this.file.sync()).finally(() => (this.#isSyncing = false));
    this.#synced.catch(() => undefined);
  }

  /** After a failed write what still waits is not written; its memory is given back. */
  #letGo(error: unknown, failed: readonly Queued[] = []): never {
    this.#isWriting = false;
    this.#release([...failed, ...this.#queue.splice(0)]);
    throw error;
  }

  #release(some: readonly Queued[]): void {
    for (const { length, done } of some) {
      this.#queuedBytes -= length;
      done();
    }
  }
}
