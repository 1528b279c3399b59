/** From the first file taken until nothing in the folder waits any more: what came by it was sent at one go. */
import { randomUUID } from 'node:crypto';
import type { LookTally } from './look-tally.ts';

/** As long as an association may be idle. */
const IDLE_MS = 600_000;

export interface EndedBatch {
  readonly associationId: string;
  readonly instances: number;
  readonly refused: number;
  /** All that was in the folder is in the hub. */
  readonly isWhole: boolean;
}

export class FolderBatch {
  readonly associationId = randomUUID();
  readonly #idleMs: number;
  #instances = 0;
  #refused = 0;
  #lastTakenMs = performance.now();

  /** @param idleMs - it ends when nothing was taken for so long, whatever waits */
  constructor(idleMs = IDLE_MS) {
    this.#idleMs = idleMs;
  }

  taken(instances: number): void {
    this.#instances += instances;
    this.#lastTakenMs = performance.now();
  }

  refused(): void {
    this.#refused += 1;
  }

  /** @returns undefined while it goes on */
  endedBy({ waiting, unreadable }: Pick<LookTally, 'waiting' | 'unreadable'>): EndedBatch | undefined {
    // What waits may belong to the studies of this batch; what cannot be read, or never stops changing, must not hold them.
    const isIdle = performance.now() - this.#lastTakenMs >= this.#idleMs;
    if (waiting > unreadable && !isIdle) return undefined;
    const { associationId } = this;
    const [instances, refused] = [this.#instances, this.#refused];
    return { associationId, instances, refused, isWhole: refused === 0 && waiting === 0 };
  }
}
