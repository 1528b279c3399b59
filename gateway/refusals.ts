/**
 * Who was refused an association lately, for whoever looks for the reason a scanner cannot send. AE titles and
 * addresses are configuration, not patient data. A scanner that tries again every few seconds is one entry with a count,
 * so it cannot push the others out.
 */

/** What was tried, as it was tried. */
export interface RefusedCaller {
  readonly address: string;
  readonly callingAeTitle: string;
  readonly calledAeTitle: string;
  /** In the words of the association policy. */
  readonly why: string;
}

export interface Refusal extends RefusedCaller {
  readonly count: number;
  readonly firstAt: Date;
  readonly lastAt: Date;
}

/** Kept in memory only: the log has all of them. */
const MAX_REFUSALS = 100;

export class Refusals {
  /** In the order of their last time. */
  readonly #entries = new Map<string, Refusal>();
  readonly #now: () => Date;

  constructor(now: () => Date) {
    this.#now = now;
  }

  add({ address, callingAeTitle, calledAeTitle, why }: RefusedCaller): void {
    const key = JSON.stringify([address, callingAeTitle, calledAeTitle, why]);
    const known = this.#entries.get(key);
    const lastAt = this.#now();
    this.#entries.delete(key);
    this.#entries.set(key, {
      address,
      callingAeTitle,
      calledAeTitle,
      why,
      count: (known?.count ?? 0) + 1,
      firstAt: known?.firstAt ?? lastAt,
      lastAt,
    });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > MAX_REFUSALS && oldest !== undefined) this.#entries.delete(oldest);
  }

  /** Latest first. */
  list(): readonly Refusal[] {
    return [...this.#entries.values()].reverse();
  }
}
