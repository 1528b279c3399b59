/**
 * Events a group could not handle yet, by key: the first one is tried again with back-off, those behind it wait for it.
 * The ledger has them; this is what is known of it here, so that the next event of a key is held back at once.
 */
import { toHubError } from '../../core/errors.ts';
import type { PositionedEvent } from '../../core/events.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { Clock } from '../../core/ports.ts';
import { nextDelayMs, type RetryPolicy } from '../../core/retry.ts';
import type { HubStream } from '../../core/streams.ts';

/** For events whose handler failed. It never gives up: a fact stays a fact. */
export type ParkedRetry = Pick<RetryPolicy, 'firstDelayMs' | 'maxDelayMs'>;

export interface ParkedKeysOptions {
  readonly group: string;
  readonly streams: readonly HubStream[];
  readonly ledger: Pick<Ledger, 'events' | 'groups'>;
  readonly clock: Clock;
  readonly retry: ParkedRetry;
  /** Of the group's lease, where replicas take turns to read. */
  readonly fence?: () => number | undefined;
}

/** Another replica reads for the group: what is known of it here does not hold any more. */
export class TurnLost extends Error {}

/** How a handler ended: `cut` by a stop, so that the event has to be seen again. */
export type Handled = 'done' | 'cut' | { readonly failedWith: unknown };

interface Parked {
  readonly position: number;
  readonly attempts: number;
  readonly dueAtMs: number;
}

export class ParkedKeys {
  readonly #options: ParkedKeysOptions;
  readonly #queues = new Map<string, Parked[]>();

  constructor(options: ParkedKeysOptions) {
    this.#options = options;
  }

  /** Takes up what the ledger has. @param isMine - of the keys, those this reader sees */
  async load(isMine: (key: string) => boolean = () => true): Promise<void> {
    const rows = await this.#options.ledger.groups.parked(this.#options.group);
    this.#queues.clear();
    for (const { position, key, attempts, dueAt } of rows) {
      if (!isMine(key)) continue;
      const queue = this.#queues.get(key) ?? [];
      queue.push({ position, attempts, dueAtMs: dueAt.getTime() });
      this.#queues.set(key, queue);
    }
  }

  has(key: string): boolean {
    return this.#queues.has(key);
  }

  /** The event waits behind another of its key. */
  async hold(event: PositionedEvent): Promise<void> {
    await this.#park(event, 0, 'waits behind an event of its key');
  }

  /** The handler failed on the event, for the `attempts`th time. */
  async fail(event: PositionedEvent, attempts: number, error: unknown): Promise<void> {
    await this.#park(event, attempts, toHubError(error).code);
  }

  /**
   * Tries the first event of each key that is due, and, once it is through, those behind it.
   *
   * @param handle - told how often the event failed before; what failed is parked here
   * @param within - runs one try with the key to itself
   * @returns whether there was something to do
   */
  async retryDue(
    handle: (event: PositionedEvent, failedAttempts: number) => Promise<Handled>,
    goesOn: () => boolean,
    within: <T>(key: string, attempt: () => Promise<T>) => Promise<T> = (_key, attempt) => attempt(),
  ): Promise<boolean> {
    let tried = false;
    for (const key of [...this.#queues.keys()]) {
      while (goesOn()) {
        const outcome = await within(key, () => this.#retryFirst(key, handle));
        if (outcome === 'nothing due') break;
        tried = true;
        if (outcome === 'waits') break;
      }
    }
    return tried;
  }

  /** From now; Infinity when nothing waits for its time. */
  nextDueInMs(): number {
    const now = this.#options.clock.now().getTime();
    return Math.min(Infinity, ...[...this.#queues.values()].map(([first]) => (first?.dueAtMs ?? Infinity) - now));
  }

  async #retryFirst(
    key: string,
    handle: (event: PositionedEvent, failedAttempts: number) => Promise<Handled>,
  ): Promise<'nothing due' | 'waits' | 'through'> {
    const { ledger, group, streams, clock, fence } = this.#options;
    const queue = this.#queues.get(key);
    const first = queue?.[0];
    if (queue === undefined || first === undefined) return 'nothing due';
    if (first.attempts > 0 && first.dueAtMs > clock.now().getTime()) return 'nothing due';
    const [event] = await ledger.events.read({ streams, after: first.position - 1, limit: 1 });
    // A group that was given other streams no longer sees the event.
    if (event?.position === first.position) {
      const handled = await handle(event, first.attempts);
      if (handled === 'cut') return 'waits';
      if (handled !== 'done') {
        await this.fail(event, first.attempts + 1, handled.failedWith);
        return 'waits';
      }
    }
    if (!(await ledger.groups.unpark(group, first.position, fence?.()))) throw new TurnLost();
    queue.shift();
    if (queue.length === 0) this.#queues.delete(key);
    return 'through';
  }

  async #park(event: PositionedEvent, attempts: number, reason: string): Promise<void> {
    const { ledger, group, clock, retry, fence } = this.#options;
    const delayMs = attempts === 0 ? 0 : (nextDelayMs({ attempts: Infinity, ...retry }, attempts, Math.random()) ?? 0);
    const dueAt = new Date(clock.now().getTime() + delayMs);
    const parked: Parked = { position: event.position, attempts, dueAtMs: dueAt.getTime() };
    const queue = this.#queues.get(event.key) ?? [];
    const known = queue.findIndex(({ position }) => position === event.position);
    // Here at once, so that the next event of the key is held back; durable before the reader's place moves on.
    if (known === -1) queue.push(parked);
    else queue[known] = parked;
    this.#queues.set(event.key, queue);
    if (!(await ledger.groups.park(group, event, dueAt, reason, attempts, fence?.()))) throw new TurnLost();
  }
}

/** A group that goes back sees these again by itself. */
export async function unparkFrom(
  ledger: { readonly groups: Pick<Ledger['groups'], 'parked' | 'unpark'> },
  group: string,
  position: number,
): Promise<void> {
  for (const parked of await ledger.groups.parked(group)) {
    if (parked.position >= position) await ledger.groups.unpark(group, parked.position);
  }
}
