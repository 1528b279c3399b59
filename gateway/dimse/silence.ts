/** The timers of one association, and what the peer's silence means in each of its phases. */

export interface DimseTimeouts {
  /** From the connection to the whole A-ASSOCIATE-RQ (ARTIM, PS3.8 Section 9.1.5), a TLS handshake included. */
  readonly associationMs: number;
  /** Between messages. */
  readonly idleMs: number;
  /** In each such window of a message or PDU under way at least `minBytes` must come. */
  readonly progressMs: number;
  readonly minBytes: number;
  /** For the peer to close after the end of the association. */
  readonly closeMs: number;
}

const ABORT_GRACE_MS = 1_000;

/** `own-turn`: the hub is the one who is waited for; its work never counts as the peer's silence. */
export type Expected =
  'association' | 'own-turn' | 'message' | 'rest-of-message' | 'end-after-release' | 'end-after-abort';

export class Silence {
  readonly #timeouts: DimseTimeouts;
  #idleMs: number;
  /** When the phase, the idle time or the progress window began. */
  #sinceMs = performance.now();
  #windowBytes = 0;

  constructor(timeouts: DimseTimeouts) {
    this.#timeouts = timeouts;
    this.#idleMs = timeouts.idleMs;
  }

  /** Of this peer, instead of what holds for all. */
  set idleMs(ms: number) {
    this.#idleMs = ms;
  }

  restart(nowMs = performance.now()): void {
    this.#sinceMs = nowMs;
    this.#windowBytes = 0;
  }

  heard(bytes: number): void {
    this.#windowBytes += bytes;
  }

  /** @returns why it must not go on, undefined when it may */
  tooLong(expected: Expected, nowMs: number): string | undefined {
    const waitedMs = nowMs - this.#sinceMs;
    switch (expected) {
      case 'association':
        return waitedMs > this.#timeouts.associationMs ? 'no association request in time' : undefined;
      case 'own-turn':
        this.restart(nowMs);
        return undefined;
      case 'message':
        return waitedMs > this.#idleMs ? 'idle for too long' : undefined;
      case 'rest-of-message':
        if (waitedMs <= this.#timeouts.progressMs) return undefined;
        if (this.#windowBytes < this.#timeouts.minBytes) return 'too slow';
        this.restart(nowMs);
        return undefined;
      case 'end-after-release':
        return waitedMs > this.#timeouts.closeMs ? 'not closed' : undefined;
      case 'end-after-abort':
        return waitedMs > ABORT_GRACE_MS ? 'not closed' : undefined;
      default:
        return expected satisfies never;
    }
  }
}
