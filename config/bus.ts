/** How facts travel: in the ledger's own log, or through Kafka. And what of Kafka a partner may read. */
import * as z from 'zod';
import { secret } from './entries.ts';

/** `host:port`; an IPv6 address in brackets. */
const broker = z
  .string()
  .regex(
    /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})):([1-9]\d{0,4})$/,
    'not a broker like kafka-1.example.org:9092',
  );

/** Legal characters of topics and groups (org.apache.kafka.common.internals.Topic). */
const groupPrefix = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,100}$/, 'a prefix of consumer groups has letters, digits, dots, hyphens and underscores');

const tls = z
  .strictObject({ ca: secret.optional(), certificate: secret.optional(), key: secret.optional() })
  .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
    message: 'certificate and key belong together',
  });

const sasl = z.strictObject({
  mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
  username: z.string().min(1).max(255),
  password: secret,
});

const DEFAULTS = { partitions: 24, replication: 3 };

/** One object, so that editors and `HUB_BUS_…` know all keys; what belongs to Kafka is refused without it. */
export const bus = z
  .strictObject({
    kind: z.enum(['embedded', 'kafka']).default('embedded'),
    brokers: z.array(broker).min(1).max(32).optional(),
    tls: tls.optional(),
    sasl: sasl.optional(),
    partitions: z.int().min(1).max(1_000).optional(),
    replication: z.int().min(1).max(9).optional(),
    createTopics: z.boolean().optional(),
    groupPrefix: groupPrefix.optional(),
  })
  .prefault({})
  .transform(({ kind, ...given }, context) => {
    if (kind === 'embedded') {
      for (const key of Object.keys(given)) {
        context.issues.push({ code: 'custom', path: [key], message: 'belongs to kind: kafka', input: given });
      }
      return { kind };
    }
    const { brokers } = given;
    if (brokers === undefined) {
      context.issues.push({ code: 'custom', path: ['brokers'], message: 'missing: the brokers', input: given });
      return z.NEVER;
    }
    if (given.sasl?.mechanism === 'plain' && given.tls === undefined) {
      const message = 'plain sends the password in the clear: only with tls';
      context.issues.push({ code: 'custom', path: ['sasl', 'mechanism'], message, input: given });
    }
    return {
      kind,
      brokers,
      tls: given.tls,
      sasl: given.sasl,
      partitions: given.partitions ?? DEFAULTS.partitions,
      replication: given.replication ?? DEFAULTS.replication,
      createTopics: given.createTopics ?? true,
      groupPrefix: given.groupPrefix,
    };
  });

/** `partners[].kafka`: the partner reads its events from its own topic. */
export const partnerKafka = z.strictObject({
  user: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a user of Kafka has letters, digits, dots, hyphens and underscores')
    .optional(),
  groupPrefix: groupPrefix.optional(),
});

/** A partner as Kafka knows it. */
export interface KafkaPartner {
  readonly partner: string;
  readonly topic: string;
  readonly user: string;
  /** Its consumer groups begin with this. */
  readonly groupPrefix: string;
}

/** Those partners that read from Kafka. */
export function kafkaPartners(
  partners: readonly {
    readonly name: string;
    readonly kafka?: { readonly user?: string | undefined; readonly groupPrefix?: string | undefined } | undefined;
  }[],
): readonly KafkaPartner[] {
  return partners.flatMap(({ name, kafka }) =>
    kafka === undefined
      ? []
      : [
          {
            partner: name,
            topic: `partner.${name}.v1`,
            user: kafka.user ?? name,
            // With the dot: kct. is not the beginning of kct2.
            groupPrefix: kafka.groupPrefix ?? `${name}.`,
          },
        ],
  );
}

/** The hub's own consumer groups begin with this. */
export function ownGroupPrefix({
  bus: { groupPrefix: given },
  hub,
}: {
  readonly bus: { readonly groupPrefix?: string | undefined };
  readonly hub: { readonly name: string };
}): string {
  return given ?? `hub.${hub.name}.`;
}
