/** The spool's own files on a disk that keeps those who wait for it waiting. */
import { setTimeout as delay } from 'node:timers/promises';
import type { SpoolFile, SpoolFiles } from '../../gateway/spool/files.ts';

/** A disk whose syncs wait, or fail, when a test says so. */
export class StubbornDisk {
  #held: (() => void)[] | undefined;
  #isBroken = false;
  /** Syncs that wait. */
  get waiting(): number {
    return this.#held?.length ?? 0;
  }

  hold(): void {
    this.#held = [];
  }

  /** What waits goes on, in success or in failure; what comes later succeeds. */
  release(how: 'durable' | 'failed' = 'durable'): void {
    this.#isBroken = how === 'failed';
    for (const wake of this.#held?.splice(0) ?? []) wake();
    this.#held = undefined;
  }

  readonly files = (real: SpoolFiles): SpoolFiles => ({
    ...real,
    create: async (name) => this.#stubborn(await real.create(name)),
  });

  #stubborn(file: SpoolFile): SpoolFile {
    return {
      write: async (buffers, position, how) => file.write(buffers, position, how),
      read: async (buffer, position) => file.read(buffer, position),
      truncate: async (sizeBytes) => file.truncate(sizeBytes),
      sizeBytes: async () => file.sizeBytes(),
      close: async () => file.close(),
      sync: async () => {
        // Never quick, so no sync of it is waited for on the loop, where none could be held.
        await delay(1);
        const held = this.#held;
        if (held !== undefined) {
          await new Promise<void>((wake) => held.push(wake));
          if (this.#isBroken) throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
        }
        await file.sync();
      },
      syncHere: () => file.syncHere(),
    };
  }
}
