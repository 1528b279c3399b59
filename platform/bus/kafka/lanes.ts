/**
 * A group's way through the partitions that are its own here. A lane is a partition number, over all topics of the
 * group; its place is a position in the ledger's log, kept in the ledger: everything of the lane up to there is handled
 * or parked. What Kafka brings below it is a repeat; what Kafka lost the ledger still has.
 */
import type { PositionedEvent } from '../../../core/events.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { Clock, Logger } from '../../../core/ports.ts';
import { nextDelayMs } from '../../../core/retry.ts';
import type { HubStream } from '../../../core/streams.ts';
import { waited } from '../../../core/waited.ts';
import type { EventHandler } from '../group-reader.ts';
import { type Handled, ParkedKeys, type ParkedRetry } from '../parked-keys.ts';
import { partitionOf } from './partitions.ts';

export interface LanesOptions {
  readonly group: string;
  readonly streams: readonly HubStream[];
  readonly partitions: number;
  readonly ledger: Pick<Ledger, 'events' | 'groups'>;
  readonly log: Logger;
  readonly clock: Clock;
  readonly retry: ParkedRetry;
  readonly signal: AbortSignal;
}

const PAGE = 256;

interface Lane {
  readonly number: number;
  readonly generation: number;
  position: number;
  /** The last thing that goes on in it. */
  tail: Promise<unknown>;
}

/** Which replay of the group this is: each has places of its own, so that nobody late moves the new ones. */
const replaysOf = (group: string) => `${group}/replays`;
const placeOf = (group: string, generation: number, lane: number) => `${group}/${String(generation)}/${String(lane)}`;

export class Lanes {
  readonly #options: LanesOptions;
  readonly #handler: EventHandler;
  readonly #parked: ParkedKeys;
  readonly #lanes = new Map<number, Lane>();
  #generation = 0;

  constructor(options: LanesOptions, handler: EventHandler) {
    this.#options = options;
    this.#handler = handler;
    this.#parked = new ParkedKeys(options);
  }

  get numbers(): readonly number[] {
    return [...this.#lanes.keys()];
  }

  /**
   * Takes these lanes up where the ledger says, and no others.
   *
   * @returns those nobody has been in since the group began or was moved: where Kafka goes on says nothing about them
   */
  async assign(numbers: readonly number[]): Promise<readonly number[]> {
    const { ledger, group } = this.#options;
    this.#generation = await ledger.groups.open(replaysOf(group), 'earliest');
    const floor = await ledger.groups.open(group, 'earliest');
    const places = await Promise.all(
      numbers.map((number) => ledger.groups.open(placeOf(group, this.#generation, number), 'earliest')),
    );
    this.#lanes.clear();
    for (const [index, number] of numbers.entries()) {
      const position = Math.max(floor, places[index] ?? 0);
      this.#lanes.set(number, { number, generation: this.#generation, position, tail: Promise.resolve() });
    }
    await this.#parked.load((key) => this.#lanes.has(this.#laneOf(key)));
    return numbers.filter((_, index) => places[index] === 0);
  }

  /** Somebody moved the group since these lanes were taken up. */
  async isMoved(): Promise<boolean> {
    const { ledger, group } = this.#options;
    return (await ledger.groups.open(replaysOf(group), 'earliest')) !== this.#generation;
  }

  /** Hands what the ledger has of these lanes to the handler, up to now: after a replay, and where Kafka has a hole. */
  async catchUp(numbers: readonly number[], goesOn: () => boolean): Promise<void> {
    const { ledger, streams } = this.#options;
    const lanes = numbers.flatMap((number) => this.#lanes.get(number) ?? []);
    let cursor = Math.min(...lanes.map(({ position }) => position));
    while (lanes.length > 0 && goesOn()) {
      const page = await this.#patiently(goesOn, () => ledger.events.read({ streams, after: cursor, limit: PAGE }));
      const last = page?.at(-1)?.position;
      if (page === undefined) return;
      if (last === undefined) break;
      for (const lane of lanes) {
        const events = page.filter(({ key }) => this.#laneOf(key) === lane.number);
        if (events.length > 0) await this.#inLane(lane, () => this.#through(lane, events, goesOn));
      }
      cursor = last;
    }
    // There is nothing in a lane up to here that it has not had: it need not be looked for again.
    await Promise.all(lanes.map((lane) => this.#inLane(lane, () => this.#moveTo(lane, cursor, goesOn))));
  }

  /**
   * Whether a batch of one topic and partition goes on where its lane is. Each event says which was before it: a relay
   * that did not know leaves that to the ledger.
   */
  goesOnWith(
    number: number,
    links: readonly { readonly event: PositionedEvent; readonly previous: number | undefined }[],
  ): boolean {
    let reached = this.#lanes.get(number)?.position ?? 0;
    for (const { event, previous } of links) {
      if (event.position <= reached) continue;
      if (previous === undefined || previous > reached) return false;
      reached = event.position;
    }
    return true;
  }

  /**
   * Takes a batch that Kafka brought of one topic and partition.
   *
   * @returns the position up to which everything is handled or parked, durably
   */
  async take(
    number: number,
    stream: HubStream,
    events: readonly PositionedEvent[],
    goesOn: () => boolean,
  ): Promise<number> {
    const lane = this.#lanes.get(number);
    if (lane === undefined) return 0;
    return this.#inLane(lane, async () => {
      const merged = await this.#withOtherStreams(lane, stream, events, goesOn);
      await this.#through(lane, merged, goesOn);
      return lane.position;
    });
  }

  /** @returns whether there was something to do */
  async retryDue(goesOn: () => boolean): Promise<boolean> {
    return this.#parked.retryDue(
      (event, failedAttempts) => this.#handle(event, failedAttempts),
      goesOn,
      (key, attempt) => {
        const lane = this.#lanes.get(this.#laneOf(key));
        return lane === undefined ? attempt() : this.#inLane(lane, attempt);
      },
    );
  }

  nextDueInMs(): number {
    return this.#parked.nextDueInMs();
  }

  /** Waits for whatever is under way. */
  async settled(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map(({ tail }) => tail));
  }

  /** Handles in order; what stands behind a parked event is parked, then the place moves on. */
  async #through(lane: Lane, events: readonly PositionedEvent[], goesOn: () => boolean): Promise<void> {
    await this.#patiently(goesOn, async () => {
      let reached = lane.position;
      for (const event of events) {
        if (event.position <= reached) continue;
        if (!goesOn()) break;
        if (this.#parked.has(event.key)) await this.#parked.hold(event);
        else {
          const handled = await this.#handle(event, 0);
          if (handled === 'cut') break;
          if (handled !== 'done') await this.#parked.fail(event, 1, handled.failedWith);
        }
        reached = event.position;
      }
      // Parked rows before: a crash in between repeats the batch, the other way round it would lose the events.
      await this.#moveTo(lane, reached, () => true);
    });
  }

  async #moveTo(lane: Lane, position: number, goesOn: () => boolean): Promise<void> {
    const { ledger, group } = this.#options;
    if (position <= lane.position || !goesOn()) return;
    await ledger.groups.commit(placeOf(group, lane.generation, lane.number), position);
    lane.position = position;
  }

  /**
   * Topics are not in step with each other: what the other streams of the group have of the lane before the end of the
   * batch goes between, so that a study is seen in the order in which it happened.
   */
  async #withOtherStreams(
    lane: Lane,
    stream: HubStream,
    events: readonly PositionedEvent[],
    goesOn: () => boolean,
  ): Promise<readonly PositionedEvent[]> {
    const others = this.#options.streams.filter((each) => each !== stream);
    const end = events.at(-1)?.position ?? 0;
    if (others.length === 0 || end <= lane.position) return events;
    const between: PositionedEvent[] = [];
    let cursor = lane.position;
    while (goesOn()) {
      const after = cursor;
      const { ledger } = this.#options;
      const page = await this.#patiently(goesOn, () => ledger.events.read({ streams: others, after, limit: PAGE }));
      between.push(...(page ?? []).filter((each) => each.position < end && this.#laneOf(each.key) === lane.number));
      const last = page?.at(-1)?.position;
      if (last === undefined || last >= end) break;
      cursor = last;
    }
    // Cut off in the middle: what was read is not all there is, and the place must not move past the rest.
    if (!goesOn()) return [];
    return [...events, ...between].toSorted((a, b) => a.position - b.position);
  }

  async #handle(event: PositionedEvent, failedAttempts: number): Promise<Handled> {
    const { signal, log } = this.#options;
    try {
      await this.#handler(event, { signal });
      return 'done';
    } catch (error) {
      if (signal.aborted) return 'cut';
      log.warn('event handler failed, its key waits', {
        eventId: event.id,
        type: event.type,
        position: event.position,
        attempt: failedAttempts + 1,
        error,
      });
      return { failedWith: error };
    }
  }

  /** The ledger failed, not a handler: nothing is skipped, the lane waits for it. Undefined: told to stop meanwhile. */
  async #patiently<T>(goesOn: () => boolean, work: () => Promise<T>): Promise<T | undefined> {
    const { log, retry, signal, group } = this.#options;
    for (let failures = 1; goesOn(); failures += 1) {
      try {
        return await work();
      } catch (error) {
        log.warn('bus group waits for the ledger', { group, error });
        const delayMs = nextDelayMs({ attempts: Infinity, ...retry }, failures, Math.random()) ?? retry.maxDelayMs;
        // Rejects when it is told to stop: then there is nothing to wait for.
        await waited(delayMs, signal);
      }
    }
    return undefined;
  }

  async #inLane<T>(lane: Lane, work: () => Promise<T>): Promise<T> {
    const result = lane.tail.then(work);
    lane.tail = result.catch(() => undefined);
    return result;
  }

  #laneOf(key: string): number {
    return partitionOf(key, this.#options.partitions);
  }
}

/** Moves a group in the ledger; its members find out by `isMoved`. */
export async function moveGroup(ledger: Pick<Ledger, 'groups'>, group: string, position: number): Promise<void> {
  // The place first: a crash in between leaves members that go on, the other way round they would begin anew for nothing.
  await ledger.groups.commit(group, position - 1);
  const generation = await ledger.groups.open(replaysOf(group), 'earliest');
  await ledger.groups.commit(replaysOf(group), generation + 1);
}

/** Where each lane of a group is, as the ledger has it. */
export async function placesOf(
  ledger: Pick<Ledger, 'groups'>,
  group: string,
  partitions: number,
): Promise<readonly number[]> {
  const generation = await ledger.groups.open(replaysOf(group), 'earliest');
  const floor = await ledger.groups.open(group, 'earliest');
  const numbers = Array.from({ length: partitions }, (_, number) => number);
  const places = await Promise.all(
    numbers.map((number) => ledger.groups.open(placeOf(group, generation, number), 'earliest')),
  );
  return places.map((place) => Math.max(floor, place));
}
