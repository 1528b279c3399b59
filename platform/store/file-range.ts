/** A range of an open file as a `ByteSource`: of a pack of the store, or of a file a command was pointed at. */
import type { FileHandle } from 'node:fs/promises';
import { rangedSource } from '../../core/ranged-source.ts';
import type { ByteSource } from '../../core/store.ts';

export interface FileRange {
  readonly handle: FileHandle;
  readonly start: number;
  readonly sizeBytes: number;
  /** What to do with the handle in the end. */
  readonly close: () => Promise<void>;
  /** What a read that failed, or with no cause one that met the end of the file early, means to whoever reads. */
  readonly failed: (cause?: unknown) => Error;
}

export function fileRange({ handle, start, sizeBytes, close, failed }: FileRange): ByteSource {
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length;) {
      const { bytesRead } = await handle
        .read(bytes, filled, length - filled, start + offset + filled)
        .catch((error: unknown) => {
          throw failed(error);
        });
      if (bytesRead === 0) throw failed();
      filled += bytesRead;
    }
    return bytes;
  };
  return rangedSource(sizeBytes, read, close);
}
