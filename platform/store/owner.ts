/** Whose a store is that more than one hub can reach. */

/** As the store has it. */
export interface StoreOwner {
  /** Identity of the ledger. */
  readonly ledger: string;
  /** The replica that took it. */
  readonly node: string;
  readonly since: string;
}

/** Who asks. */
export interface StoreClaimant {
  /** Of the ledger that knows what lies in the store. @throws {HubError} `ledger.*` while it cannot be asked */
  readonly ledgerId: () => Promise<string>;
  readonly node: string;
}

export interface StoreOwnership {
  /**
   * Asks the store, and takes it when it is nobody's.
   *
   * @throws {HubError} `store.foreign` when another ledger has it; `store.*`, `ledger.*` when one of the two cannot be asked
   */
  check(signal?: AbortSignal): Promise<void>;
  /** The same, before something is written or removed: asks only when it has not for a minute. */
  require(): Promise<void>;
  /** Makes it nobody's: the hub that asks next has it. @returns whose it was */
  giveUp(): Promise<StoreOwner | undefined>;
}
