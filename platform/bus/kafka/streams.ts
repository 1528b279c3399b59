/** The topics the bus needs: created where they are missing and that is allowed, looked at in any case. */
import type { Kafka } from 'kafkajs';
import { HubError } from '../../../core/errors.ts';
import type { HubStream, Stream } from '../../../core/streams.ts';
import { IMPATIENT } from './client.ts';
import { toBusError } from './failures.ts';

export interface TopicRules {
  /** For life: another number moves keys to other partitions, and their order breaks. */
  readonly partitions: number;
  readonly replication: number;
  readonly mayCreate: boolean;
}

const DAY_MS = 86_400_000;
/** The ledger keeps everything; a topic keeps what a consumer may be behind. */
const RETENTION_DAYS: Readonly<Record<HubStream | 'partner', number>> = {
  'hub.ingest.v1': 7,
  'hub.work.v1': 7,
  'hub.result.v1': 30,
  'hub.delivery.v1': 30,
  'hub.audit.v1': 365,
  partner: 30,
};
const CREATE_MS = 15_000;

/** @throws {HubError} `bus.…` when a topic is not as it has to be, or nobody can say */
export async function ensureStreams(kafka: Kafka, streams: readonly Stream[], rules: TopicRules): Promise<void> {
  // A topic that was just made is known to one broker after the other.
  const admin = kafka.admin({ retry: { ...IMPATIENT, retries: 4 } });
  try {
    await admin.connect();
    const there = new Set(await admin.listTopics());
    const missing = streams.filter((stream) => !there.has(stream));
    if (missing.length > 0) {
      if (!rules.mayCreate) {
        const advice = `create ${missing.join(', ')} with ${String(rules.partitions)} partitions each`;
        throw new HubError('bus.topic-missing', { topics: missing, advice });
      }
      const topics = missing.map((stream) => topicOf(stream, rules));
      // Without its own wait, which fails when one broker has not heard of them yet.
      await admin.createTopics({ topics, waitForLeaders: false, timeout: CREATE_MS });
    }
    const { topics } = await admin.fetchTopicMetadata({ topics: [...streams] });
    for (const { name, partitions } of topics) {
      if (partitions.length === rules.partitions) continue;
      const advice = `${name} has ${String(partitions.length)} partitions, bus.partitions says ${String(rules.partitions)}`;
      throw new HubError('bus.topic-partitions', { topic: name, advice });
    }
  } catch (error) {
    throw toBusError(error);
  } finally {
    // Nothing of it matters any more.
    await admin.disconnect().catch(() => undefined);
  }
}

function topicOf(stream: Stream, { partitions, replication }: TopicRules) {
  const days = RETENTION_DAYS[isHubStream(stream) ? stream : 'partner'];
  return {
    topic: stream,
    numPartitions: partitions,
    replicationFactor: replication,
    configEntries: [
      { name: 'cleanup.policy', value: 'delete' },
      { name: 'retention.ms', value: String(days * DAY_MS) },
      // With three replicas one may be away; with fewer every one counts.
      { name: 'min.insync.replicas', value: String(replication >= 3 ? 2 : 1) },
    ],
  };
}

function isHubStream(stream: Stream): stream is HubStream {
  return stream in RETENTION_DAYS;
}
