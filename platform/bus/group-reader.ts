/** One group's way through the log: pages in order, one handler at a time, failing keys set aside. */
import { toHubError } from '../../core/errors.ts';
import type { HubStream, PositionedEvent } from '../../core/events.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import { nextDelayMs, type RetryPolicy } from '../../core/retry.ts';

export type EventHandler = (event: PositionedEvent, context: { readonly signal: AbortSignal }) => Promise<void>;

export interface GroupReaderOptions {
  readonly group: string;
  readonly streams: readonly HubStream[];
  readonly ledger: Ledger;
  readonly log: Logger;
  readonly clock: Clock;
  readonly retry: Pick<RetryPolicy, 'firstDelayMs' | 'maxDelayMs'>;
}

const PAGE = 256;
/** Between two looks when nothing wakes the group. */
const IDLE_MS = 1_000;

interface Parked {
  readonly position: number;
  readonly attempts: number;
  readonly dueAtMs: number;
}

interface Seek {
  readonly position: number;
  done(): void;
  failed(error: Error): void;
}

export class GroupReader {
  readonly group: string;
  readonly streams: readonly HubStream[];
  readonly #options: GroupReaderOptions;
  readonly #handler: EventHandler;
  readonly #stopping = new AbortController();
  /** Positions that wait, by key, in order; the first one is tried again, the others wait for it. */
  readonly #parked = new Map<string, Parked[]>();
  #position = 0;
  readonly #seeks: Seek[] = [];
  #woken = false;
  #wake: (() => void) | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: GroupReaderOptions, handler: EventHandler) {
    this.group = options.group;
    this.streams = options.streams;
    this.#options = options;
    this.#handler = handler;
  }

  async start(from: 'earliest' | 'latest'): Promise<void> {
    this.#position = await this.#options.ledger.groups.open(this.group, from);
    await this.#loadParked();
    this.#ended = this.#run();
  }

  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#ended;
    for (const seek of this.#seeks.splice(0)) seek.failed(new TypeError(`group ${this.group} has stopped`));
  }

  seek(position: number): Promise<void> {
    if (this.#isStopping()) return Promise.reject(new TypeError(`group ${this.group} has stopped`));
    return new Promise((done, failed) => {
      this.#seeks.push({ position, done, failed });
      this.wake();
    });
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#isStopping()) {
      try {
        this.#woken = false;
        await this.#takeSeeks();
        const retried = await this.#retryDue();
        const read = await this.#readPage();
        failures = 0;
        if (!retried && !read) await this.#wait(IDLE_MS);
      } catch (error) {
        // The ledger failed, not a handler. The position stands where it was committed: nothing is skipped.
        failures += 1;
        this.#options.log.warn('bus group waits for the ledger', { group: this.group, error: toHubError(error) });
        await this.#sleep(this.#backOffMs(failures));
      }
    }
  }

  /** @returns whether there was something to do */
  async #readPage(): Promise<boolean> {
    const { ledger } = this.#options;
    const page = await ledger.events.read({ streams: this.streams, after: this.#position, limit: PAGE });
    const waiting: Promise<void>[] = [];
    let reached = this.#position;
    for (const event of page) {
      if (this.#isStopping() || this.#seeks.length > 0) break;
      if (this.#parked.has(event.key)) waiting.push(this.#park(event, 0, 'waits behind an event of its key'));
      else if (!(await this.#handle(event, 0))) break;
      reached = event.position;
    }
    // Parked rows first: a crash in between repeats the page, the other way round it would lose the events.
    await Promise.all(waiting);
    if (reached === this.#position) return page.length > 0;
    await ledger.groups.commit(this.group, reached);
    this.#position = reached;
    return true;
  }

  /** @returns false when it was cut off by the stop: the event has to be seen again */
  async #handle(event: PositionedEvent, failedAttempts: number): Promise<boolean> {
    try {
      await this.#handler(event, { signal: this.#stopping.signal });
      return true;
    } catch (error) {
      if (this.#isStopping()) return false;
      const { code } = toHubError(error);
      this.#options.log.warn('event handler failed, its key waits', {
        eventId: event.id,
        type: event.type,
        position: event.position,
        attempt: failedAttempts + 1,
        error,
      });
      await this.#park(event, failedAttempts + 1, code);
      return true;
    }
  }

  /** Tries the first event of each key that is due, and, once it is through, those behind it. */
  async #retryDue(): Promise<boolean> {
    const { clock } = this.#options;
    let tried = false;
    for (const [key, queue] of this.#parked) {
      while (!this.#isStopping() && this.#seeks.length === 0) {
        const [first] = queue;
        if (first === undefined || (first.attempts > 0 && first.dueAtMs > clock.now().getTime())) break;
        tried = true;
        if (!(await this.#retry(first, queue))) break;
      }
      if (queue.length === 0) this.#parked.delete(key);
    }
    return tried;
  }

  /** @returns whether the key may go on */
  async #retry(parked: Parked, queue: Parked[]): Promise<boolean> {
    const { ledger } = this.#options;
    const { position, attempts } = parked;
    const [event] = await ledger.events.read({ streams: this.streams, after: position - 1, limit: 1 });
    // A group that was given other streams no longer sees the event.
    if (event?.position === position) {
      if (!(await this.#handle(event, attempts))) return false;
      if (queue[0] !== parked) return false;
    }
    await ledger.groups.unpark(this.group, position);
    queue.shift();
    return true;
  }

  async #park(event: PositionedEvent, attempts: number, reason: string): Promise<void> {
    const { ledger, clock } = this.#options;
    const dueAt = new Date(clock.now().getTime() + (attempts === 0 ? 0 : this.#backOffMs(attempts)));
    const parked: Parked = { position: event.position, attempts, dueAtMs: dueAt.getTime() };
    const queue = this.#parked.get(event.key) ?? [];
    const known = queue.findIndex(({ position }) => position === event.position);
    // In memory at once, so that the next event of the key on this page is held back; durable before the position.
    if (known === -1) queue.push(parked);
    else queue[known] = parked;
    this.#parked.set(event.key, queue);
    await ledger.groups.park(this.group, event, dueAt, reason, attempts);
  }

  async #takeSeeks(): Promise<void> {
    for (const seek of this.#seeks.splice(0)) {
      try {
        const { ledger } = this.#options;
        // The step back first: a crash in between repeats parked events, the other way round it would lose them.
        await ledger.groups.commit(this.group, seek.position - 1);
        this.#position = seek.position - 1;
        for (const parked of await ledger.groups.parked(this.group)) {
          if (parked.position >= seek.position) await ledger.groups.unpark(this.group, parked.position);
        }
        await this.#loadParked();
        seek.done();
      } catch (error) {
        seek.failed(toHubError(error));
        throw error;
      }
    }
  }

  async #loadParked(): Promise<void> {
    this.#parked.clear();
    for (const { position, key, attempts, dueAt } of await this.#options.ledger.groups.parked(this.group)) {
      const queue = this.#parked.get(key) ?? [];
      queue.push({ position, attempts, dueAtMs: dueAt.getTime() });
      this.#parked.set(key, queue);
    }
  }

  /** Until woken, stopped, the next retry or the time given, whichever is first. */
  async #wait(atMostMs: number): Promise<void> {
    const now = this.#options.clock.now().getTime();
    const dueMs = [...this.#parked.values()].map(([first]) => (first?.dueAtMs ?? Infinity) - now);
    if (!this.#woken) await this.#sleep(Math.max(0, Math.min(atMostMs, ...dueMs)));
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#isStopping()) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  #backOffMs(failures: number): number {
    const { retry } = this.#options;
    return nextDelayMs({ attempts: Infinity, ...retry }, failures, Math.random()) ?? retry.maxDelayMs;
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }
}
