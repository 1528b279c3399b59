/**
 * The time that all replicas of a hub go by. Leases compare what one replica wrote with the time of another: with clocks
 * that differ, one that is ahead takes what the other still has, and judges studies that the other still receives. So
 * where a machine's clock is not that of the database, the database's counts.
 */
import type { Clock, Logger } from '../../../core/ports.ts';

/** Machines that keep their time stay within this, and are left alone. */
const TOLERATED_MS = 1_000;
/** An answer that took longer says little of when it was given. */
const MAX_ANSWER_MS = 500;

export class ServerClock implements Clock {
  readonly #own: Clock;
  readonly #log: Logger;
  readonly #machineMs: () => number;
  #aheadMs: number | undefined;

  /** @param machineMs - what is compared with the server; `own` may be another in tests */
  constructor(own: Clock, log: Logger, machineMs: () => number = () => Date.now()) {
    this.#own = own;
    this.#log = log;
    this.#machineMs = machineMs;
  }

  now(): Date {
    return new Date(this.#own.now().getTime() - (this.#aheadMs ?? 0));
  }

  /** @param ask - answers with the server's time, in milliseconds since 1970 */
  async compare(ask: () => Promise<number>): Promise<void> {
    const began = performance.now();
    const beganMs = this.#machineMs();
    const serverMs = await ask();
    const tookMs = performance.now() - began;
    // The first counts however long it took: nothing better is known.
    if (tookMs > MAX_ANSWER_MS && this.#aheadMs !== undefined) return;
    const aheadMs = Math.round(beganMs + tookMs / 2 - serverMs);
    const before = this.#aheadMs ?? 0;
    this.#aheadMs = Math.abs(aheadMs) - tookMs / 2 <= TOLERATED_MS ? 0 : aheadMs;
    if (this.#aheadMs !== 0 && Math.abs(this.#aheadMs - before) > TOLERATED_MS) {
      const fields = { aheadSeconds: Math.round(aheadMs / 1000) };
      this.#log.warn("this machine's clock is not the database's, which the hub goes by: set it, best by NTP", fields);
    }
  }
}
