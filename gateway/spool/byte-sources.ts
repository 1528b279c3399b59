/** The Part 10 bytes of an object as random access, wherever they lie: in blocks of memory or in a segment. */
import { basename } from 'node:path';
import { rangedSource } from '../../core/ranged-source.ts';
import { type BlobRef, type ByteSource, parseBlobRef } from '../../core/store.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';

/** Over memory that the caller keeps until it is done with the source, and with what it has read: most of it is not copied. */
export function blockSource(parts: readonly Uint8Array[], sizeBytes: number): ByteSource {
  const [first = new Uint8Array(0)] = parts;
  const read = (offset: number, length: number): Uint8Array =>
    offset + length <= first.length ? first.subarray(offset, offset + length) : copyOf(parts, offset, length);
  return rangedSource(sizeBytes, (offset, length) => Promise.resolve(read(offset, length)), leaveOpen);
}

/** Over a range of an open segment, which the source does not close. */
export function fileSource(file: SpoolFile, start: number, sizeBytes: number): ByteSource {
  const read = async (offset: number, length: number): Promise<Buffer> => {
    const target = Buffer.allocUnsafe(length);
    const bytesRead = await file.read(target, start + offset);
    if (bytesRead < length) throw new Error('the segment ends before its object');
    return target;
  };
  return rangedSource(sizeBytes, read, leaveOpen);
}

/** Of what was received; closing the source closes the segment. */
export async function openReceived(files: Pick<SpoolFiles, 'openForReading'>, blob: BlobRef): Promise<ByteSource> {
  const { pack, offset, length } = parseBlobRef(blob);
  const file = await files.openForReading(basename(pack));
  return { ...fileSource(file, offset, length), close: async () => file.close() };
}

function copyOf(parts: readonly Uint8Array[], offset: number, length: number): Buffer {
  const target = Buffer.allocUnsafe(length);
  let start = 0;
  let done = 0;
  for (const part of parts) {
    const from = offset + done - start;
    if (from < part.length && done < length) {
      const some = part.subarray(from, from + length - done);
      target.set(some, done);
      done += some.length;
    }
    start += part.length;
  }
  return target;
}

const leaveOpen = (): Promise<void> => Promise.resolve();
