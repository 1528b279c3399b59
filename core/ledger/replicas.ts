/** What may have one owner among several hubs on one ledger, and what they must have alike. */

/**
 * Whose studies and commitments are meant: those of this replica, and with `abandonedAt` also those of replicas that had
 * no lease at that time.
 */
export interface Whose {
  readonly abandonedAt?: Date;
}

/** Held by a replica that receives: while it is, nobody else judges what it received. */
export function nodeLease(node: string): string {
  return `node/${node}`;
}

/** Held while a gateway has received what the ledger was not told of yet. */
export function behindLease(node: string): string {
  return `behind/${node}`;
}

/** Held by the replica that reads for a group of the embedded bus. */
export function groupLease(group: string): string {
  return `group/${group}`;
}

/** What may have one owner among replicas of the hub. A fence only grows: whoever has an old one has lost the lease. */
export interface LeasesLedger {
  /** The fence; undefined while another owner has it. Who has it already gets a new lease, and its earlier one ends. */
  acquire(name: string, owner: string, leaseMs: number, now: Date): Promise<number | undefined>;
  /** False: lost; stop what it was for. */
  renew(name: string, fence: number, leaseMs: number, now: Date): Promise<boolean>;
  /** Names of leases that somebody had at that time, of those that begin so. */
  held(prefix: string, at: Date): Promise<readonly string[]>;
  /** Lets the next one have it at once. False: it was lost before. */
  release(name: string, fence: number): Promise<boolean>;
}

export interface KeysLedger {
  /** Of this ledger and of no other, for good; it goes where the ledger is moved to, and comes back with its backup. */
  identity(): Promise<string>;
  /**
   * By which fingerprint the hub's key for a purpose is known, in all replicas and at each start; the first one to ask
   * says which.
   *
   * @param fingerprint - by which the key is known and cannot be found out
   */
  agree(purpose: string, fingerprint: string): Promise<string>;
  /** From now on it is another key: somebody said so who knows what was made with the one before. */
  replace(purpose: string, fingerprint: string): Promise<void>;
}
