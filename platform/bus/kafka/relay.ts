/**
 * From the ledger's log to Kafka, in order: one batch in flight, and the place is moved on only when the brokers have
 * it. A crash in between sends the batch again; whoever reads goes by the positions in it. Of several replicas of the
 * hub the one with the lease relays.
 */
import { type Kafka, Partitioners, type Producer } from 'kafkajs';
import { HubError } from '../../../core/errors.ts';
import type { PositionedEvent } from '../../../core/events.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { Clock, Logger } from '../../../core/ports.ts';
import { nowAndThen } from '../../../core/now-and-then.ts';
import { nextDelayMs } from '../../../core/retry.ts';
import type { Stream } from '../../../core/streams.ts';
import { IMPATIENT, METADATA_MAX_AGE_MS, REQUEST_MS } from './client.ts';
import { type OutgoingMessage, toMessage } from './cloud-events.ts';
import { toBusError } from './failures.ts';
import { partitionOf } from './partitions.ts';
import { Pause, withDeadline } from './pause.ts';

export interface RelayOptions {
  /** Its group in the ledger, and its lease. */
  readonly name: string;
  readonly streams: readonly Stream[];
  readonly hubName: string;
  /** Of each topic. */
  readonly partitions: number;
  /** Of the ledger. */
  readonly identity: () => Promise<string>;
  /** Of this replica. */
  readonly owner: string;
  readonly ledger: Pick<Ledger, 'events' | 'groups' | 'leases'>;
  readonly kafka: Kafka;
  /** The topics are there and as they have to be. @throws {HubError} `bus.…` */
  readonly verify: () => Promise<void>;
  /** Why nothing answers as Kafka does, where that can be told. */
  readonly diagnose: (error: HubError) => Promise<HubError>;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onSent: (stream: Stream, events: number) => void;
  /** Asked of each event that is about to leave; absent: all pass. */
  readonly passage?: ((event: PositionedEvent) => Promise<Passage>) | undefined;
  readonly retry?: { readonly firstDelayMs: number; readonly maxDelayMs: number } | undefined;
}

/** What becomes of an event now: `skip` it for good, or `hold` it, and what is behind it, until that is over. */
export type Passage = 'pass' | 'skip' | 'hold';

interface BatchEntry {
  readonly event: PositionedEvent;
  readonly message: OutgoingMessage | undefined;
}

interface Batch {
  readonly entries: readonly BatchEntry[];
  /** Position of the last event by topic and partition, once the batch is there. */
  readonly ends: ReadonlyMap<string, number>;
}

/** The longest is what a recovery waits for nothing; a connection that is refused costs nobody anything. */
const RETRY = { firstDelayMs: 1_000, maxDelayMs: 15_000 };
const PAGE = 256;
/** Half of what a broker takes in one batch when nobody says otherwise (message.max.bytes). */
const BATCH_BYTES = 512 * 1024;
/** Nobody's commit wakes a relay in another process. */
const IDLE_MS = 500;
const LEASE_MS = 15_000;
const VERIFY_EVERY_MS = 60_000;
/** After its own time-outs and one retry, kafkajs may still wait for a socket that is dead. */
const SEND_MS = 2 * REQUEST_MS + 5_000;
/** For the batch in flight, when the hub stops. */
const STOP_MS = 2_000;

export class Relay {
  readonly name: string;
  readonly streams: readonly Stream[];
  readonly #options: RelayOptions;
  readonly #pause = new Pause();
  readonly #cut = Promise.withResolvers<never>();
  #tail: Promise<unknown> = Promise.resolve();
  #producer: Producer | undefined;
  #lease: { readonly fence: number; readonly renewAtMs: number } | undefined;
  #position = 0;
  /** Of what this relay has sent since it has the lease: the last position by topic and partition. */
  #ends: ReadonlyMap<string, number> = new Map();
  #batchBytes = BATCH_BYTES;
  #failures = 0;
  #problem: HubError | undefined;
  #sayFailure = nowAndThen();
  #verifyAtMs = 0;
  #isStopping = false;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: RelayOptions) {
    this.name = options.name;
    this.streams = options.streams;
    this.#options = options;
    // Rejected when nobody sends: nothing to cut off.
    this.#cut.promise.catch(() => undefined);
  }

  start(): void {
    this.#ended = this.#run();
  }

  wake(): void {
    this.#pause.wake();
  }

  /** The circuit is open: why. */
  get problem(): HubError | undefined {
    return this.#problem;
  }

  /** Events that are not in Kafka yet, and the age of the oldest. */
  async waiting(): Promise<{ readonly events: number; readonly seconds: number }> {
    const { ledger } = this.#options;
    const rows = await ledger.groups.lag([{ group: this.name, streams: this.streams }]);
    return {
      events: rows.reduce((sum, { events }) => sum + events, 0),
      seconds: Math.max(0, ...rows.map(({ seconds }) => seconds)),
    };
  }

  /** Waits for the batch in flight, and holds the next one back for as long as `work` takes. */
  async between<T>(work: () => Promise<T>): Promise<T> {
    return this.#alone(work);
  }

  /** Does not wait for brokers that do not answer: what they did not confirm is sent again after the next start. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#pause.end();
    const timer = setTimeout(() => this.#cut.reject(new HubError('bus.unreachable', { relay: this.name })), STOP_MS);
    await this.#ended;
    clearTimeout(timer);
    await this.#dropProducer();
    const fence = this.#lease?.fence;
    this.#lease = undefined;
    // The next one need not wait until it runs out; that it would is all a failure means here.
    if (fence !== undefined) await this.#options.ledger.leases.release(this.name, fence).catch(() => false);
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        this.#pause.arm();
        if (!(await this.#hasLease())) {
          this.#recovered(0);
          await this.#pause.wait(LEASE_MS / 3);
        } else if ((await this.#relayPage()) === 0) await this.#pause.wait(IDLE_MS);
      } catch (error) {
        await this.#failed(error);
      }
    }
  }

  /** The lease is older than half its life: renewed before anything is sent under it. */
  async #hasLease(): Promise<boolean> {
    const { ledger, owner, clock } = this.#options;
    const now = clock.now();
    if (this.#lease !== undefined && now.getTime() < this.#lease.renewAtMs) return true;
    const renewAtMs = now.getTime() + LEASE_MS / 3;
    if (this.#lease !== undefined && (await ledger.leases.renew(this.name, this.#lease.fence, LEASE_MS, now))) {
      this.#lease = { fence: this.#lease.fence, renewAtMs };
      return true;
    }
    this.#lease = undefined;
    const fence = await ledger.leases.acquire(this.name, owner, LEASE_MS, now);
    if (fence === undefined) return false;
    this.#position = await ledger.groups.open(this.name, 'earliest');
    this.#ends = new Map();
    this.#lease = { fence, renewAtMs };
    return true;
  }

  /** @returns how many events went */
  async #relayPage(): Promise<number> {
    const { ledger, verify, onSent, identity } = this.#options;
    // Again from time to time: somebody may make a topic anew with another number of partitions.
    if (performance.now() > this.#verifyAtMs) await verify();
    if (performance.now() > this.#verifyAtMs) this.#verifyAtMs = performance.now() + VERIFY_EVERY_MS;
    const page = await ledger.events.read({ streams: this.streams, after: this.#position, limit: PAGE });
    const batch = page.length === 0 ? undefined : await this.#batchOf(page, await identity());
    const last = batch?.entries.at(-1)?.event.position;
    if (batch === undefined || last === undefined) {
      // Nothing to send shows nothing: the circuit closes when Kafka has taken something, or answers at all.
      this.#recovered(0);
      return 0;
    }
    await this.#alone(async () => {
      const fence = this.#lease?.fence;
      await this.#send(batch.entries);
      // Taken over while the brokers were slow: the place is no longer this relay's to move.
      if (!(await this.#hasLease()) || this.#lease?.fence !== fence) return;
      await ledger.groups.commit(this.name, last);
      this.#position = last;
      this.#ends = batch.ends;
    });
    for (const { event, message } of batch.entries) if (message !== undefined) onSent(event.stream, 1);
    this.#recovered(batch.entries.length);
    return batch.entries.length;
  }

  /** Without a message: it is skipped. */
  async #batchOf(page: readonly PositionedEvent[], ledgerId: string): Promise<Batch> {
    const { hubName, partitions, passage: passageOf } = this.#options;
    const entries: BatchEntry[] = [];
    const ends = new Map(this.#ends);
    let bytes = 0;
    for (const event of page) {
      const passage = (await passageOf?.(event)) ?? 'pass';
      if (passage === 'hold') break;
      if (passage === 'skip') {
        entries.push({ event, message: undefined });
        continue;
      }
      const place = `${event.stream}/${String(partitionOf(event.key, partitions))}`;
      const message = toMessage(event, { hubName, ledgerId }, ends.get(place));
      bytes += Buffer.byteLength(message.value) + 512;
      if (entries.length > 0 && bytes > this.#batchBytes) break;
      ends.set(place, event.position);
      entries.push({ event, message });
    }
    return { entries, ends };
  }

  async #send(batch: readonly BatchEntry[]): Promise<void> {
    const topics = new Map<Stream, (OutgoingMessage & { readonly partition: number })[]>();
    for (const { event, message } of batch) {
      if (message === undefined) continue;
      const messages = topics.get(event.stream) ?? [];
      // Said and not left to the client: the lanes go by the configured number, whatever the topic has become.
      messages.push({ ...message, partition: partitionOf(event.key, this.#options.partitions) });
      topics.set(event.stream, messages);
    }
    if (topics.size === 0) return;
    const topicMessages = [...topics].map(([topic, messages]) => ({ topic, messages }));
    try {
      const producer = await this.#connected();
      // acks=-1: every replica in sync has it. One batch at a time: concurrent ones of an idempotent producer overtake each other.
      await Promise.race([withDeadline(producer.sendBatch({ acks: -1, topicMessages }), SEND_MS), this.#cut.promise]);
    } catch (error) {
      throw toBusError(error, { topics: [...topics.keys()] });
    }
    this.#batchBytes = Math.min(BATCH_BYTES, this.#batchBytes * 2);
  }

  async #connected(): Promise<Producer> {
    if (this.#producer !== undefined) return this.#producer;
    const producer = this.#options.kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      retry: IMPATIENT,
    });
    await producer.connect();
    this.#producer = producer;
    return producer;
  }

  /** The circuit is open for the back-off: nothing is asked of Kafka until it is over. */
  async #failed(cause: unknown): Promise<void> {
    if (this.#isStopping) return;
    const { log, retry = RETRY, diagnose } = this.#options;
    const error = cause instanceof HubError ? cause : toBusError(cause);
    // A batch of several may be what is too large; one event is not.
    if (error.code === 'bus.message-too-large' && this.#batchBytes > 1) {
      this.#batchBytes = this.#batchBytes < 1024 ? 1 : Math.floor(this.#batchBytes / 4);
      return;
    }
    // A producer that timed out holds on to the dead socket and the leader of before; one whose sequence is broken stays so.
    await this.#dropProducer();
    this.#verifyAtMs = 0;
    this.#failures += 1;
    const waiting = await this.waiting().catch(() => undefined);
    this.#problem = withWaiting(await diagnose(error), waiting);
    const delayMs = nextDelayMs({ attempts: Infinity, ...retry }, this.#failures, Math.random()) ?? retry.maxDelayMs;
    // What waits is not known while the ledger is down, which says so itself.
    const sentence = error.code.startsWith('ledger.')
      ? 'events cannot be read from the ledger for Kafka'
      : waiting?.events === 0
        ? 'Kafka cannot be used, and no event waits for it'
        : error.code === 'bus.unreachable'
          ? 'Kafka down, events wait'
          : 'events wait for Kafka';
    const fields = {
      relay: this.name,
      events: waiting?.events,
      oldestSeconds: waiting?.seconds,
      attempt: this.#failures,
      againInSeconds: delayMs / 1000,
      error: this.#problem,
    };
    if (this.#failures === 1) log.warn('events did not reach Kafka, trying again', fields);
    else this.#sayFailure((times) => log.error(sentence, { ...fields, times }));
    await this.#pause.sleep(delayMs);
  }

  #recovered(events: number): void {
    if (this.#problem !== undefined) this.#options.log.info('Kafka takes events again', { relay: this.name, events });
    this.#problem = undefined;
    this.#failures = 0;
    this.#sayFailure = nowAndThen();
  }

  async #dropProducer(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    // A dead broker is not waited for.
    if (producer !== undefined) await withDeadline(producer.disconnect(), 1_000).catch(() => undefined);
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}

/** What a probe says about it: how much waits, and since when. */
function withWaiting(
  error: HubError,
  waiting: { readonly events: number; readonly seconds: number } | undefined,
): HubError {
  if (waiting === undefined) return error;
  const { events } = waiting;
  const count = events === 0 ? 'no event waits' : events === 1 ? '1 event waits' : `${String(events)} events wait`;
  const wait = events === 0 ? count : `${count}, oldest ${String(Math.round(waiting.seconds))} s`;
  const { advice } = error.fields;
  return new HubError(
    error.code,
    { ...error.fields, advice: typeof advice === 'string' ? `${advice}; ${wait}` : `Kafka down, ${wait}` },
    error.cause ?? error,
  );
}
