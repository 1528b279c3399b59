/** Removes segments from the local disk once all that is in them is in the object store and in the ledger. */
import type { Ledger } from '../../core/ledger.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import type { SpoolFiles } from './files.ts';
import { errorCode } from './storage-failure.ts';

/** News of many batches is one look. */
const LOOK_AFTER_MS = 1_000;
const LOOK_AGAIN_MS = 60_000;

export interface ShippedSegmentsPorts {
  readonly files: Pick<SpoolFiles, 'list' | 'openForReading' | 'remove' | 'syncFolder'>;
  readonly ledger: Pick<Ledger, 'retention'>;
  readonly log: Logger;
  readonly clock: Clock;
  /** Objects are still appended to it. */
  readonly isOpen: (segment: string) => boolean;
  readonly onRemoved: (segment: string) => void;
}

export class ShippedSegments {
  readonly #ports: ShippedSegmentsPorts;
  readonly #keepMs: number;
  /** How far the ledger knows segments, and since when. */
  readonly #told = new Map<string, { offset: number; sinceMs: number }>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  /** @param keepMs - how long a segment stays after it could go */
  constructor(ports: ShippedSegmentsPorts, keepMs: number) {
    this.#ports = ports;
    this.#keepMs = keepMs;
  }

  /** Everything before the offset is in the store and in the ledger. */
  told(segment: string, offset: number): void {
    this.#told.set(segment, { offset, sinceMs: this.#ports.clock.now().getTime() });
    this.#lookIn(LOOK_AFTER_MS);
  }

  /** Waits for the file under way. Harmless twice. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** One look. */
  async look(): Promise<void> {
    const there = new Set(await this.#ports.files.list());
    for (const segment of this.#told.keys()) if (!there.has(segment)) this.#told.delete(segment);
    const gone: string[] = [];
    for (const segment of there) {
      if (this.#isStopped) break;
      if (!(await this.#mayGo(segment))) continue;
      await this.#ports.files.remove(segment);
      gone.push(segment);
    }
    // A removed file may come back after a power cut: then the ledger still says how far it is known, and it goes again.
    if (gone.length > 0) await this.#ports.files.syncFolder();
    for (const segment of gone) {
      this.#told.delete(segment);
      this.#ports.onRemoved(segment);
    }
    if (gone.length > 0) this.#ports.log.debug('segments left the local disk', { segments: gone.length });
  }

  async #mayGo(segment: string): Promise<boolean> {
    const { files, ledger, clock, isOpen } = this.#ports;
    const told = this.#told.get(segment);
    if (told === undefined || isOpen(segment) || clock.now().getTime() - told.sinceMs < this.#keepMs) return false;
    const file = await files.openForReading(segment);
    try {
      // Something follows that is not told, or is no record: it stays.
      if ((await file.sizeBytes()) !== told.offset) return false;
    } finally {
      await file.close();
    }
    // What was received before there was an object store is still read from here.
    return (await ledger.retention.neededBytes(segment)) === 0;
  }

  #lookIn(ms: number): void {
    if (this.#isStopped) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#looking = this.look()
        .catch((error: unknown) => {
          this.#ports.log.warn('segments could not be removed from the local disk', { reason: errorCode(error) });
        })
        .finally(() => {
          if (this.#told.size > 0) this.#lookIn(LOOK_AGAIN_MS);
        });
    }, ms).unref();
  }
}
