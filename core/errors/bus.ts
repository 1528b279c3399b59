/** The bus, when Kafka carries it. */
import type { ErrorRow } from './row.ts';

export const BUS_ERRORS = {
  'bus.unreachable': {
    dimse: 0x0110,
    http: 503,
    retry: 'transient',
    title: 'Kafka cannot be reached',
    remedy: 'Check bus.brokers, the network and the brokers. Events wait in the ledger meanwhile; nothing is lost.',
  },
  'bus.not-kafka': {
    dimse: 0x0110,
    http: 503,
    retry: 'permanent',
    title: 'What answers is no Kafka broker the hub can talk to',
    remedy: 'Check host and port in bus.brokers, and whether that port wants TLS. Kafka 2.1 or later is needed.',
  },
  'bus.certificate': {
    dimse: 0x0110,
    http: 503,
    retry: 'permanent',
    title: 'TLS with Kafka fails',
    remedy:
      "Check bus.tls: the authority that signed the brokers' certificates, and the hub's own certificate and key.",
  },
  'bus.credentials': {
    dimse: 0x0110,
    http: 503,
    retry: 'permanent',
    title: 'Kafka refuses the credentials',
    remedy: 'Check bus.sasl: mechanism, username and the secret it names.',
  },
  'bus.unauthorized': {
    dimse: 0x0110,
    http: 503,
    retry: 'permanent',
    title: 'Kafka does not let the hub do this',
    remedy:
      'Give its user the rights that docs/operations.md lists: its topics, its consumer groups, idempotent writes.',
  },
  'bus.topic-missing': {
    dimse: 0x0110,
    http: 503,
    retry: 'transient',
    title: 'A topic is missing in Kafka',
    remedy: 'Create it with the number of partitions that bus.partitions says, or allow the hub to: bus.createTopics.',
  },
  'bus.topic-partitions': {
    dimse: 0x0110,
    http: 503,
    retry: 'permanent',
    title: 'A topic has another number of partitions than configured',
    remedy:
      'Set bus.partitions to what the topics have. The number is for life: another one moves studies to other partitions, and their order breaks.',
  },
  'bus.message-too-large': {
    dimse: 0x0110,
    http: 503,
    retry: 'permanent',
    title: 'Kafka does not take an event of this size',
    remedy: 'Raise max.message.bytes of the topic to 128 KiB or more; the event waits in the ledger until then.',
  },
  'bus.stalled': {
    dimse: 0x0110,
    http: 503,
    retry: 'transient',
    title: 'A consumer of the bus stands still',
    remedy: 'The hub makes it anew; when that does not help, restart this hub.',
  },
  'bus.failed': {
    dimse: 0x0110,
    http: 503,
    retry: 'transient',
    title: 'Kafka answers with an error',
    remedy: 'See the log line; the hub keeps trying.',
  },
} as const satisfies Record<string, ErrorRow>;
