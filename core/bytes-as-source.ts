/** Bytes that are in memory already, for code that reads through a `ByteSource`. */
import { rangedSource } from './ranged-source.ts';
import type { ByteSource } from './store.ts';

export function bytesAsSource(bytes: Uint8Array): ByteSource {
  return rangedSource(
    bytes.length,
    (offset, length) => Promise.resolve(bytes.slice(offset, offset + length)),
    () => Promise.resolve(),
  );
}
