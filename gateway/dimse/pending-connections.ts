/**
 * Connections that are no associations yet. Nobody can lock others out by opening many and saying nothing: a new one is
 * always let in, and above the bounds the oldest one goes, first of its own address, then of the address with the most.
 * A peer that means it sends its request in the first milliseconds.
 */

interface Pending {
  readonly address: string;
  readonly evict: () => void;
}

export interface PendingBounds {
  readonly total: number;
  readonly perAddress: number;
}

export class PendingConnections {
  readonly #bounds: PendingBounds;
  /** By address; a set keeps the order they came in. */
  readonly #byAddress = new Map<string, Set<Pending>>();
  #count = 0;

  constructor(bounds: PendingBounds) {
    this.#bounds = bounds;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * @param evict - cuts the connection
   * @returns to be called when it is not pending any more; harmless twice
   */
  add(address: string, evict: () => void): () => void {
    const own = this.#byAddress.get(address);
    if (own !== undefined && own.size >= this.#bounds.perAddress) this.#evictOldest(own);
    else if (this.#count >= this.#bounds.total) this.#evictOldest(this.#largest());
    const pending = { address, evict };
    const set = this.#byAddress.get(address) ?? new Set();
    this.#byAddress.set(address, set.add(pending));
    this.#count += 1;
    return () => this.#remove(pending);
  }

  #evictOldest(of: ReadonlySet<Pending>): void {
    const [oldest] = of;
    if (oldest === undefined) return;
    this.#remove(oldest);
    oldest.evict();
  }

  #largest(): ReadonlySet<Pending> {
    return [...this.#byAddress.values()].reduce<ReadonlySet<Pending>>(
      (largest, set) => (set.size > largest.size ? set : largest),
      new Set(),
    );
  }

  #remove(pending: Pending): void {
    const set = this.#byAddress.get(pending.address);
    if (set?.delete(pending) !== true) return;
    this.#count -= 1;
    if (set.size === 0) this.#byAddress.delete(pending.address);
  }
}
