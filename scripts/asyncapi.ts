/**
 * What the hub sends, as AsyncAPI 3: its Kafka topics, a partner's topic, stream and webhooks. Made from the schemas that
 * events are checked with; `scripts/reference-pages.ts` writes it to docs/asyncapi.yaml.
 */
import { stringify } from 'yaml';
import * as z from 'zod';
import { EVENTS, type EventType, wireType } from '../core/events.ts';
import { jsonSchemaOf } from '../core/openapi.ts';
import { STREAMS } from '../core/streams.ts';
import { RELEASED } from '../connectors/kafka-topic/messages.ts';
import { TEST_EVENT } from '../connectors/webhook/test-event.ts';

const VERSION = '1.0.0';
const TYPES = Object.keys(EVENTS) as EventType[];
const PARTNER_TYPES = TYPES.filter((type) => 'partner' in EVENTS[type]);

/** CloudEvents 1.0, Kafka protocol binding, binary mode: what every message has. */
const kafkaHeaders = z.object({
  'content-type': z.literal('application/json'),
  ce_specversion: z.literal('1.0'),
  ce_id: z.uuid(),
  ce_source: z.string().describe('urn:hub: and the name of the hub'),
  ce_type: z.string(),
  ce_subject: z.string().describe('Study Instance UID; on a partner’s topic the one released to it'),
  ce_time: z.string(),
  ce_dataschema: z.string(),
  ce_correlationid: z.string().optional(),
  ce_causationid: z.string().optional(),
  ce_replayof: z.string().optional(),
});
/** Of a destination's topic: the same bytes for each attempt, so there is no time. */
const deliveryHeaders = kafkaHeaders
  .pick({ 'content-type': true, ce_specversion: true, ce_source: true, ce_type: true })
  .extend({
    ce_id: z
      .string()
      .describe(
        'Of the delivery, and behind a dot the SOP Instance UID or the name of the file: the same for each attempt',
      ),
    ce_subject: z.string().describe('Study Instance UID, as released where the destination is a partner’s'),
  });
const RELEASED_ABOUT: Readonly<Record<keyof typeof RELEASED, string>> = {
  'hub.instance.released.v1': 'An instance of the delivery: what it is, and where it can be had; never its bytes.',
  'hub.file.released.v1': 'A file of the delivery beside the instances: a report, a mask.',
};
/** The last of a delivery. */
const END = wireType('study.processed');

/** Standard Webhooks 1.0.0. */
const webhookHeaders = z.object({
  'content-type': z.literal('application/cloudevents+json; charset=utf-8'),
  'webhook-id': z.string().describe("The event's id: the same for each attempt"),
  'webhook-timestamp': z.string().describe('Seconds since 1970: refuse what is older than five minutes'),
  'webhook-signature': z
    .string()
    .describe(
      'Separated by spaces: v1, and base64 of HMAC-SHA256 with the whsec_ secret; v1a, and base64 of Ed25519, for the whpk_ key. While keys are changed there are several of each. Over id.timestamp.body.',
    ),
});

export function asyncApiDocument(): string {
  const document = {
    asyncapi: '3.0.0',
    info: {
      title: 'Imaging hub',
      version: VERSION,
      description:
        'Facts in the past tense, CloudEvents 1.0. Delivery is at least once: be idempotent on the id. Order is kept for each Study Instance UID. Within v1 only optional fields are added: ignore what you do not know. No pixels, no patient data.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    servers: {
      kafka: {
        host: '{broker}',
        protocol: 'kafka',
        description: 'With bus: { kind: kafka }.',
        variables: { broker: { description: 'One of bus.brokers.' } },
      },
      destination: {
        host: '{broker}',
        protocol: 'kafka',
        description: 'Of a destination of type kafka-topic: its own brokers, whatever the bus is.',
        variables: { broker: { description: 'One of brokers of the destination.' } },
      },
      hub: {
        host: '{hub}',
        protocol: 'https',
        description: 'Where partners come to; TLS stands before the hub.',
        variables: { hub: { description: 'Host and port of the hub.' } },
      },
    },
    channels: {
      ...Object.fromEntries(STREAMS.map((stream) => [stream, hubTopic(stream)])),
      'partner.events': {
        address: 'partner.{partner}.v1',
        title: "A partner's own topic",
        description: 'Pseudonymous identifiers only; nobody but the partner and the hub may read it.',
        servers: [{ $ref: '#/servers/kafka' }],
        parameters: { partner: { description: 'Its name in the configuration.' } },
        messages: messagesOf(PARTNER_TYPES, 'kafka.partner'),
      },
      'destination.topic': {
        address: '{topic}',
        title: 'The topic of a kafka-topic destination',
        description: `What was delivered, a message an instance and a file, and ${END} at the end: all that it speaks of stands before it. The key is the study.`,
        servers: [{ $ref: '#/servers/destination' }],
        parameters: { topic: { description: 'topic of the destination.' } },
        messages: Object.fromEntries(
          [...Object.keys(RELEASED), END].map((name) => [name, refTo('messages', `destination.${name}`)]),
        ),
      },
      'partner.stream': {
        address: '/partner/v1/events/stream',
        title: "A partner's events as server-sent events",
        description: 'The id of each is its cursor: come back with Last-Event-ID.',
        servers: [{ $ref: '#/servers/hub' }],
        messages: messagesOf(PARTNER_TYPES, 'http'),
        bindings: { http: {} },
      },
      'partner.webhook': {
        address: '{url}',
        title: 'A webhook that a partner manages',
        description:
          'One POST for each event. Any 2xx takes it; anything else is tried again for three days; 410 disables the webhook.',
        parameters: { url: { description: 'As the partner named it at /partner/v1/webhooks.' } },
        messages: { ...messagesOf(PARTNER_TYPES, 'webhook'), [TEST_EVENT]: refTo('messages', `webhook.${TEST_EVENT}`) },
        bindings: { http: {} },
      },
    },
    operations: {
      ...Object.fromEntries(
        STREAMS.map((stream) => [
          `send.${stream}`,
          { action: 'send', channel: refTo('channels', stream, ''), summary: `Facts of ${stream}` },
        ]),
      ),
      'send.partner.events': {
        action: 'send',
        channel: refTo('channels', 'partner.events', ''),
        summary: "What concerns a partner, in the partner's words",
      },
      'send.destination.topic': {
        action: 'send',
        channel: refTo('channels', 'destination.topic', ''),
        summary: 'What a delivery to a kafka-topic destination consists of',
      },
      'send.partner.stream': {
        action: 'send',
        channel: refTo('channels', 'partner.stream', ''),
        summary: 'The same, to whoever holds a stream open with a token of the partner',
      },
      'send.partner.webhook': {
        action: 'send',
        channel: refTo('channels', 'partner.webhook', ''),
        summary: 'The same, to the endpoints that the partner named',
        bindings: { http: { method: 'POST', bindingVersion: '0.3.0' } },
      },
    },
    components: {
      schemas: {
        kafkaHeaders: lenient(kafkaHeaders),
        deliveryHeaders: lenient(deliveryHeaders),
        webhookHeaders: lenient(webhookHeaders),
        ...Object.fromEntries(Object.entries(RELEASED).map(([name, schema]) => [name, lenient(schema)])),
        ...Object.fromEntries(TYPES.map((type) => [wireType(type), lenient(EVENTS[type].data)])),
        ...Object.fromEntries(
          PARTNER_TYPES.map((type) => {
            const entry = EVENTS[type];
            return [`partner.${wireType(type)}`, 'partner' in entry ? lenient(entry.partner) : {}];
          }),
        ),
      },
      messages: {
        ...Object.fromEntries(TYPES.map((type) => [`kafka.${wireType(type)}`, kafkaMessage(type, wireType(type))])),
        ...Object.fromEntries(
          PARTNER_TYPES.flatMap((type) => [
            [`kafka.partner.${wireType(type)}`, kafkaMessage(type, `partner.${wireType(type)}`)],
            [`http.${wireType(type)}`, httpMessage(type)],
            [`webhook.${wireType(type)}`, { ...httpMessage(type), headers: refTo('schemas', 'webhookHeaders') }],
          ]),
        ),
        ...Object.fromEntries(
          Object.entries(RELEASED_ABOUT).map(([name, about]) => [
            `destination.${name}`,
            deliveryMessage(name, about, name),
          ]),
        ),
        [`destination.${END}`]: deliveryMessage(END, EVENTS['study.processed'].about, `partner.${END}`),
        [`webhook.${TEST_EVENT}`]: {
          name: TEST_EVENT,
          summary: 'Asked for by the partner: it says only that it came.',
          contentType: 'application/cloudevents+json',
          headers: refTo('schemas', 'webhookHeaders'),
          payload: envelope(TEST_EVENT, { type: 'object' }),
        },
      },
    },
  };
  return `# Written by scripts/reference-pages.ts from core/events.ts.\n${stringify(document, { lineWidth: 0, aliasDuplicateObjects: false })}`;
}

function hubTopic(stream: (typeof STREAMS)[number]): Record<string, unknown> {
  return {
    address: stream,
    title: `Topic ${stream}`,
    servers: [{ $ref: '#/servers/kafka' }],
    messages: messagesOf(
      TYPES.filter((type) => EVENTS[type].stream === stream),
      'kafka',
    ),
  };
}

function messagesOf(types: readonly EventType[], form: string): Record<string, unknown> {
  return Object.fromEntries(
    types.map((type) => [wireType(type), refTo('messages', `${form}.${wireType(type)}`)] as const),
  );
}

function kafkaMessage(type: EventType, schema: string): Record<string, unknown> {
  return {
    name: wireType(type),
    summary: EVENTS[type].about,
    contentType: 'application/json',
    headers: refTo('schemas', 'kafkaHeaders'),
    payload: refTo('schemas', schema),
    bindings: { kafka: { key: { type: 'string', description: "The event's key" }, bindingVersion: '0.5.0' } },
  };
}

function deliveryMessage(name: string, about: string, schema: string): Record<string, unknown> {
  return {
    name,
    summary: about,
    contentType: 'application/json',
    headers: refTo('schemas', 'deliveryHeaders'),
    payload: refTo('schemas', schema),
    bindings: { kafka: { key: { type: 'string', description: 'The Study Instance UID' }, bindingVersion: '0.5.0' } },
  };
}

function httpMessage(type: EventType): Record<string, unknown> {
  return {
    name: wireType(type),
    summary: EVENTS[type].about,
    contentType: 'application/cloudevents+json',
    payload: envelope(wireType(type), refTo('schemas', `partner.${wireType(type)}`)),
  };
}

/** CloudEvents 1.0, structured JSON. */
function envelope(type: string, data: unknown): Record<string, unknown> {
  return {
    type: 'object',
    required: ['specversion', 'id', 'source', 'type', 'datacontenttype', 'data'],
    properties: {
      specversion: { const: '1.0' },
      id: { type: 'string', format: 'uuid' },
      source: { type: 'string' },
      type: { const: type },
      subject: { type: 'string' },
      time: { type: 'string', format: 'date-time' },
      datacontenttype: { const: 'application/json' },
      dataschema: { type: 'string' },
      data,
    },
  };
}

/** Readers let through fields that a later minor version adds, though we are strict when we publish. */
function lenient(schema: z.ZodType): unknown {
  return withoutStrictness(jsonSchemaOf(schema, 'output'));
}

function withoutStrictness(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutStrictness);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, each]) => !(key === 'additionalProperties' && each === false))
      .map(([key, each]) => [key, withoutStrictness(each)]),
  );
}

function refTo(kind: string, name: string, place = '/components'): { readonly $ref: string } {
  return { $ref: `#${place}/${kind}/${name}` };
}
