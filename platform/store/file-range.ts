/** A range of an open file as a `ByteSource`: of a pack of the store, or of a file a command was pointed at. */
import { readSync, writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { rangedSource } from '../../core/ranged-source.ts';
import type { ByteSource } from '../../core/store.ts';

/** What a read or write of an open file is asked for: which part of `bytes`, and where in the file. @returns bytes done */
export type FileAccess = (
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => number | Promise<number>;

/**
 * How a thread gets at its files. `aside`: through the thread pool, for a thread that has others to serve. `at-once`: by
 * itself, for a thread that has nothing else to do; the detour costs several times what the read itself does.
 */
export type AccessMode = 'aside' | 'at-once';

export interface FileRange {
  readonly read: FileAccess;
  readonly start: number;
  readonly sizeBytes: number;
  /** What to do with the file in the end. */
  readonly close: () => Promise<void>;
  /** What a read that failed, or with no cause one that met the end of the file early, means to whoever reads. */
  readonly failed: (cause?: unknown) => Error;
}

export function readerOf(handle: FileHandle, mode: AccessMode): FileAccess {
  if (mode === 'at-once')
    return (bytes, offset, length, position) => readSync(handle.fd, bytes, offset, length, position);
  return async (bytes, offset, length, position) => (await handle.read(bytes, offset, length, position)).bytesRead;
}

export function writerOf(handle: FileHandle, mode: AccessMode): FileAccess {
  if (mode === 'at-once')
    return (bytes, offset, length, position) => writeSync(handle.fd, bytes, offset, length, position);
  return async (bytes, offset, length, position) => (await handle.write(bytes, offset, length, position)).bytesWritten;
}

/** Lets what waits at this thread's door in: one that reads at once would else hear no abort until it has done. */
export async function letOthersIn(mode: AccessMode): Promise<void> {
  if (mode === 'at-once') await turnOfTheLoop();
}

export function fileRange({ read: readAt, start, sizeBytes, close, failed }: FileRange): ByteSource {
  const readInto = async (bytes: Uint8Array, offset: number): Promise<void> => {
    const length = bytes.byteLength;
    for (let filled = 0; filled < length;) {
      const bytesRead = await orFail(() => readAt(bytes, filled, length - filled, start + offset + filled), failed);
      if (bytesRead === 0) throw failed();
      filled += bytesRead;
    }
  };
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    // Every byte of it is read, or it is never seen.
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    await readInto(bytes, offset);
    return bytes;
  };
  return rangedSource(sizeBytes, read, close, readInto);
}

async function orFail(work: () => number | Promise<number>, failed: (cause: unknown) => Error): Promise<number> {
  try {
    return await work();
  } catch (error) {
    throw failed(error);
  }
}
