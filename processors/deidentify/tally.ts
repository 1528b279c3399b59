/** Counts what was done, by action and attribute, without any value. */

export const ACTIONS_DONE = [
  'removed',
  'emptied',
  'replaced',
  'new-uid',
  'pseudonym',
  'shifted',
  'cleaned',
  'private-removed',
  'private-kept',
  'blanked',
] as const;
export type ActionDone = (typeof ACTIONS_DONE)[number];

/** One thing that was done to one element. */
export interface Deed {
  readonly tag: number;
  readonly action: ActionDone;
}

export class Tally {
  readonly #counts = new Map<number, Map<ActionDone, number>>();
  readonly keptPrivate = new Set<string>();

  add(tag: number, action: ActionDone): void {
    // Private tags mean nothing without their creator, and there are thousands: they are counted as one.
    const key = action === 'private-removed' || action === 'private-kept' ? 0 : tag;
    const counts = this.#counts.get(key) ?? new Map<ActionDone, number>();
    this.#counts.set(key, counts);
    counts.set(action, (counts.get(action) ?? 0) + 1);
  }

  merge(other: Tally): void {
    for (const [tag, counts] of other.#counts) {
      const mine = this.#counts.get(tag) ?? new Map<ActionDone, number>();
      this.#counts.set(tag, mine);
      for (const [action, count] of counts) mine.set(action, (mine.get(action) ?? 0) + count);
    }
    for (const element of other.keptPrivate) this.keptPrivate.add(element);
  }

  /** Sums by action. */
  byAction(): Readonly<Record<string, number>> {
    const sums: Record<string, number> = {};
    for (const counts of this.#counts.values())
      for (const [action, count] of counts) sums[action] = (sums[action] ?? 0) + count;
    return Object.fromEntries(Object.entries(sums).toSorted(([one], [other]) => (one < other ? -1 : 1)));
  }

  /** By tag in ascending order; tag 0 stands for private elements. */
  byTag(): readonly { readonly tag: number; readonly action: ActionDone; readonly count: number }[] {
    return [...this.#counts]
      .toSorted(([one], [other]) => one - other)
      .flatMap(([tag, counts]) => [...counts].map(([action, count]) => ({ tag, action, count })));
  }
}

/** The instances of a series have the same done to them: one tally, which nobody adds to, stands for all of them. */
export class SharedTallies {
  #deeds: readonly Deed[] = [];
  #privateKept: readonly string[] = [];
  #tally = new Tally();

  of(deeds: readonly Deed[], privateKept: readonly string[]): Tally {
    if (!this.#isLast(deeds, privateKept)) {
      this.#deeds = deeds;
      this.#privateKept = privateKept;
      this.#tally = new Tally();
      for (const { tag, action } of deeds) this.#tally.add(tag, action);
      for (const name of privateKept) this.#tally.keptPrivate.add(name);
    }
    return this.#tally;
  }

  #isLast(deeds: readonly Deed[], privateKept: readonly string[]): boolean {
    if (deeds.length !== this.#deeds.length || privateKept.length !== this.#privateKept.length) return false;
    const isSame = ({ tag, action }: Deed, at: number) =>
      tag === this.#deeds[at]?.tag && action === this.#deeds[at].action;
    return deeds.every(isSame) && privateKept.every((name, at) => name === this.#privateKept[at]);
  }
}
