/**
 * What small instances are read into on their way out: one is sent while the next is read, and then the same bytes hold the
 * one after that. A fresh buffer each would be garbage of a hundred kilobytes an instance, and V8 goes through its whole
 * heap every ten megabytes of it: that took more of the processor than reading and sending together.
 */
import type { ByteSource } from '../../core/store.ts';

/** Larger ones come in chunks, and few at a time. */
const MOST_BYTES = 1024 * 1024;
const LEAST_BYTES = 64 * 1024;

export class TwoBuffers {
  #next: Buffer | undefined;
  #other: Buffer | undefined;

  /**
   * All of it, valid until the call after the next one. Whoever calls has done with what came before the last.
   *
   * @returns undefined for a source that is too large, or that gives only buffers of its own
   */
  async read(source: ByteSource): Promise<Uint8Array | undefined> {
    const { sizeBytes, readInto } = source;
    if (readInto === undefined || sizeBytes > MOST_BYTES) return undefined;
    let buffer = this.#next;
    if (buffer === undefined || buffer.byteLength < sizeBytes) {
      buffer = Buffer.allocUnsafeSlow(Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(sizeBytes))));
    }
    this.#next = this.#other;
    this.#other = buffer;
    const bytes = buffer.subarray(0, sizeBytes);
    await readInto(bytes, 0);
    return bytes;
  }

  /** Somebody may still read from them: they are left to the garbage collector. */
  forget(): void {
    this.#next = undefined;
    this.#other = undefined;
  }
}
