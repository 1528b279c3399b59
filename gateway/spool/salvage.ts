/** What is left of a segment that its disk does not give back whole. */
import type { SpoolFile } from './files.ts';
import { errorCode } from './storage-failure.ts';

const CHUNK_BYTES = 1024 * 1024;
/** What a disk loses at once: what lies beside it is still read. */
const PIECE_BYTES = 4096;

/**
 * The bytes [from, to), with zeros where there are none any more: the disk answers that it cannot, or the file has ended.
 *
 * @param onUnreadable - called before the first zeros of a chunk; throws when they are not wanted yet
 */
export async function* salvaged(
  file: Pick<SpoolFile, 'read'>,
  from: number,
  to: number,
  onUnreadable: () => void,
): AsyncGenerator<Uint8Array> {
  for (let at = from; at < to; at += CHUNK_BYTES) {
    const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, to - at));
    if (!(await isRead(file, chunk, at))) {
      onUnreadable();
      for (let n = 0; n < chunk.length; n += PIECE_BYTES) {
        const piece = chunk.subarray(n, n + PIECE_BYTES);
        // Of a file that ends inside of it the beginning stays.
        await isRead(file, piece.fill(0), at + n);
      }
    }
    yield chunk;
  }
}

/** @throws what is no answer about these bytes */
async function isRead(file: Pick<SpoolFile, 'read'>, buffer: Buffer, position: number): Promise<boolean> {
  try {
    return (await file.read(buffer, position)) === buffer.length;
  } catch (error) {
    if (errorCode(error) !== 'EIO') throw error;
    return false;
  }
}
