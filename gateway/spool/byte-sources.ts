/** The Part 10 bytes of an object as random access, wherever they lie: in blocks of memory or in a segment. */
import { basename } from 'node:path';
import { type BlobRef, type ByteSource, parseBlobRef } from '../../core/store.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';

const CHUNK_BYTES = 1024 * 1024;

/** Over memory that the caller keeps until it is done with the source. */
export function blockSource(parts: readonly Uint8Array[], sizeBytes: number): ByteSource {
  return source(sizeBytes, async (target, offset) => {
    let start = 0;
    let done = 0;
    for (const part of parts) {
      const from = offset + done - start;
      if (from < part.length && done < target.length) {
        const some = part.subarray(from, from + target.length - done);
        target.set(some, done);
        done += some.length;
      }
      start += part.length;
    }
  });
}

/** Over a range of an open segment, which the source does not close. */
export function fileSource(file: SpoolFile, start: number, sizeBytes: number): ByteSource {
  return source(sizeBytes, async (target, offset) => {
    const bytesRead = await file.read(target, start + offset);
    if (bytesRead < target.length) throw new Error('the segment ends before its object');
  });
}

/** Of what was received; closing the source closes the segment. */
export async function openReceived(files: Pick<SpoolFiles, 'openForReading'>, blob: BlobRef): Promise<ByteSource> {
  const { pack, offset, length } = parseBlobRef(blob);
  const file = await files.openForReading(basename(pack));
  return { ...fileSource(file, offset, length), close: async () => file.close() };
}

function source(sizeBytes: number, fill: (target: Buffer, offset: number) => Promise<void>): ByteSource {
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const target = Buffer.allocUnsafe(Math.max(0, Math.min(length, sizeBytes - offset)));
    await fill(target, offset);
    return target;
  };
  return {
    sizeBytes,
    read,
    async *stream(offset = 0, length = sizeBytes - offset) {
      const end = Math.min(sizeBytes, offset + length);
      for (let at = offset; at < end; at += CHUNK_BYTES) yield await read(at, Math.min(CHUNK_BYTES, end - at));
    },
    close: async () => undefined,
  };
}
