/**
 * A consumer group of the hub. It records and returns, so a batch takes milliseconds; the consumer of kafkajs is made
 * anew by us whenever it ends, stalls or loses its footing, for it does not always come back by itself.
 */
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import { HubError } from '../../../core/errors.ts';
import type { HubStream, PositionedEvent } from '../../../core/events.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { Clock, Logger } from '../../../core/ports.ts';
import { nextDelayMs } from '../../../core/retry.ts';
import type { EventHandler } from '../group-reader.ts';
import type { ParkedRetry } from '../parked-keys.ts';
import { IMPATIENT, METADATA_MAX_AGE_MS } from './client.ts';
import { parseMessage } from './cloud-events.ts';
import { isPassing, toBusError } from './failures.ts';
import { Lanes } from './lanes.ts';
import type { Offsets } from './offsets.ts';
import { byNumber } from './partitions.ts';
import { Pause, withDeadline } from './pause.ts';

/** How fast a member that is gone is noticed. */
export interface GroupTimings {
  readonly sessionMs: number;
  readonly heartbeatMs: number;
  readonly rebalanceMs: number;
  readonly maxWaitMs: number;
  /** Without a fetch or a heartbeat for so long it stands still. */
  readonly stallMs: number;
  /** Between two looks whether the topics are still those it reads. */
  readonly lookMs: number;
}

export const TIMINGS: GroupTimings = {
  sessionMs: 30_000,
  heartbeatMs: 3_000,
  rebalanceMs: 60_000,
  maxWaitMs: 1_000,
  stallMs: 60_000,
  lookMs: 30_000,
};

export interface GroupOptions {
  readonly group: string;
  /** As the brokers know it. */
  readonly groupId: string;
  readonly streams: readonly HubStream[];
  readonly partitions: number;
  readonly hubName: string;
  /** Of the ledger. */
  readonly identity: () => Promise<string>;
  readonly ledger: Pick<Ledger, 'events' | 'groups'>;
  readonly kafka: Kafka;
  readonly offsets: Offsets;
  readonly verify: () => Promise<void>;
  readonly diagnose: (error: HubError) => Promise<HubError>;
  readonly log: Logger;
  readonly clock: Clock;
  readonly retry: ParkedRetry;
  readonly timings: GroupTimings;
  readonly onRestart: () => void;
  readonly onForeign: (stream: HubStream) => void;
}

/** `degraded`: it comes back by itself. `crashed`: a person may have to see to it. `stalled`: a restart may help. */
export interface GroupProblem {
  readonly severity: 'degraded' | 'crashed' | 'stalled';
  readonly error: HubError;
}

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

const MAX_BYTES_PER_PARTITION = 1_048_576;
const MAX_BYTES = 5_242_880;
/** They only record: the more at once, the more share a commit of the ledger. */
const CONCURRENT_PARTITIONS = 12;
/** The ledger knows at once how far the group is; the brokers need not. */
const COMMIT_EVERY_MS = 250;
const COMMIT_MS = 2_000;
const IDLE_MS = 500;
const RESTART = { attempts: Infinity, firstDelayMs: 500, maxDelayMs: 30_000 };
const DISCONNECT_MS = 3_000;
const STOP_MS = 6_000;

export class KafkaGroup {
  readonly options: GroupOptions;
  readonly #lanes: Lanes;
  readonly #stopping = new AbortController();
  readonly #pause = new Pause();
  readonly #keeping = new Pause();
  #assignment: Assignment | undefined;
  #problem: GroupProblem | undefined;
  #lastSignMs = performance.now();
  #failures = 0;
  #lookAtMs = 0;
  #committedAtMs = 0;
  #head = 0;
  #consumer: Consumer | undefined;
  #end: ((error: unknown) => void) | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(options: GroupOptions, handler: EventHandler) {
    this.options = options;
    this.#lanes = new Lanes({ ...options, signal: this.#stopping.signal }, handler);
  }

  start(): void {
    this.#ended = Promise.all([this.#run(), this.#keep()]);
  }

  get problem(): GroupProblem | undefined {
    return this.#problem;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#pause.end();
    this.#keeping.end();
    this.#end?.(undefined);
    // Brokers that do not answer are not waited for; a handler is.
    await withDeadline(this.#ended, STOP_MS).catch(() => undefined);
    await this.#lanes.settled();
  }

  /** The group was moved in the ledger: goes there, and answers when it is on its way. */
  async moved(): Promise<void> {
    const { numbers } = this.#assignment ?? {};
    // Not given anything yet: it reads the new place when it is.
    if (numbers !== undefined) await this.#takeUpAgain(numbers);
  }

  async #run(): Promise<void> {
    const { log, onRestart } = this.options;
    while (!this.#isStopping()) {
      try {
        await this.options.verify();
        await this.#consume();
      } catch (error) {
        await this.#failed(error);
      }
      if (this.#isStopping()) return;
      onRestart();
      log.debug('consumer is made anew');
      await this.#pause.sleep(nextDelayMs(RESTART, Math.max(1, this.#failures), Math.random()) ?? RESTART.maxDelayMs);
    }
  }

  /** Until it ends; always by throwing, or by a stop. */
  async #consume(): Promise<void> {
    const { kafka, groupId, streams, timings } = this.options;
    const consumer = kafka.consumer({
      groupId,
      partitionAssigners: [byNumber],
      sessionTimeout: timings.sessionMs,
      heartbeatInterval: timings.heartbeatMs,
      rebalanceTimeout: timings.rebalanceMs,
      maxWaitTimeInMs: timings.maxWaitMs,
      maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
      maxBytes: MAX_BYTES,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      allowAutoTopicCreation: false,
      readUncommitted: false,
      // It is made anew here, with back-off and after a look at the topics; its own restarts have been seen to loop.
      retry: { ...IMPATIENT, retries: 3, restartOnFailure: () => Promise.resolve(false) },
    });
    const ended = new Promise<void>((resolve, reject) => {
      this.#end = (error) => {
        if (error === undefined) resolve();
        else reject(error instanceof Error ? error : new TypeError('not an error', { cause: error }));
      };
    });
    // Failed before anybody waits for it.
    ended.catch(() => undefined);
    // Told to stop before there was anything to end.
    if (this.#isStopping()) return;
    this.#watch(consumer);
    this.#consumer = consumer;
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [...streams], fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: CONCURRENT_PARTITIONS,
        eachBatch: (payload) => this.#onBatch(payload),
      });
      await ended;
    } finally {
      const assignment = this.#assignment;
      this.#assignment = undefined;
      await this.#lanes.settled();
      // So that the next member begins where this one ended; if not, the lanes skip what is repeated.
      if (assignment !== undefined) await withDeadline(this.#commitNow(assignment), COMMIT_MS).catch(() => undefined);
      this.#consumer = undefined;
      await withDeadline(consumer.disconnect(), DISCONNECT_MS).catch(() => undefined);
    }
  }

  #watch(consumer: Consumer): void {
    const sign = () => {
      this.#lastSignMs = performance.now();
    };
    const { events } = consumer;
    sign();
    consumer.on(events.FETCH, sign);
    consumer.on(events.HEARTBEAT, sign);
    consumer.on(events.GROUP_JOIN, ({ payload }) => {
      sign();
      this.#joined(payload.memberAssignment);
    });
    consumer.on(events.CRASH, ({ payload }) => this.#end?.(new Crash(payload.error)));
  }

  #joined(topics: Readonly<Record<string, readonly number[]>>): void {
    if (this.#isStopping()) return;
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
    this.options.log.info('has its partitions', { partitions: numbers.length });
  }

  async #takeUpAgain(numbers: readonly number[]): Promise<void> {
    const before = this.#assignment;
    if (before === undefined) return;
    // A list of its own: what goes on under the old one is over.
    const again = [...numbers];
    const ready = this.#lanes
      .settled()
      .then(() => this.#lanes.assign(again))
      .then(() => this.#lanes.catchUp(again, () => this.#has(again)));
    this.#take({ ...before, numbers: again, ready });
    await ready;
  }

  #take(assignment: Assignment): void {
    this.#assignment = assignment;
    assignment.ready.then(
      () => {
        this.#failures = 0;
        if (this.#problem !== undefined) this.options.log.info('consumer is back');
        this.#problem = undefined;
        this.#keeping.wake();
      },
      (error: unknown) => this.#end?.(error),
    );
  }

  #has(numbers: readonly number[]): boolean {
    return !this.#isStopping() && this.#assignment?.numbers === numbers;
  }

  /** Lanes of which Kafka does not have everything since the group was there: a topic made anew, a retention that was faster. */
  async #findHoles(
    topics: Readonly<Record<string, readonly number[]>>,
    expected: Map<string, bigint>,
  ): Promise<readonly number[]> {
    const { offsets, groupId } = this.options;
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

  async #onBatch(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const heartbeat = () => payload.heartbeat();
    const assignment = this.#assignment;
    const stream = this.options.streams.find((each) => each === batch.topic);
    const first = batch.messages[0];
    if (assignment === undefined || stream === undefined || first === undefined) return;
    const goesOn = () => this.#has(assignment.numbers) && payload.isRunning() && !payload.isStale();
    await this.#alive(assignment.ready, heartbeat);
    const place = `${batch.topic}/${String(batch.partition)}`;
    // Offsets have no gaps in these topics: neither transactions nor compaction. What is missing the ledger has.
    if (assignment.expected.get(place) !== BigInt(first.offset))
      await this.#alive(this.#lanes.catchUp([batch.partition], goesOn), heartbeat);
    const messages = await this.#read(batch, stream);
    const events = messages.flatMap(({ event }) => event ?? []);
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
    await tell(topics);
    for (const [place, { offset }] of now) committed.set(place, BigInt(offset));
  }

  async #commitNow(assignment: Assignment): Promise<void> {
    const consumer = this.#consumer;
    if (consumer === undefined) return;
    await this.#commit(assignment, (topics) =>
      consumer.commitOffsets(topics.flatMap(({ topic, partitions }) => partitions.map((each) => ({ topic, ...each })))),
    );
  }

  async #read(
    batch: EachBatchPayload['batch'],
    stream: HubStream,
  ): Promise<readonly { readonly offset: string; readonly event: PositionedEvent | undefined }[]> {
    const { hubName, ledger, log, onForeign, identity } = this.options;
    const origin = { hubName, ledgerId: await identity() };
    const messages = batch.messages.map((message) => ({
      offset: message.offset,
      event: parseMessage(message, stream, origin),
    }));
    const highest = Math.max(0, ...messages.map(({ event }) => event?.position ?? 0));
    // A place that the ledger has not reached is made up: it would make the group skip everything before it.
    if (highest > this.#head) this.#head = await ledger.events.head();
    const head = this.#head;
    return messages.map(({ offset, event }) => {
      if (event !== undefined && event.position <= head) return { offset, event };
      onForeign(stream);
      log.error('a message in a topic of the hub is not one it can read; it is left out', {
        topic: batch.topic,
        partition: batch.partition,
        offset,
      });
      return { offset, event: undefined };
    });
  }

  /** Waits, and says meanwhile that this member lives. @throws what a heartbeat throws, when the group moves on without it */
  async #alive<T>(work: Promise<T>, heartbeat: () => Promise<void>): Promise<T> {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), this.options.timings.heartbeatMs);
      });
      const outcome = await Promise.race([work.then((value) => ({ value })), late]);
      clearTimeout(timer);
      if (outcome !== 'late') return outcome.value;
      await heartbeat();
    }
  }

  /** Retries what is due, follows a replay that somebody else asked for, and notices a consumer that stands still. */
  async #keep(): Promise<void> {
    while (!this.#isStopping()) {
      this.#keeping.arm();
      const assignment = this.#assignment;
      try {
        // What it fails with ends the consumer.
        const isReady = await assignment?.ready.then(
          () => true,
          () => false,
        );
        if (assignment !== undefined && isReady === true) {
          if (await this.#lanes.isMoved()) await this.#takeUpAgain(assignment.numbers);
          else await this.#lanes.retryDue(() => this.#has(assignment.numbers));
          this.#findStall();
          // A member that lost its place is told so by its heartbeats.
          await this.#commitNow(assignment).catch(() => undefined);
          await this.#findLoss(assignment);
        }
      } catch (error) {
        this.options.log.warn('bus group waits for the ledger', { error });
        await this.#keeping.sleep(IDLE_MS);
      }
      await this.#keeping.wait(Math.max(10, Math.min(IDLE_MS, this.#lanes.nextDueInMs())));
    }
  }

  #findStall(): void {
    const silentMs = performance.now() - this.#lastSignMs;
    if (silentMs <= this.options.timings.stallMs) return;
    const error = new HubError('bus.stalled', {
      group: this.options.group,
      silentSeconds: Math.round(silentMs / 1000),
    });
    this.#end?.(error);
  }

  /**
   * A topic that was deleted takes the group's offsets with it. Made anew it begins at 0, and a consumer that goes on at
   * its old offset passes over what comes first without a word: it is made anew too, and asks the ledger.
   */
  async #findLoss(assignment: Assignment): Promise<void> {
    const { offsets, groupId, streams, timings } = this.options;
    if (performance.now() < this.#lookAtMs) return;
    this.#lookAtMs = performance.now() + timings.lookMs;
    // Not to be had: then the consumer has its own trouble.
    const known = await offsets.of(groupId, streams).catch(() => undefined);
    for (const [topic, rows] of known ?? []) {
      for (const { partition, committed, high } of rows) {
        const here = assignment.committed.get(`${topic}/${String(partition)}`);
        if (here === undefined || !this.#has(assignment.numbers)) continue;
        if (committed !== undefined && committed >= here && committed <= high) continue;
        this.#end?.(new HubError('bus.topic-missing', { topic, advice: `${topic} was deleted or cut short` }));
        return;
      }
    }
  }

  async #failed(error: unknown): Promise<void> {
    const { diagnose, group, log } = this.options;
    this.#failures += 1;
    const cause = error instanceof Crash ? error.cause : error;
    const problem = await diagnose(toBusError(cause, { group }));
    const severity =
      problem.code === 'bus.stalled' ? 'stalled' : error instanceof Crash && !isPassing(cause) ? 'crashed' : 'degraded';
    this.#problem = { severity, error: problem };
    const fields = { attempt: this.#failures, error: problem };
    if (severity === 'degraded') log.warn('consumer ended, it is made anew', fields);
    else log.error('consumer ended, it is made anew', fields);
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }
}

/** The consumer gave up by itself. */
class Crash extends Error {
  constructor(cause: unknown) {
    super('the consumer crashed', { cause });
  }
}
