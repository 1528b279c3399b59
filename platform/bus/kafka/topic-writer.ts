/** Writes to topics of anybody's Kafka, for destinations: an idempotent producer, one batch at a time, a new one after a failure. */
import { type Admin, type Kafka, Partitioners, type Producer } from 'kafkajs';
import type { HubError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/ports.ts';
import type { TopicBrokers, TopicMessage, TopicWriter } from '../../../core/topics.ts';
import { IMPATIENT, METADATA_MAX_AGE_MS, openKafka, REQUEST_MS } from './client.ts';
import { toBusError } from './failures.ts';
import { withDeadline } from './pause.ts';
import { whyNotKafka } from './probe.ts';

/** After its own time-outs and one retry, kafkajs may still wait for a socket that is dead. */
const SEND_MS = 2 * REQUEST_MS + 5_000;
const DISCONNECT_MS = 1_000;

export function openTopicWriter(brokers: TopicBrokers, log: Logger): TopicWriter {
  return new KafkaTopicWriter(brokers, openKafka(brokers, log));
}

class KafkaTopicWriter implements TopicWriter {
  readonly #brokers: TopicBrokers;
  readonly #kafka: Kafka;
  #tail: Promise<unknown> = Promise.resolve();
  #producer: Producer | undefined;

  constructor(brokers: TopicBrokers, kafka: Kafka) {
    this.#brokers = brokers;
    this.#kafka = kafka;
  }

  async write(topic: string, messages: readonly TopicMessage[]): Promise<void> {
    // Concurrent batches of an idempotent producer overtake each other.
    const written = this.#tail.then(() => this.#send(topic, messages));
    this.#tail = written.catch(() => undefined);
    await written;
  }

  async partitions(topic: string): Promise<number> {
    const admin: Admin = this.#kafka.admin({ retry: IMPATIENT });
    try {
      await withDeadline(admin.connect(), SEND_MS);
      const { topics } = await withDeadline(admin.fetchTopicMetadata({ topics: [topic] }), SEND_MS);
      return topics[0]?.partitions.length ?? 0;
    } catch (error) {
      throw await this.#reasonOf(error, topic);
    } finally {
      await withDeadline(admin.disconnect(), DISCONNECT_MS).catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    await this.#tail;
    await this.#drop();
  }

  async #send(topic: string, messages: readonly TopicMessage[]): Promise<void> {
    try {
      const producer = await this.#connected();
      // acks=-1: every replica in sync has it.
      const batch = messages.map((message) => ({ ...message, headers: { ...message.headers } }));
      await withDeadline(producer.send({ topic, acks: -1, messages: batch }), SEND_MS);
    } catch (error) {
      // A producer that timed out holds on to the dead socket; one whose sequence is broken stays so.
      await this.#drop();
      throw await this.#reasonOf(error, topic);
    }
  }

  async #connected(): Promise<Producer> {
    if (this.#producer !== undefined) return this.#producer;
    const producer = this.#kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      // As the Java client shares keys out: other writers to the topic put a key into the same partition.
      createPartitioner: Partitioners.DefaultPartitioner,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      retry: IMPATIENT,
    });
    this.#producer = producer;
    await withDeadline(producer.connect(), SEND_MS);
    return producer;
  }

  async #drop(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    // A dead broker is not waited for.
    if (producer !== undefined) await withDeadline(producer.disconnect(), DISCONNECT_MS).catch(() => undefined);
  }

  /** What nobody answers as Kafka does may be something else. */
  async #reasonOf(cause: unknown, topic: string): Promise<HubError> {
    const error = toBusError(cause, { topic });
    const [broker] = this.#brokers.brokers;
    if (error.code !== 'bus.unreachable' || broker === undefined) return error;
    return (await whyNotKafka(broker, this.#brokers)) ?? error;
  }
}
