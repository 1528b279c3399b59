/**
 * Room in a segment: zeros that are laid behind small records, for those that follow. A file that grows has a new size and
 * new blocks with each sync: the file system's journal, and a second flush of the disk. Written into zeros, a small record
 * brings nothing but its bytes to the disk (docs/adr/0002). A recovery finds zeros where a record would begin and cuts
 * them off.
 */

/** What grows the file costs the journal's bytes once; zeros below a larger batch would cost more than they save. */
const SMALL_BATCH_BYTES = 16 * 1024;
const ZEROS = Buffer.alloc(256 * 1024);
const FIRST_BYTES = 256 * 1024;
/** Between large objects hardly any of it is used by small ones. */
const LEAST_BYTES = 32 * 1024;
/** To lay them is one slow acknowledgement: on an old disk a twentieth of a second, for nearly a thousand quick ones. */
const MOST_BYTES = 4 * 1024 * 1024;

/** How much room is laid next. @param used - by small batches since it was laid the last time; undefined: it never was */
export function roomBytes(used: number | undefined): number {
  if (used === undefined) return FIRST_BYTES;
  return Math.min(MOST_BYTES, Math.max(LEAST_BYTES, 2 * used));
}

/** The room of the segment that grows. */
export class Room {
  #zeroedTo = 0;
  #used: number | undefined;

  /** Another segment grows from now on. */
  restart(): void {
    this.#zeroedTo = 0;
  }

  /** How many zeros a batch of these bytes should have behind it. */
  wanted(start: number, end: number): number {
    return end - start <= SMALL_BATCH_BYTES && end > this.#zeroedTo ? roomBytes(this.#used) : 0;
  }

  /** The batch is durable, and what was wanted behind it. */
  written(start: number, end: number, zeroBytes: number): void {
    if (zeroBytes > 0) {
      this.#zeroedTo = end + zeroBytes;
      this.#used = 0;
    } else if (end - start <= SMALL_BATCH_BYTES && this.#used !== undefined) this.#used += end - start;
  }

  /** There are zeros behind this. */
  isBehind(offset: number): boolean {
    return this.#zeroedTo > offset;
  }
}

/** @returns buffers that must not be written to */
export function zeros(bytes: number): readonly Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let left = bytes; left > 0; left -= ZEROS.length)
    parts.push(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS);
  return parts;
}
