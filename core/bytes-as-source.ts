/** Bytes that are in memory already, for code that reads through a `ByteSource`. */
import type { ByteSource } from './store.ts';

export function bytesAsSource(bytes: Uint8Array): ByteSource {
  return {
    sizeBytes: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.slice(offset, offset + length)),
    async *stream(offset = 0, length = bytes.length - offset) {
      yield bytes.slice(offset, offset + length);
    },
    close: () => Promise.resolve(),
  };
}
