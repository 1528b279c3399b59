/** A lease of the ledger, taken as soon as it is free and kept for as long as the ledger can be told. */
import type { Ledger } from './ledger.ts';
import type { Clock } from './ports.ts';
import { waited } from './waited.ts';

export interface HeldLeasePorts {
  readonly ledger: Pick<Ledger, 'leases'>;
  readonly clock: Clock;
}

export interface HeldLeaseOptions {
  readonly name: string;
  readonly owner: string;
  readonly leaseMs: number;
  /** Called with each fence that it gets. */
  readonly onAcquired?: () => void;
}

/** Attempts in the time of one lease: one that fails, and the one after it, leave it held. */
const ATTEMPTS = 3;

export class HeldLease {
  readonly #ports: HeldLeasePorts;
  readonly #options: HeldLeaseOptions;
  readonly #stopping = new AbortController();
  #fence: number | undefined;
  #heldUntilMs = 0;
  #steadySinceMs = Infinity;
  #running: Promise<void> = Promise.resolve();

  constructor(ports: HeldLeasePorts, options: HeldLeaseOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** By a clock that nobody sets: without the ledger it ends here no later than there. */
  get isHeld(): boolean {
    return this.#fence !== undefined && performance.now() < this.#heldUntilMs;
  }

  /** Grows with each lease; undefined while it is not held. */
  get fence(): number | undefined {
    return this.isHeld ? this.#fence : undefined;
  }

  /** For how long it was held and each attempt to renew it met the ledger; 0 when it is not held. */
  get steadyMs(): number {
    return this.isHeld ? Math.max(0, performance.now() - this.#steadySinceMs) : 0;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** One attempt. @returns whether it is held @throws {HubError} what the ledger says */
  async attempt(): Promise<boolean> {
    const { name, owner, leaseMs, onAcquired } = this.#options;
    const { ledger, clock } = this.#ports;
    const atMs = performance.now();
    let isRenewed = false;
    try {
      isRenewed = this.#fence !== undefined && (await ledger.leases.renew(name, this.#fence, leaseMs, clock.now()));
      if (!isRenewed) {
        this.#steadySinceMs = Infinity;
        this.#fence = await ledger.leases.acquire(name, owner, leaseMs, clock.now());
      }
    } catch (error) {
      this.#steadySinceMs = Infinity;
      throw error;
    }
    if (this.#fence === undefined) return false;
    this.#heldUntilMs = atMs + leaseMs;
    this.#steadySinceMs = Math.min(this.#steadySinceMs, atMs);
    if (!isRenewed) onAcquired?.();
    return true;
  }

  /** @param isLeft - it runs out by itself: nobody is to have it before */
  async stop(isLeft = false): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    const fence = this.isHeld && !isLeft ? this.#fence : undefined;
    this.#fence = undefined;
    // A ledger that does not hear it sees it run out.
    if (fence !== undefined) await this.#ports.ledger.leases.release(this.#options.name, fence).catch(() => false);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      // A ledger that is down says so in its own log line; the lease runs out.
      await this.attempt().catch(() => false);
      // Ended early when it stops.
      await waited(this.#options.leaseMs / ATTEMPTS, signal);
    }
  }
}
