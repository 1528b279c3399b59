/**
 * One group's way through the log: pages in order, one handler at a time, failing keys set aside. Where replicas take
 * turns, a reader does nothing without the group's lease; with each new fence it begins where the ledger says. A
 * replica that was stopped in the middle and goes on later writes nothing with the fence it had: what it has handled
 * meanwhile has its effect once by the inbox.
 */
import { toHubError } from '../../core/errors.ts';
import type { PositionedEvent } from '../../core/events.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { HeldLease } from '../../core/held-lease.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import { nextDelayMs } from '../../core/retry.ts';
import type { HubStream } from '../../core/streams.ts';
import { type Handled, ParkedKeys, type ParkedRetry, TurnLost, unparkFrom } from './parked-keys.ts';

export type EventHandler = (event: PositionedEvent, context: { readonly signal: AbortSignal }) => Promise<void>;

export interface GroupReaderOptions {
  readonly group: string;
  readonly streams: readonly HubStream[];
  readonly ledger: Ledger;
  readonly log: Logger;
  readonly clock: Clock;
  readonly retry: ParkedRetry;
  /** Absent: nobody else reads for the group. */
  readonly lease?: Pick<HeldLease, 'attempt' | 'fence' | 'start' | 'stop'>;
}

const PAGE = 256;
/** Between two looks when nothing wakes the group. */
const IDLE_MS = 1_000;

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
  readonly #parked: ParkedKeys;
  #position = 0;
  /** That of the lease when the ledger was asked where the group stands; undefined while another replica reads. */
  #fence: number | undefined;
  readonly #seeks: Seek[] = [];
  #woken = false;
  #wake: (() => void) | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: GroupReaderOptions, handler: EventHandler) {
    this.group = options.group;
    this.streams = options.streams;
    this.#options = options;
    this.#handler = handler;
    this.#parked = new ParkedKeys({ ...options, fence: () => this.#fence });
  }

  async start(from: 'earliest' | 'latest'): Promise<void> {
    const { ledger, lease } = this.#options;
    this.#position = await ledger.groups.open(this.group, from);
    if (lease === undefined) await this.#parked.load();
    else {
      await lease.attempt();
      lease.start();
    }
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
    // The next one need not wait until it runs out.
    await this.#options.lease?.stop();
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
        if (!(await this.#hasTurn())) {
          await this.#wait(IDLE_MS);
          continue;
        }
        const retried = await this.#retryDue();
        const read = await this.#readPage();
        failures = 0;
        if (!retried && !read) await this.#wait(IDLE_MS);
      } catch (error) {
        if (error instanceof TurnLost) {
          this.#fence = undefined;
          await this.#options.lease?.attempt().catch(() => false); // Told by the next turn.
          continue;
        }
        // The ledger failed, not a handler. The position stands where it was committed: nothing is skipped.
        failures += 1;
        this.#options.log.warn('bus group waits for the ledger', { group: this.group, error: toHubError(error) });
        await this.#sleep(this.#backOffMs(failures));
      }
    }
  }

  /** @returns whether this replica reads. What another one left since is known then */
  async #hasTurn(): Promise<boolean> {
    const { lease, ledger, log } = this.#options;
    if (lease === undefined) return true;
    // Before the ledger is asked: when it is another one by then, the first thing that is written tells.
    const { fence } = lease;
    if (fence === undefined) this.#fence = undefined;
    else if (fence !== this.#fence) {
      this.#position = await ledger.groups.open(this.group, 'earliest');
      await this.#parked.load();
      this.#fence = fence;
      log.info('bus group is read by this replica', { fence, position: this.#position });
    }
    return fence !== undefined;
  }

  #isOurs(): boolean {
    const { lease } = this.#options;
    return lease === undefined || lease.fence === this.#fence;
  }

  /** @returns whether there was something to do */
  async #readPage(): Promise<boolean> {
    const { ledger } = this.#options;
    const page = await ledger.events.read({ streams: this.streams, after: this.#position, limit: PAGE });
    // After the page was read: what was published after somebody moved the group is not handled before the replay.
    await this.#requireTurn();
    const waiting: Promise<void>[] = [];
    let reached = this.#position;
    for (const event of page) {
      if (this.#isStopping() || this.#seeks.length > 0 || !this.#isOurs()) break;
      if (this.#parked.has(event.key)) {
        const held = this.#parked.hold(event);
        held.catch(() => undefined); // Told below, if nothing else is told first.
        waiting.push(held);
      } else {
        const handled = await this.#handle(event, 0);
        if (handled === 'cut') break;
        if (handled !== 'done') await this.#parked.fail(event, 1, handled.failedWith);
      }
      reached = event.position;
    }
    // Parked rows first: a crash in between repeats the page, the other way round it would lose the events.
    await Promise.all(waiting);
    if (reached === this.#position) return page.length > 0;
    if (!(await ledger.groups.commit(this.group, reached, this.#fence))) throw new TurnLost();
    this.#position = reached;
    return true;
  }

  /** Before anything is written, nothing else tells that somebody moved the group. @throws {TurnLost} */
  async #requireTurn(): Promise<void> {
    if (this.#fence !== undefined && !(await this.#options.ledger.groups.holds(this.group, this.#fence)))
      throw new TurnLost();
  }

  async #handle(event: PositionedEvent, failedAttempts: number): Promise<Handled> {
    try {
      await this.#handler(event, { signal: this.#stopping.signal });
      return 'done';
    } catch (error) {
      if (this.#isStopping()) return 'cut';
      this.#options.log.warn('event handler failed, its key waits', {
        eventId: event.id,
        type: event.type,
        position: event.position,
        attempt: failedAttempts + 1,
        error,
      });
      return { failedWith: error };
    }
  }

  async #retryDue(): Promise<boolean> {
    return this.#parked.retryDue(
      (event, failedAttempts) => this.#handle(event, failedAttempts),
      () => !this.#isStopping() && this.#seeks.length === 0 && this.#isOurs(),
    );
  }

  async #takeSeeks(): Promise<void> {
    for (const seek of this.#seeks.splice(0)) {
      try {
        const { ledger } = this.#options;
        // The step back first: a crash in between repeats parked events, the other way round it would lose them.
        await ledger.groups.commit(this.group, seek.position - 1);
        this.#position = seek.position - 1;
        await unparkFrom(ledger, this.group, seek.position);
        await this.#parked.load();
        seek.done();
      } catch (error) {
        seek.failed(toHubError(error));
        throw error;
      }
    }
  }

  /** Until woken, stopped, the next retry or the time given, whichever is first. */
  async #wait(atMostMs: number): Promise<void> {
    if (!this.#woken) await this.#sleep(Math.max(0, Math.min(atMostMs, this.#parked.nextDueInMs())));
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
