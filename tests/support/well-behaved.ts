/** The scanner beside an attack: it stores one instance after the other, and has to be served all the while. */
import { mrInstance } from './mr-instance.ts';
import { RawPeer, statusOf, storeRequest } from './raw-association.ts';

export interface Served {
  readonly wellBehavedStores: number;
  readonly slowestStoreMs: number;
  readonly p99StoreMs: number;
}

const STORES_AN_ASSOCIATION = 20;

export class WellBehaved {
  readonly #port: number;
  readonly #tookMs: number[] = [];
  #isStopping = false;

  constructor(port: number) {
    this.#port = port;
  }

  get served(): Served {
    const sorted = this.#tookMs.toSorted((one, other) => one - other);
    return {
      wellBehavedStores: sorted.length,
      slowestStoreMs: sorted.at(-1) ?? 0,
      p99StoreMs: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    };
  }

  /** Until `stop`. @throws {Error} when it is not served */
  async run(): Promise<void> {
    const isStopping = () => this.#isStopping;
    while (!isStopping()) {
      const peer = await RawPeer.associate(this.#port);
      for (let n = 0; n < STORES_AN_ASSOCIATION && !isStopping(); n += 1) {
        const { sopInstanceUid, dataSet } = mrInstance({}, 64);
        const startedMs = performance.now();
        peer.send(storeRequest({ sopInstanceUid, messageId: n + 1 }, dataSet));
        const status = statusOf(await peer.next());
        if (status !== 0) throw new Error(`the well-behaved scanner got status ${status}`);
        this.#tookMs.push(performance.now() - startedMs);
      }
      peer.destroy();
    }
  }

  stop(): void {
    this.#isStopping = true;
  }
}
