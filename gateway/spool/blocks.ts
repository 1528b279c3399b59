/** Memory for objects under way: fixed blocks that go round, so that a busy hour does not grow the heap. */

export const BLOCK_BYTES = 256 * 1024;
/**
 * 16 MiB, which eight large objects at once need all the time: V8 hardly sees a block that is let go of, and had up to
 * 80 MB of them before it collected any. What a busier moment took more goes back to the system.
 */
const MAX_IDLE_BLOCKS = 64;
/** What many small objects at once come to, and a few large ones soon exceed. */
const MUCH_BYTES = 8 * 1024 * 1024;

export class BlockPool {
  readonly #idle: Buffer[] = [];
  readonly #capBytes: number;
  #takenBytes = 0;

  /** @param capBytes - above it objects under way are written to the disk instead of waiting in memory */
  constructor(capBytes: number) {
    this.#capBytes = capBytes;
  }

  take(): Buffer {
    this.#takenBytes += BLOCK_BYTES;
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
  }

  give(blocks: readonly Buffer[]): void {
    this.#takenBytes -= blocks.length * BLOCK_BYTES;
    for (const block of blocks) if (this.#idle.length < MAX_IDLE_BLOCKS) this.#idle.push(block);
  }

  /** More is taken than one small object needs. */
  get isShared(): boolean {
    return this.#takenBytes > BLOCK_BYTES;
  }

  /** Large objects should leave memory early. */
  get isMuch(): boolean {
    return this.#takenBytes > MUCH_BYTES;
  }

  get isOver(): boolean {
    return this.#takenBytes > this.#capBytes;
  }
}
