/** Keeps a pull to its bytes per second, on average: who takes more pays with a pause. */
import { setTimeout as delay } from 'node:timers/promises';

/** What may come at once after a rest. */
const BURST_MS = 1000;

export class Throttle {
  readonly #bytesPerSecond: number | undefined;
  /** On the monotonic clock: when everything taken so far is paid for. */
  #paidAtMs = 0;

  /** @param bytesPerSecond - undefined: no limit */
  constructor(bytesPerSecond: number | undefined) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  get isLimited(): boolean {
    return this.#bytesPerSecond !== undefined;
  }

  /** Bytes have come. */
  spend(bytes: number): void {
    if (this.#bytesPerSecond === undefined) return;
    this.#paidAtMs = Math.max(this.#paidAtMs, performance.now() - BURST_MS) + (bytes / this.#bytesPerSecond) * 1000;
  }

  /** Resolves when more may come; at once when nothing is owed. */
  async wait(signal: AbortSignal): Promise<void> {
    const owedMs = this.#paidAtMs - performance.now();
    if (owedMs > 0) await delay(owedMs, undefined, { signal });
  }
}
