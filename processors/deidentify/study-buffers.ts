/**
 * Memory that one instance after the other uses, instead of fresh memory for each: to hand out and collect 300 kB an
 * instance costs more than to fill them. Good until the next instance is begun; what is large gets memory of its own.
 */
import { HeaderRoom } from '../../core/dicom/part10.ts';
import { ByteWriter } from './byte-writer.ts';

/** More than the header and the pixels of one frame of MR or CT. */
export const SHARED_BYTES = 1024 * 1024;

export class StudyBuffers {
  /** For a header that is read. */
  readonly header = new HeaderRoom();
  readonly #buffers = new Map<string, Uint8Array>();
  #writer: ByteWriter | undefined;

  /** For a rewritten header. */
  writer(capacity: number): ByteWriter {
    if (capacity > SHARED_BYTES) return new ByteWriter(capacity);
    this.#writer ??= new ByteWriter(capacity);
    this.#writer.truncate(0);
    return this.#writer;
  }

  /** At least as long; what is in it is of the instance before. @param name - of what it is for */
  bytes(name: 'haystack' | 'pixels' | 'pixels once more', sizeBytes: number): Uint8Array {
    if (sizeBytes > SHARED_BYTES) return new Uint8Array(sizeBytes);
    const known = this.#buffers.get(name);
    if (known !== undefined && known.length >= sizeBytes) return known;
    const made = new Uint8Array(Math.min(SHARED_BYTES, Math.max(64 * 1024, sizeBytes * 2)));
    this.#buffers.set(name, made);
    return made;
  }
}
