/** Tells a topic of anybody's Kafka what was released: a message an instance and a file, and one that the study is there. */
import { type ErrorCode, HubError, toHubError } from '../../core/errors.ts';
import type { Diagnosis } from '../../core/diagnosis.ts';
import type { Connector, ConnectorContext, ProbeContext } from '../../core/plugins.ts';
import type { RunItem } from '../../core/store.ts';
import type { TopicBrokers, TopicMessage, TopicWriter } from '../../core/topics.ts';
import { attemptNotes } from '../attempt-notes.ts';
import { studyTurns } from '../study-turns.ts';
import { endOf, messageOf } from './messages.ts';
import { probeKafkaTopic } from './probe.ts';
import type { KafkaTopicOptions } from './options.ts';

/** Half of what a broker takes in one batch when nobody says otherwise (message.max.bytes). */
const BATCH_BYTES = 512 * 1024;
/** Headers and framing of a message, at most. */
const AROUND_BYTES = 1_024;

export function open(given: KafkaTopicOptions, context: ConnectorContext): Connector {
  const brokers = brokersOf(given, context);
  const { hubName } = context;
  const turns = studyTurns();
  let writer: Promise<TopicWriter> | undefined;
  return {
    deliver: (order, onDelivered) =>
      // One delivery of a study after the other: its messages stand in the order of its revisions, not among each other.
      turns.run(order.studyInstanceUid, async () => {
        const topics = await (writer ??= context.openTopics(brokers));
        const waiting = order.items.filter(
          (item) => item.kind !== 'instance' || !order.delivered.has(item.sopInstanceUid),
        );
        attemptNotes()?.asked(`Kafka topic ${given.topic}, ${String(waiting.length + 1)} messages`);
        try {
          for (const { items, messages } of batchesOf(waiting, (item) =>
            messageOf(order, item, { hubName, link: given.link }),
          )) {
            order.signal.throwIfAborted();
            await topics.write(given.topic, messages);
            for (const item of items) if (item.kind === 'instance') onDelivered(item.sopInstanceUid);
          }
          order.signal.throwIfAborted();
          await topics.write(given.topic, [endOf(order, hubName)]);
        } catch (error) {
          throw order.signal.aborted ? error : translate(error);
        }
        attemptNotes()?.answered('all replicas have them');
      }),
    close: async () => {
      await turns.idle();
      await (await writer)?.close();
    },
  };
}

export function probe(given: KafkaTopicOptions, context: ProbeContext): AsyncIterable<Diagnosis> {
  return probeKafkaTopic(given, () => brokersOf(given, context), context);
}

function* batchesOf(
  items: readonly RunItem[],
  make: (item: RunItem) => TopicMessage,
): Generator<{ readonly items: readonly RunItem[]; readonly messages: readonly TopicMessage[] }> {
  let batch: { items: RunItem[]; messages: TopicMessage[] } = { items: [], messages: [] };
  let bytes = 0;
  for (const item of items) {
    const message = make(item);
    const sizeBytes = Buffer.byteLength(message.value) + AROUND_BYTES;
    if (batch.items.length > 0 && bytes + sizeBytes > BATCH_BYTES) {
      yield batch;
      batch = { items: [], messages: [] };
      bytes = 0;
    }
    batch.items.push(item);
    batch.messages.push(message);
    bytes += sizeBytes;
  }
  if (batch.items.length > 0) yield batch;
}

/** What the client says of a bus, said of a destination. */
const CODES: Readonly<Partial<Record<ErrorCode, readonly [ErrorCode, string]>>> = {
  'bus.unreachable': ['partner.unreachable', 'no broker answers'],
  'bus.topic-missing': ['partner.refused', 'there is no such topic'],
  'bus.unauthorized': ['partner.refused', 'our user may not write to the topic'],
  'bus.credentials': ['partner.refused', 'it does not let us in: user, password or mechanism'],
  'bus.certificate': ['partner.refused', 'the certificate does not fit'],
  'bus.not-kafka': ['partner.refused', 'it is no Kafka broker, or one with TLS'],
  'bus.message-too-large': ['partner.refused', 'a message is too large for the topic'],
};

function translate(thrown: unknown): HubError {
  const error = toHubError(thrown);
  if (!error.code.startsWith('bus.')) return error;
  // What is not known may pass: each message is one that a consumer sees the repeat of.
  const [code, detail] = CODES[error.code] ?? ['partner.unreachable', 'the brokers did not take it'];
  return new HubError(code, { detail, reason: error.code }, error);
}

/** @throws {HubError} `config.invalid` when a secret cannot be had */
function brokersOf({ brokers, tls, sasl }: KafkaTopicOptions, context: Pick<ConnectorContext, 'hubName' | 'secret'>) {
  const pem = (name: 'ca' | 'certificate' | 'key') =>
    tls?.[name] === undefined ? undefined : context.secret(tls[name]);
  return {
    clientId: `hub-${context.hubName}`,
    brokers,
    ...(tls === undefined ? {} : { tls: { ca: pem('ca'), certificate: pem('certificate'), key: pem('key') } }),
    ...(sasl === undefined ? {} : { sasl: { ...sasl, password: context.secret(sasl.password) } }),
  } satisfies TopicBrokers;
}
