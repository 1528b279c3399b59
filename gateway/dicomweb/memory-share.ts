/** Memory that all store requests share for what has to wait in it; nobody gets more, whatever is sent. */
import { HubError } from '../../core/errors.ts';

export class MemoryPool {
  readonly #limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** For one request, at most `limitBytes` of it. */
  share(limitBytes: number): MemoryShare {
    let own = 0;
    return {
      take: (bytes) => {
        if (own + bytes > limitBytes) throw new HubError('request.too-large', { maxBytes: limitBytes });
        if (this.#usedBytes + bytes > this.#limitBytes) throw new HubError('request.too-many', { retryAfterMs: 5_000 });
        own += bytes;
        this.#usedBytes += bytes;
      },
      give: (bytes) => {
        const given = Math.min(bytes, own);
        own -= given;
        this.#usedBytes -= given;
      },
    };
  }
}

export interface MemoryShare {
  /** @throws {HubError} `request.too-large` for the request's own limit, `request.too-many` for that of all */
  take(bytes: number): void;
  give(bytes: number): void;
}
