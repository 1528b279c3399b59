/** How many studies all pulls of a process fetch at once, and whose turn it is. */
import type { Priority } from '../../peers/dimse/command-set.ts';

const RANKS = { high: 2, medium: 1, low: 0 } as const satisfies Record<Priority, number>;

export class Slots {
  readonly #limit: number;
  #taken = 0;
  /** Pulls that would take more. */
  readonly #waiting = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many of those wanted it may begin now: none while a pull of higher priority would take more. */
  room(pull: string, priority: Priority, wanted: number): number {
    const rank = RANKS[priority];
    const isOutranked = [...this.#waiting].some(([other, theirs]) => other !== pull && theirs > rank);
    return isOutranked ? 0 : Math.max(0, Math.min(wanted, this.#limit - this.#taken));
  }

  /** It would take more, if it could; or not. */
  waits(pull: string, priority: Priority, isWaiting: boolean): void {
    if (isWaiting) this.#waiting.set(pull, RANKS[priority]);
    else this.#waiting.delete(pull);
  }

  take(): { readonly giveBack: () => void } {
    this.#taken += 1;
    return {
      giveBack: () => {
        this.#taken -= 1;
      },
    };
  }
}
