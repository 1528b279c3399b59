/**
 * The facts of a study's journey. One entry is the schema, the TypeScript type, the stream, what a partner may see of
 * it, and the row in docs/events.md. Events carry identifiers, references, digests and numbers; never patient data or
 * pixels. On the wire: CloudEvents 1.0, `type` is `hub.<noun>.<participle>.v1`. The entries stand in `events/`, a file
 * for each stream.
 */
import type * as z from 'zod';
import { AUDIT_EVENTS } from './events/audit.ts';
import { DELIVERY_EVENTS } from './events/delivery.ts';
import type { EventEntry } from './events/entry.ts';
import { INGEST_EVENTS } from './events/ingest.ts';
import { RESULT_EVENTS } from './events/result.ts';
import { WORK_EVENTS } from './events/work.ts';
import type { Stream } from './streams.ts';

export const EVENTS = {
  ...INGEST_EVENTS,
  ...WORK_EVENTS,
  ...RESULT_EVENTS,
  ...DELIVERY_EVENTS,
  ...AUDIT_EVENTS,
} as const satisfies Record<string, EventEntry>;

export type EventType = keyof typeof EVENTS;
export type EventData<T extends EventType> = z.infer<(typeof EVENTS)[T]['data']>;

/** A fact with its envelope. `key` orders: events of one key are seen in the order they were appended. */
export interface HubEvent<T extends EventType = EventType> {
  /** UUIDv7. Handlers are idempotent on it. */
  readonly id: string;
  readonly type: T;
  readonly stream: Stream;
  /** Study Instance UID; for a partner's stream the pseudonymous one; for audit the actor. */
  readonly key: string;
  /** UTC ISO 8601. */
  readonly time: string;
  /** Follows the study from the association to the partner. Never set on a partner's stream. */
  readonly correlationId?: string;
  readonly causationId?: string;
  readonly replayOf?: string;
  /**
   * Only on a partner's stream: the route whose results it tells of. What its partner may read of it is decided by this
   * whenever it is read; it never leaves the hub.
   */
  readonly route?: string;
  readonly data: EventData<T>;
}

/** An event as a reader meets it: with its place in the log, which is also the cursor of a partner's feed. */
export type PositionedEvent = HubEvent & { readonly position: number };

/** Narrows an event, and with it its data, to one type. */
export function isEventOf<T extends EventType>(event: HubEvent, type: T): event is HubEvent<T> & typeof event {
  return event.type === type;
}

/** `study.completed` → `hub.study.completed.v1`. */
export function wireType(type: EventType): `hub.${EventType}.v1` {
  return `hub.${type}.v1`;
}

/** CloudEvents 1.0 structured JSON. Shape of every event on HTTP: the feed, webhooks. */
export function toCloudEvent(event: HubEvent, hubName: string): Record<string, unknown> {
  return {
    specversion: '1.0',
    id: event.id,
    source: `urn:hub:${hubName}`,
    type: wireType(event.type),
    subject: event.key,
    time: event.time,
    datacontenttype: 'application/json',
    dataschema: `/schemas/${event.stream.startsWith('partner.') ? 'partner/' : ''}${wireType(event.type)}.json`,
    ...(event.correlationId === undefined ? {} : { correlationid: event.correlationId }),
    ...(event.causationId === undefined ? {} : { causationid: event.causationId }),
    ...(event.replayOf === undefined ? {} : { replayof: event.replayOf }),
    data: event.data,
  };
}

/** Checks an event against its entry; we are strict when we publish. @throws {z.ZodError} a defect of ours */
export function checkEvent(event: HubEvent): void {
  const entry: EventEntry = EVENTS[event.type];
  const schema = event.stream.startsWith('partner.') ? entry.partner : entry.data;
  if (schema === undefined) throw new TypeError(`${event.type} is not for partners`);
  schema.parse(event.data);
}
