/** Bytes that are in memory already, for code that reads through a `ByteSource`. */
import { rangedSource } from './ranged-source.ts';
import type { ByteSource } from './store.ts';

export function bytesAsSource(bytes: Uint8Array): ByteSource {
  return rangedSource(
    bytes.length,
    // A Buffer's own `slice` is a view: whoever reads may write into what it was given.
    (offset, length) => Promise.resolve(Uint8Array.prototype.slice.call(bytes, offset, offset + length)),
    () => Promise.resolve(),
  );
}
