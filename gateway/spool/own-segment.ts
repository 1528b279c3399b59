/** A segment for one large object, written while it arrives. Its record's head comes last, into room kept at the front. */
import type { Logger } from '../../core/ports.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';
import { RESERVED_BYTES, SEGMENT_MAGIC } from './record.ts';
import { errorCode } from './storage-failure.ts';

const MAX_QUEUED_BYTES = 4 * 1024 * 1024;

export class OwnSegment {
  readonly name: string;
  readonly bodyOffset = SEGMENT_MAGIC.length + RESERVED_BYTES;
  readonly #files: SpoolFiles;
  readonly #log: Logger;
  readonly #opened: Promise<SpoolFile>;
  #file: SpoolFile | undefined;
  #position = this.bodyOffset;
  #queuedBytes = 0;
  #written: Promise<void>;

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
    const position = this.#position;
    this.#position += length;
    this.#queuedBytes += length;
    this.#written = this.#written
      .then(async () => this.file.write(parts, position))
      .finally(() => {
        this.#queuedBytes -= length;
        done();
      });
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
    await this.file.write([SEGMENT_MAGIC, head(RESERVED_BYTES)], 0);
    await this.file.sync();
    await this.#files.syncFolder();
    await this.file.close();
  }

  /** Never fails: on a disk that takes no more changes the file stays until a recovery removes it. */
  async remove(): Promise<void> {
    await this.#written.catch(() => undefined); // Removed either way.
    await this.#file?.close().catch(() => undefined); // Closed already after a failed commit.
    try {
      await this.#files.remove(this.name);
    } catch (error) {
      this.#log.warn('spool segment could not be removed', { segment: this.name, reason: errorCode(error) });
    }
  }
}
