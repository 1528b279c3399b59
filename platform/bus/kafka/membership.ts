/**
 * What a member of a group does with the partitions it was given: takes up their lanes, hands over what Kafka brings, has
 * the ledger fill what Kafka lost, and tells the brokers how far it is.
 */
import type { Consumer, EachBatchPayload } from 'kafkajs';
import { HubError } from '../../../core/errors.ts';
import type { PositionedEvent } from '../../../core/events.ts';
import type { HubStream } from '../../../core/streams.ts';
import { parseMessage, previousOf } from './cloud-events.ts';
import type { GroupOptions } from './group-options.ts';
import type { Lanes } from './lanes.ts';
import { withDeadline } from './pause.ts';

/** What this member was given, once the group had agreed. */
interface Assignment {
  readonly numbers: readonly number[];
  /** The lanes are taken up, and have what Kafka had lost. */
  readonly ready: Promise<void>;
  /** Offset that comes next, by topic and partition; another one is a hole. */
  readonly expected: Map<string, bigint>;
  /** What this member told the brokers, by topic and partition. */
  readonly committed: Map<string, bigint>;
  /** What it has yet to tell them. */
  readonly done: Map<string, { readonly topic: string; readonly partition: number; readonly offset: string }>;
}

/** The ledger knows at once how far the group is; the brokers need not. */
const COMMIT_EVERY_MS = 250;
const COMMIT_MS = 2_000;

export class Membership {
  readonly #options: GroupOptions;
  readonly #lanes: Lanes;
  readonly #signal: AbortSignal;
  readonly #onReady: () => void;
  readonly #onLost: (error: unknown) => void;
  #assignment: Assignment | undefined;
  #lookAtMs = 0;
  #committedAtMs = 0;
  #head = 0;

  /** @param onLost - the consumer has to be made anew */
  constructor(
    options: GroupOptions,
    lanes: Lanes,
    on: { readonly signal: AbortSignal; readonly ready: () => void; readonly lost: (error: unknown) => void },
  ) {
    this.#options = options;
    this.#lanes = lanes;
    this.#signal = on.signal;
    this.#onReady = on.ready;
    this.#onLost = on.lost;
  }

  /** The group has agreed: these are this member's now, and no others. */
  joined(topics: Readonly<Record<string, readonly number[]>>): void {
    if (this.#signal.aborted) return;
    const numbers = [...new Set(Object.values(topics).flat())];
    const expected = new Map<string, bigint>();
    this.#take({
      numbers,
      expected,
      committed: new Map(),
      done: new Map(),
      ready: this.#lanes
        .settled()
        .then(() => this.#lanes.assign(numbers))
        .then(async (fresh) => [...new Set([...fresh, ...(await this.#findHoles(topics, expected))])])
        .then((behind) => this.#lanes.catchUp(behind, () => this.#has(numbers))),
    });
  }

  /** The group was moved in the ledger: goes there, and answers when it is there. */
  async moved(): Promise<void> {
    const before = this.#assignment;
    if (before === undefined) return;
    // A list of its own: what goes on under the old one is over.
    const again = [...before.numbers];
    const ready = this.#lanes
      .settled()
      .then(() => this.#lanes.assign(again))
      .then(() => this.#lanes.catchUp(again, () => this.#has(again)));
    this.#take({ ...before, numbers: again, ready });
    await ready;
  }

  /** What has to be done from time to time: retries, a replay that another replica was asked for, and a look at the brokers. */
  async keep(consumer: Consumer | undefined): Promise<void> {
    const assignment = this.#assignment;
    if (assignment === undefined) return;
    // What it fails with ends the consumer.
    const isReady = await assignment.ready.then(
      () => true,
      () => false,
    );
    if (!isReady || !this.#has(assignment.numbers)) return;
    if (await this.#lanes.isMoved()) return this.moved();
    await this.#lanes.retryDue(() => this.#has(assignment.numbers));
    // A member that lost its place is told so by its heartbeats.
    if (consumer !== undefined) await this.#commitBy(consumer, assignment).catch(() => undefined);
    await this.#findLoss(assignment);
  }

  /** So that the next member begins where this one ended; if that fails, its lanes skip what is repeated. */
  async leave(consumer: Consumer): Promise<void> {
    const assignment = this.#assignment;
    this.#assignment = undefined;
    await this.#lanes.settled();
    if (assignment !== undefined)
      await withDeadline(this.#commitBy(consumer, assignment), COMMIT_MS).catch(() => undefined);
  }

  async take(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const heartbeat = () => payload.heartbeat();
    const assignment = this.#assignment;
    const stream = this.#options.streams.find((each) => each === batch.topic);
    const first = batch.messages[0];
    if (assignment === undefined || stream === undefined || first === undefined) return;
    const goesOn = () => this.#has(assignment.numbers) && payload.isRunning() && !payload.isStale();
    await this.#alive(assignment.ready, heartbeat);
    const place = `${batch.topic}/${String(batch.partition)}`;
    const messages = await this.#read(batch, stream);
    const links = messages.flatMap(({ event, previous }) => (event === undefined ? [] : [{ event, previous }]));
    const events = links.map(({ event }) => event);
    // Offsets have no gaps in these topics: neither transactions nor compaction. In a topic that was made anew they begin
    // again, and the same one may be of another event. What is missing the ledger has.
    const isWhole =
      assignment.expected.get(place) === BigInt(first.offset) && this.#lanes.goesOnWith(batch.partition, links);
    if (!isWhole) await this.#alive(this.#lanes.catchUp([batch.partition], goesOn), heartbeat);
    let cut: Error | undefined;
    const reached = this.#lanes.take(batch.partition, stream, events, () => cut === undefined && goesOn());
    await this.#alive(reached, heartbeat).catch((error: unknown) => {
      cut = error instanceof Error ? error : new TypeError('not an error', { cause: error });
    });
    const upTo = await reached;
    const open = messages.findIndex(({ event }) => event !== undefined && event.position > upTo);
    const done = open === -1 ? messages.at(-1) : messages[open - 1];
    if (done !== undefined) {
      payload.resolveOffset(done.offset);
      const next = BigInt(done.offset) + 1n;
      assignment.done.set(place, { topic: batch.topic, partition: batch.partition, offset: String(next) });
      assignment.expected.set(place, next);
    }
    if (performance.now() - this.#committedAtMs > COMMIT_EVERY_MS)
      await this.#commit(assignment, (topics) => payload.commitOffsetsIfNecessary({ topics }));
    if (cut !== undefined) throw cut;
  }

  #take(assignment: Assignment): void {
    this.#assignment = assignment;
    assignment.ready.then(
      () => this.#onReady(),
      (error: unknown) => this.#onLost(error),
    );
  }

  #has(numbers: readonly number[]): boolean {
    return !this.#signal.aborted && this.#assignment?.numbers === numbers;
  }

  /** Lanes of which Kafka does not have everything since the group was there: a topic made anew, a retention that was faster. */
  async #findHoles(
    topics: Readonly<Record<string, readonly number[]>>,
    expected: Map<string, bigint>,
  ): Promise<readonly number[]> {
    const { offsets, groupId } = this.#options;
    const holes = new Set<number>();
    const known = await offsets.of(groupId, Object.keys(topics));
    for (const [topic, numbers] of Object.entries(topics)) {
      for (const number of numbers) {
        const row = known.get(topic)?.find(({ partition }) => partition === number);
        const { committed, low = 0n, high = 0n } = row ?? {};
        if (committed === undefined || committed < low || committed > high) holes.add(number);
        expected.set(`${topic}/${String(number)}`, committed ?? low);
      }
    }
    return [...holes];
  }

  /**
   * Tells the brokers how far this member is, in one request for all partitions, after the ledger: a crash in between
   * brings batches again, and the lanes know that they have had them.
   */
  async #commit(
    { done, committed }: Assignment,
    tell: (topics: { topic: string; partitions: { partition: number; offset: string }[] }[]) => Promise<void>,
  ): Promise<void> {
    const now = [...done];
    if (now.length === 0) return;
    done.clear();
    this.#committedAtMs = performance.now();
    const topics = [...new Set(now.map(([, { topic }]) => topic))].map((topic) => ({
      topic,
      partitions: now.flatMap(([, each]) =>
        each.topic === topic ? [{ partition: each.partition, offset: each.offset }] : [],
      ),
    }));
    try {
      await tell(topics);
    } catch (error) {
      // Said again the next time, but for what is further by then.
      for (const [place, each] of now) if (!done.has(place)) done.set(place, each);
      throw error;
    }
    for (const [place, { offset }] of now) committed.set(place, BigInt(offset));
  }

  async #commitBy(consumer: Consumer, assignment: Assignment): Promise<void> {
    await this.#commit(assignment, (topics) =>
      consumer.commitOffsets(topics.flatMap(({ topic, partitions }) => partitions.map((each) => ({ topic, ...each })))),
    );
  }

  async #read(
    batch: EachBatchPayload['batch'],
    stream: HubStream,
  ): Promise<
    readonly {
      readonly offset: string;
      readonly event: PositionedEvent | undefined;
      readonly previous: number | undefined;
    }[]
  > {
    const { hubName, ledger, log, onForeign, identity } = this.#options;
    const origin = { hubName, ledgerId: await identity() };
    const messages = batch.messages.map((message) => ({
      offset: message.offset,
      event: parseMessage(message, stream, origin),
      previous: previousOf(message),
    }));
    const highest = Math.max(0, ...messages.map(({ event }) => event?.position ?? 0));
    // A place that the ledger has not reached is made up: it would make the group skip everything before it.
    if (highest > this.#head) this.#head = await ledger.events.head();
    const head = this.#head;
    return messages.map(({ offset, event, previous }) => {
      if (event !== undefined && event.position <= head) return { offset, event, previous };
      onForeign(stream);
      log.error('a message in a topic of the hub is not one it can read; it is left out', {
        topic: batch.topic,
        partition: batch.partition,
        offset,
      });
      return { offset, event: undefined, previous };
    });
  }

  /** Waits, and says meanwhile that this member lives. @throws what a heartbeat throws, when the group moves on without it */
  async #alive<T>(work: Promise<T>, heartbeat: () => Promise<void>): Promise<T> {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), this.#options.timings.heartbeatMs);
      });
      const outcome = await Promise.race([work.then((value) => ({ value })), late]);
      clearTimeout(timer);
      if (outcome !== 'late') return outcome.value;
      await heartbeat();
    }
  }

  /**
   * A topic that was deleted takes the group's offsets with it. Made anew it begins at 0, and a consumer that goes on at
   * its old offset passes over what comes first without a word: it is made anew too, and asks the ledger. Where the
   * brokers have nothing more for the group the ledger is asked whether it has: offsets do not tell a topic from the one
   * before it.
   */
  async #findLoss(assignment: Assignment): Promise<void> {
    const { offsets, groupId, streams, timings } = this.#options;
    if (performance.now() < this.#lookAtMs) return;
    this.#lookAtMs = performance.now() + timings.lookMs;
    // Not to be had: then the consumer has its own trouble.
    const known = await offsets.of(groupId, streams).catch(() => undefined);
    for (const [topic, rows] of known ?? []) {
      for (const { partition, committed, high } of rows) {
        const here = assignment.committed.get(`${topic}/${String(partition)}`);
        if (here === undefined || !this.#has(assignment.numbers)) continue;
        if (committed !== undefined && committed >= here && committed <= high) continue;
        this.#onLost(new HubError('bus.topic-missing', { topic, advice: `${topic} was deleted or cut short` }));
        return;
      }
    }
    const { numbers } = assignment;
    const rows = [...(known?.values() ?? [])].flat();
    const isAtEnd = (number: number) =>
      rows.every(({ partition, committed, low, high }) => partition !== number || (committed ?? low) === high);
    if (known !== undefined) await this.#lanes.catchUp(numbers.filter(isAtEnd), () => this.#has(numbers));
  }
}
