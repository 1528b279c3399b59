/**
 * Says to other gateways that the ledger was not told yet of all that this one received: what the ledger does not know may
 * be here. Unlike presence it outlives the gateway for some minutes, for one that is killed comes back with its spool.
 */
import type { Ledger } from '../../core/ledger.ts';
import { behindLease } from '../../core/ledger/replicas.ts';
import type { Clock } from '../../core/ports.ts';
import { waited } from '../../core/waited.ts';

export interface BehindPorts {
  readonly ledger: Pick<Ledger, 'leases'>;
  readonly clock: Clock;
}

/** For the restart of a gateway that died, wherever its volume is mounted next. */
const LEASE_MS = 600_000;
const RENEW_MS = 60_000;
const LOOK_MS = 1_000;

export class BehindMark {
  readonly #ports: BehindPorts;
  readonly #node: string;
  readonly #owner: string;
  readonly #stopping = new AbortController();
  #fence: number | undefined;
  #renewAtMs = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(ports: BehindPorts, { node, identity }: { readonly node: string; readonly identity: string }) {
    this.#ports = ports;
    this.#node = node;
    this.#owner = identity;
  }

  start(isBehind: () => boolean): void {
    this.#running = this.#run(isBehind);
  }

  /** @throws {HubError} what the ledger says */
  async othersAre(): Promise<boolean> {
    const { ledger, clock } = this.#ports;
    const names = await ledger.leases.held(behindLease(''), clock.now());
    return names.some((name) => name !== behindLease(this.#node));
  }

  /** @param isBehind - the mark stays, until it runs out or the next start takes it away */
  async stop(isBehind: boolean): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    if (!isBehind) await this.#say(false).catch(() => undefined); // It runs out by itself.
  }

  async #run(isBehind: () => boolean): Promise<void> {
    const { signal } = this.#stopping;
    // Of the process before this one, which was perhaps killed while it was behind.
    let isFirst = true;
    while (!signal.aborted) {
      try {
        if (isFirst && !isBehind()) await this.#say(true);
        await this.#say(isBehind());
        isFirst = false;
      } catch {
        // The ledger is away, and says so in its own log line: nobody decides without it, and it is told first of all.
      }
      await waited(LOOK_MS, signal);
    }
  }

  async #say(isBehind: boolean): Promise<void> {
    const { ledger, clock } = this.#ports;
    const name = behindLease(this.#node);
    if (isBehind) {
      if (this.#fence !== undefined && performance.now() < this.#renewAtMs) return;
      this.#fence = await ledger.leases.acquire(name, this.#owner, LEASE_MS, clock.now());
      this.#renewAtMs = performance.now() + RENEW_MS;
    } else if (this.#fence !== undefined) {
      await ledger.leases.release(name, this.#fence);
      this.#fence = undefined;
    }
  }
}
