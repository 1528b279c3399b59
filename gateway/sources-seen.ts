/** When each configured source was last heard of, for whoever asks why it is silent. In memory: a restart begins anew. */
import type { Clock } from '../core/ports.ts';
import type { GatewayMetrics } from './metrics.ts';

export interface SourceSeen {
  readonly name: string;
  readonly lastSeenAt?: Date;
}

export class SourcesSeen {
  readonly #clock: Clock;
  readonly #seenAt: Map<string, Date | undefined>;

  /** @param metrics - `hub_source_last_seen_seconds` counts from the start for a source that was not seen yet */
  constructor(names: readonly string[], clock: Clock, metrics: Pick<GatewayMetrics, 'sourceLastSeenSeconds'>) {
    const startedAt = clock.now();
    this.#clock = clock;
    this.#seenAt = new Map(names.map((name) => [name, undefined]));
    metrics.sourceLastSeenSeconds.collect(() => {
      const nowMs = clock.now().getTime();
      // Those that are configured no more are not there.
      metrics.sourceLastSeenSeconds.reset();
      for (const [source, at = startedAt] of this.#seenAt) {
        metrics.sourceLastSeenSeconds.set({ source }, Math.max(0, (nowMs - at.getTime()) / 1000));
      }
    });
  }

  /** Who is configured from now on; who was before keeps when it was last heard of. */
  rename(names: readonly string[]): void {
    const before = new Map(this.#seenAt);
    this.#seenAt.clear();
    for (const name of names) this.#seenAt.set(name, before.get(name));
  }

  seen(source: string): void {
    this.#seenAt.set(source, this.#clock.now());
  }

  list(): readonly SourceSeen[] {
    return [...this.#seenAt].map(([name, lastSeenAt]) => ({
      name,
      ...(lastSeenAt === undefined ? {} : { lastSeenAt }),
    }));
  }
}
