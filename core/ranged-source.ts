/** A `ByteSource` over anything that can read a range: a file, a segment, memory. */
import type { ByteSource } from './store.ts';

const CHUNK_BYTES = 1_048_576;

/**
 * Adds what every source has in common: the end is never read over, and a stream comes in chunks of 1 MiB.
 *
 * @param read - answers exactly the range it is asked for, in a fresh buffer, or throws
 * @param close - called at most once
 * @param readInto - fills a buffer of the reader's own
 */
export function rangedSource(
  sizeBytes: number,
  read: (offset: number, length: number) => Promise<Uint8Array>,
  close: () => Promise<void>,
  readInto?: ByteSource['readInto'],
): ByteSource {
  const readWithin = (offset: number, length: number): Promise<Uint8Array> =>
    read(offset, Math.max(0, Math.min(length, sizeBytes - offset)));
  let closed: Promise<void> | undefined;
  return {
    sizeBytes,
    read: readWithin,
    ...(readInto === undefined ? {} : { readInto }),
    async *stream(offset = 0, length = sizeBytes - offset) {
      const end = Math.min(sizeBytes, offset + length);
      for (let at = offset; at < end; at += CHUNK_BYTES) yield await readWithin(at, Math.min(CHUNK_BYTES, end - at));
    },
    close: () => (closed ??= close()),
  };
}
