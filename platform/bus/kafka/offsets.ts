/** What the brokers say about offsets, through one connection that is made anew when it fails. */
import type { Admin, Kafka } from 'kafkajs';
import { IMPATIENT } from './client.ts';
import { toBusError } from './failures.ts';
import { withDeadline } from './pause.ts';

/** Of one partition. */
export interface PartitionOffsets {
  readonly partition: number;
  /** First that is still there. */
  readonly low: bigint;
  /** One after the last. */
  readonly high: bigint;
  /** Where the group goes on; undefined when it has not been anywhere yet. */
  readonly committed: bigint | undefined;
}

const PATIENCE_MS = 12_000;

export class Offsets {
  readonly #kafka: Kafka;
  #admin: Promise<Admin> | undefined;

  constructor(kafka: Kafka) {
    this.#kafka = kafka;
  }

  /** By topic. @throws {HubError} `bus.…` */
  async of(groupId: string, topics: readonly string[]): Promise<ReadonlyMap<string, readonly PartitionOffsets[]>> {
    try {
      const admin = await this.#connected();
      const [committed, ...ends] = await withDeadline(
        Promise.all([
          admin.fetchOffsets({ groupId, topics: [...topics] }),
          ...topics.map((topic) => admin.fetchTopicOffsets(topic)),
        ]),
        PATIENCE_MS,
      );
      return new Map(
        topics.map((topic, index) => {
          const ofTopic = committed.find((each) => each.topic === topic)?.partitions ?? [];
          const rows = (ends[index] ?? []).map(({ partition, low, high }) => {
            const offset = BigInt(ofTopic.find((each) => each.partition === partition)?.offset ?? -1);
            return {
              partition,
              low: BigInt(low),
              high: BigInt(high),
              committed: offset < 0n ? undefined : offset,
            };
          });
          return [topic, rows];
        }),
      );
    } catch (error) {
      await this.close();
      throw toBusError(error);
    }
  }

  async close(): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    // A dead broker is not waited for.
    await withDeadline(admin?.then((each) => each.disconnect()) ?? Promise.resolve(), 1_000).catch(() => undefined);
  }

  async #connected(): Promise<Admin> {
    this.#admin ??= (async () => {
      const admin = this.#kafka.admin({ retry: { ...IMPATIENT, retries: 3 } });
      await admin.connect();
      return admin;
    })();
    return this.#admin;
  }
}
