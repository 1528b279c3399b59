/**
 * The few file operations the spool is made of, as a port: what the promise "no Success before the sync" rests on is
 * called here and nowhere else, so a test can watch the order or let one of them fail.
 */
import { constants, fdatasyncSync, writevSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, statfs, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** One open segment. Positions are explicit: nothing depends on a file offset shared between writers. */
export interface SpoolFile {
  /**
   * Writes all of the buffers, in order, from `position`.
   *
   * @param how - `aside`: never on the event loop, for who is in no hurry
   */
  write(buffers: readonly Uint8Array[], position: number, how?: 'aside'): Promise<void>;
  /** Bytes read, fewer than asked only at the end of the file. */
  read(buffer: Uint8Array, position: number): Promise<number>;
  /** fdatasync: the bytes and the size are on the disk when it resolves. */
  sync(): Promise<void>;
  /** The same while the event loop waits: for a disk that is known to be quick, and nobody else to wait. */
  syncHere(): void;
  truncate(sizeBytes: number): Promise<void>;
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}

export interface SpoolFiles {
  /** Names of the segments, oldest first. */
  list(): Promise<readonly string[]>;
  /** Fails when the name is taken. */
  create(name: string): Promise<SpoolFile>;
  open(name: string): Promise<SpoolFile>;
  /** For whoever only looks, perhaps beside a running hub. */
  openForReading(name: string): Promise<SpoolFile>;
  remove(name: string): Promise<void>;
  /** A segment that no start takes for one until it is finished; what was left of it before is overwritten. */
  createUnfinished(name: string): Promise<SpoolFile>;
  /** Gives it its name, for good: rename, then fsync of the folder. */
  finish(name: string): Promise<void>;
  removeUnfinished(name: string): Promise<void>;
  /** Names of unfinished segments. */
  listUnfinished(): Promise<readonly string[]>;
  /** fsync of the folder: a new file's name survives the power plug only after it. */
  syncFolder(): Promise<void>;
  disk(): Promise<DiskSpace>;
}

export interface DiskSpace {
  /** 0 … 1 of what unprivileged users can use, as `df` prints it. */
  readonly usedFraction: number;
  readonly freeBytes: number;
}

const UNFINISHED = '.copy';
/** writev takes at most IOV_MAX buffers, 1,024 on Linux. */
const MAX_BUFFERS_A_WRITE = 1024;

/**
 * Up to here a write is a copy into the page cache that takes less time than a turn through the thread pool, which an
 * acknowledgement would wait for; the disk itself is only ever waited for by `sync`, off the event loop.
 */
const MAX_INLINE_BYTES = 1024 * 1024;

/** The real thing, in one folder that is made when missing. */
export async function openSpoolFolder(folder: string): Promise<SpoolFiles> {
  await mkdir(folder, { recursive: true });
  // The folder's own name must survive too, or a power cut takes every segment with it.
  await syncFolder(join(folder, '..'));
  const path = (name: string) => join(folder, name);
  return {
    list: async () => (await readdir(folder)).filter((name) => name.endsWith('.seg')).sort(),
    create: async (name) => spoolFile(await open(path(name), constants.O_RDWR | constants.O_CREAT | constants.O_EXCL)),
    open: async (name) => spoolFile(await open(path(name), constants.O_RDWR)),
    openForReading: async (name) => spoolFile(await open(path(name), constants.O_RDONLY)),
    remove: async (name) => rm(path(name), { force: true }),
    createUnfinished: async (name) =>
      spoolFile(await open(`${path(name)}${UNFINISHED}`, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC)),
    finish: async (name) => {
      await rename(`${path(name)}${UNFINISHED}`, path(name));
      await syncFolder(folder);
    },
    removeUnfinished: async (name) => rm(`${path(name)}${UNFINISHED}`, { force: true }),
    listUnfinished: async () =>
      (await readdir(folder))
        .filter((name) => name.endsWith(UNFINISHED))
        .map((name) => name.slice(0, -UNFINISHED.length)),
    syncFolder: async () => syncFolder(folder),
    disk: async () => {
      const { blocks, bfree, bavail, bsize } = await statfs(folder);
      const used = blocks - bfree;
      return { usedFraction: used / Math.max(1, used + bavail), freeBytes: bavail * bsize };
    },
  };
}

function spoolFile(handle: FileHandle): SpoolFile {
  return {
    write: async (buffers, position, how) => {
      for (let first = 0; first < buffers.length; first += MAX_BUFFERS_A_WRITE) {
        const some = buffers.slice(first, first + MAX_BUFFERS_A_WRITE);
        position += await writeAll(handle, some, position, how === 'aside' ? 0 : MAX_INLINE_BYTES);
      }
    },
    read: async (buffer, position) => {
      let done = 0;
      while (done < buffer.length) {
        const { bytesRead } = await handle.read(buffer, done, buffer.length - done, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    },
    sync: async () => handle.datasync(),
    syncHere: () => fdatasyncSync(handle.fd),
    truncate: async (sizeBytes) => handle.truncate(sizeBytes),
    sizeBytes: async () => (await handle.stat()).size,
    close: async () => handle.close(),
  };
}

async function writeAll(
  handle: FileHandle,
  buffers: readonly Uint8Array[],
  position: number,
  maxInlineBytes: number,
): Promise<number> {
  const total = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
  let left = [...buffers];
  let done = 0;
  while (done < total) {
    const bytesWritten =
      total <= maxInlineBytes
        ? writevSync(handle.fd, left, position + done)
        : (await handle.writev(left, position + done)).bytesWritten;
    if (bytesWritten === 0) throw new Error('the disk took no bytes');
    done += bytesWritten;
    if (done < total) left = without(left, bytesWritten);
  }
  return total;
}

/** What is left of the buffers after a short write. */
function without(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (bytes >= buffer.length) bytes -= buffer.length;
    else {
      rest.push(buffer.subarray(bytes));
      bytes = 0;
    }
  }
  return rest;
}

/** fsync of a folder: names in it survive the power plug after it. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
