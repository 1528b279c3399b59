/**
 * Events as Kafka messages: CloudEvents 1.0 Kafka protocol binding, binary mode. Attributes are headers `ce_…`, the data
 * is the value, the key is the event's own key (not an attribute: deriving it from `partitionkey` is opt-in there).
 */
import type { IHeaders, KafkaMessage } from 'kafkajs';
import { EVENTS, type EventType, type PositionedEvent, toCloudEvent, wireType } from '../../../core/events.ts';
import type { Stream } from '../../../core/streams.ts';

/** What the relay hands to the producer. */
export interface OutgoingMessage {
  readonly key: string;
  readonly value: string;
  readonly headers: Record<string, string>;
  /** Of the fact, so that offsets can be asked for by its time. */
  readonly timestamp: string;
}

const PREFIX = 'ce_';
const CONTENT_TYPE = 'content-type';
const JSON_TYPE = 'application/json';
/**
 * Extensions: the place in the ledger's log, which consumers of the hub go by, the place of the message before it in its
 * partition, by which they see that one is missing, and whose places these are.
 */
const POSITION = 'ledgerposition';
const PREVIOUS = 'ledgerprevious';
const LEDGER = 'ledgerid';
const TYPES = new Map<string, EventType>(
  (Object.keys(EVENTS) as EventType[]).map((type) => [wireType(type), type] as const),
);

/** Whose events they are: a hub, and the ledger it has. Another ledger has other places. */
export interface Origin {
  readonly hubName: string;
  readonly ledgerId: string;
}

/** @param previous - position of the event before it in its topic and partition, where that is known */
export function toMessage(event: PositionedEvent, { hubName, ledgerId }: Origin, previous?: number): OutgoingMessage {
  const { data, datacontenttype: _, ...attributes } = toCloudEvent(event, hubName);
  const headers: Record<string, string> = { [CONTENT_TYPE]: JSON_TYPE };
  for (const [name, value] of Object.entries(attributes)) headers[PREFIX + name] = String(value);
  // To a partner it would say how much happens that is not theirs.
  if (!event.stream.startsWith('partner.')) {
    headers[PREFIX + POSITION] = String(event.position);
    if (previous !== undefined) headers[PREFIX + PREVIOUS] = String(previous);
    headers[PREFIX + LEDGER] = ledgerId;
  }
  return {
    key: event.key,
    value: JSON.stringify(data),
    headers,
    timestamp: String(Date.parse(event.time)),
  };
}

/**
 * The event a message carries; undefined when it is none of this hub: another source, the ledger of
 * before, a type that is not known here, or no CloudEvent at all. Unknown headers and fields are left alone.
 */
export function parseMessage(
  message: Pick<KafkaMessage, 'key' | 'value' | 'headers'>,
  stream: Stream,
  { hubName, ledgerId }: Origin,
): PositionedEvent | undefined {
  const headers = message.headers ?? {};
  const attribute = (name: string) => textOf(headers, PREFIX + name);
  const type = TYPES.get(attribute('type') ?? '');
  const [id, time, position] = [attribute('id'), attribute('time'), Number(attribute(POSITION))];
  const isOurs = attribute('specversion') === '1.0' && attribute('source') === `urn:hub:${hubName}`;
  if (attribute(LEDGER) !== ledgerId) return undefined;
  if (!isOurs || type === undefined || id === undefined || time === undefined) return undefined;
  if (!Number.isSafeInteger(position) || position < 1 || message.key === null || message.value === null)
    return undefined;
  const data = parseJson(message.value.toString());
  if (typeof data !== 'object' || data === null) return undefined;
  const [correlationId, causationId, replayOf] = [
    attribute('correlationid'),
    attribute('causationid'),
    attribute('replayof'),
  ];
  return {
    position,
    id,
    type,
    stream,
    key: message.key.toString(),
    time,
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(causationId === undefined ? {} : { causationId }),
    ...(replayOf === undefined ? {} : { replayOf }),
    // Checked when the ledger took it.
    data: data as PositionedEvent['data'],
  };
}

/** Position of the event before it in its topic and partition; undefined when its relay did not know. */
export function previousOf(message: Pick<KafkaMessage, 'headers'>): number | undefined {
  const text = textOf(message.headers ?? {}, PREFIX + PREVIOUS);
  return text === undefined || !/^\d{1,15}$/.test(text) ? undefined : Number(text);
}

function textOf(headers: IHeaders, name: string): string | undefined {
  const value = [headers[name]].flat()[0];
  return value === undefined ? undefined : value.toString();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No JSON: none of ours.
    return undefined;
  }
}
