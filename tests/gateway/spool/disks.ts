/** Disks for a spool that tell of each step, or break, stall or forget what was not synced. */
import { setTimeout as delay } from 'node:timers/promises';
import type { SpoolFile, SpoolFiles } from '../../../gateway/spool/files.ts';

/** Notes each step when it is done, so that an order of lines is an order of facts. */
export function traced(real: SpoolFiles, trace: string[]): SpoolFiles {
  const file = (name: string, inner: SpoolFile): SpoolFile => ({
    ...inner,
    write: async (buffers, position) => {
      await inner.write(buffers, position);
      trace.push(`write ${name}`);
    },
    sync: async () => {
      await inner.sync();
      trace.push(`synced ${name}`);
    },
    syncHere: () => {
      inner.syncHere();
      trace.push(`synced ${name}`);
    },
    close: async () => {
      await inner.close();
      trace.push(`closed ${name}`);
    },
  });
  return {
    ...real,
    create: async (name) => {
      const made = await real.create(name);
      trace.push(`create ${name}`);
      return file(name, made);
    },
    syncFolder: async () => {
      await real.syncFolder();
      trace.push('synced folder');
    },
  };
}

/** Fails while it is given a code of an error. */
export function breaking(real: SpoolFiles, at: 'write' | 'sync', codeNow: () => string | undefined): SpoolFiles {
  const fail = () => {
    const code = codeNow();
    if (code !== undefined) throw Object.assign(new Error('broken on purpose'), { code });
  };
  return {
    ...real,
    create: async (name) => {
      const inner = await real.create(name);
      return {
        ...inner,
        write: async (buffers, position) => {
          if (at === 'write') fail();
          await inner.write(buffers, position);
        },
        sync: async () => {
          if (at === 'sync') fail();
          await inner.sync();
        },
        syncHere: () => {
          if (at === 'sync') fail();
          inner.syncHere();
        },
      };
    },
  };
}

/** Needs no disk: each sync says where it was waited for, and takes so long at least. */
export function syncing(real: SpoolFiles, places: ('here' | 'aside')[], tookMs = 0): SpoolFiles {
  return {
    ...real,
    create: async (name) => ({
      ...(await real.create(name)),
      sync: async () => {
        if (tookMs > 0) await delay(tookMs);
        places.push('aside');
      },
      syncHere: () => void places.push('here'),
    }),
  };
}

/** Each write waits until it is let go. */
export function slow(real: SpoolFiles, held: (() => void)[]): SpoolFiles {
  return {
    ...real,
    create: async (name) => {
      const inner = await real.create(name);
      return {
        ...inner,
        write: async (buffers, position) => {
          await new Promise<void>((go) => held.push(go));
          await inner.write(buffers, position);
        },
      };
    },
  };
}

/** Files of memory that behave like Linux' page cache: a failed sync leaves the pages clean, and never on the disk. */
export class CachedDisk implements SpoolFiles {
  isBroken = false;
  readonly #files = new Map<string, { cache: Buffer; disk: Buffer; dirty: { from: number; to: number }[] }>();

  cutPower(): void {
    for (const file of this.#files.values()) file.cache = Buffer.from(file.disk);
  }

  list = async (): Promise<readonly string[]> => [...this.#files.keys()].sort();

  create = async (name: string): Promise<SpoolFile> => {
    this.#files.set(name, { cache: Buffer.alloc(0), disk: Buffer.alloc(0), dirty: [] });
    return this.open(name);
  };

  openForReading = async (name: string): Promise<SpoolFile> => this.open(name);
  createUnfinished = async (): Promise<SpoolFile> => Promise.reject(new Error('nothing is copied here'));
  finish = async (): Promise<void> => undefined;
  removeUnfinished = async (): Promise<void> => undefined;
  listUnfinished = async (): Promise<readonly string[]> => [];

  open = async (name: string): Promise<SpoolFile> => {
    const file = this.#files.get(name);
    if (file === undefined) throw new Error('no such file');
    const sized = (bytes: Buffer, length: number) => Buffer.concat([bytes, Buffer.alloc(length)], length);
    const sync = () => {
      const dirty = file.dirty.splice(0);
      this.#fail();
      file.disk = sized(file.disk, file.cache.length);
      for (const { from, to } of dirty) file.cache.copy(file.disk, from, from, to);
    };
    return {
      write: async (buffers, position) => {
        const bytes = Buffer.concat(buffers);
        file.cache = sized(file.cache, Math.max(file.cache.length, position + bytes.length));
        bytes.copy(file.cache, position);
        file.dirty.push({ from: position, to: position + bytes.length });
      },
      read: async (buffer, position) => file.cache.copy(buffer, 0, position),
      sync: async () => sync(),
      syncHere: sync,
      truncate: async (sizeBytes) => {
        this.#fail();
        file.cache = sized(file.cache, sizeBytes);
      },
      sizeBytes: async () => file.cache.length,
      close: async () => undefined,
    };
  };

  remove = async (name: string): Promise<void> => void this.#files.delete(name);
  syncFolder = async (): Promise<void> => undefined;
  disk = async () => ({ usedFraction: 0, freeBytes: 1e12 });

  #fail(): void {
    if (this.isBroken) throw Object.assign(new Error('broken on purpose'), { code: 'EIO' });
  }
}
