/** The log of facts and the inboxes of its readers. */
import { v7 as uuidv7 } from 'uuid';
import { HubError } from '../../../core/errors.ts';
import { checkEvent, type EventType, type HubEvent, type PositionedEvent } from '../../../core/events.ts';
import type { InboxEntry, NewEvent } from '../../../core/ledger/common.ts';
import type { Stream } from '../../../core/streams.ts';
import type { Database, Script, Statement } from './script.ts';

/** Checked, with its identity, ready to be bound to the INSERT. */
export interface SealedEvent {
  readonly id: string;
  readonly type: EventType;
  readonly stream: Stream;
  readonly key: string;
  readonly time: string;
  readonly correlationId: string | undefined;
  readonly causationId: string | undefined;
  readonly replayOf: string | undefined;
  readonly route: string | undefined;
  readonly data: string;
}

/** Brokers and partners' HTTP servers take a message of this size without being asked. */
const MAX_DATA_BYTES = 65_536;

/**
 * Gives an event its identity and checks it: what is in the log once cannot be taken back.
 *
 * @throws {z.ZodError} a defect of ours
 * @throws {HubError} `event.too-large`
 */
export function sealEvent(event: NewEvent, now: Date): SealedEvent {
  const sealed = { ...event, id: event.id ?? uuidv7(), time: now.toISOString() };
  checkEvent(sealed);
  if (event.stream.startsWith('partner.') && event.correlationId !== undefined) {
    throw new TypeError(`${event.type}: a correlation ID of the hub must not reach a partner`);
  }
  const data = JSON.stringify(event.data);
  const sizeBytes = Buffer.byteLength(data);
  if (sizeBytes > MAX_DATA_BYTES) {
    throw new HubError('event.too-large', { type: event.type, sizeBytes, maxBytes: MAX_DATA_BYTES });
  }
  return {
    id: sealed.id,
    type: event.type,
    stream: event.stream,
    key: event.key,
    time: sealed.time,
    correlationId: event.correlationId,
    causationId: event.causationId,
    replayOf: event.replayOf,
    route: event.route,
    data,
  };
}

/** What the other groups need of the log inside their own transactions. */
export interface EventLog {
  append(events: readonly SealedEvent[]): Script<void>;
  /** An event the ledger itself makes: checked here. Answers its ID. */
  publish(event: NewEvent, now: Date): Script<string>;
  /** False when the group has recorded the event before: nothing more must happen. */
  enter(inbox: InboxEntry, now: Date): Script<boolean>;
}

export function openEventLog(db: Database): EventLog {
  // The same event again (a caller that repeats after a crash) is the same fact.
  const insert = db.appending(
    `INSERT INTO events (id, type, stream, key, time, correlation_id, causation_id, replay_of, route, data)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
  );
  const enter = db.query(
    'INSERT INTO inbox (group_name, event_id, recorded_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const append = function* (events: readonly SealedEvent[]): Script<void> {
    for (const event of events) {
      yield* insert.send(
        event.id,
        event.type,
        event.stream,
        event.key,
        event.time,
        event.correlationId,
        event.causationId,
        event.replayOf,
        event.route,
        event.data,
      );
    }
  };
  return {
    append,
    *publish(event, now) {
      const sealed = sealEvent(event, now);
      yield* append([sealed]);
      return sealed.id;
    },
    *enter(inbox, now) {
      return (yield* enter.run(inbox.group, inbox.eventId, now.getTime())) === 1;
    },
  };
}

export function eventWrites(log: EventLog) {
  return {
    *append(now: Date, events: readonly SealedEvent[], inbox: InboxEntry | undefined): Script<'recorded' | 'already'> {
      if (inbox !== undefined && !(yield* log.enter(inbox, now))) return 'already';
      yield* log.append(events);
      return 'recorded';
    },
  };
}

export function eventReads(db: Database) {
  const statements = new Map<string, Statement<EventRow>>();
  const head = db.query<{ head: number | null }>('SELECT max(position) AS head FROM events');

  return {
    *read(options: {
      readonly streams: readonly Stream[];
      readonly after: number;
      readonly limit: number;
      readonly types?: readonly EventType[];
    }): Script<readonly PositionedEvent[]> {
      const { streams, after, limit, types } = options;
      if (streams.length === 0 || types?.length === 0) return [];
      const shape = `${streams.length}/${types?.length ?? 0}`;
      let statement = statements.get(shape);
      if (statement === undefined) {
        statement = db.query<EventRow>(readSql(streams.length, types?.length ?? 0));
        // Shapes are few: there are five streams, and a dozen types.
        statements.set(shape, statement);
      }
      const parameters = streams.flatMap((stream) => [stream, after, ...(types ?? []), limit]);
      return (yield* statement.all(...parameters, limit)).map(toEvent);
    },
    *head(): Script<number> {
      return (yield* head.get())?.head ?? 0;
    },
  };
}

export interface EventRow {
  readonly position: number;
  readonly id: string;
  readonly type: EventType;
  readonly stream: Stream;
  readonly key: string;
  readonly time: string;
  readonly correlation_id: string | null;
  readonly causation_id: string | null;
  readonly replay_of: string | null;
  readonly route: string | null;
  readonly data: string;
}

export function toEvent(row: EventRow): PositionedEvent {
  return {
    position: row.position,
    id: row.id,
    type: row.type,
    stream: row.stream,
    key: row.key,
    time: row.time,
    ...(row.correlation_id === null ? {} : { correlationId: row.correlation_id }),
    ...(row.causation_id === null ? {} : { causationId: row.causation_id }),
    ...(row.replay_of === null ? {} : { replayOf: row.replay_of }),
    ...(row.route === null ? {} : { route: row.route }),
    // Checked when it was appended.
    data: JSON.parse(row.data) as HubEvent['data'],
  };
}

/**
 * Each stream's next positions come from the covering index; only the rows of the page are fetched. One scan over
 * all streams would read a million instance events to find a group's three deliveries.
 */
function readSql(streams: number, types: number): string {
  const ofType = types === 0 ? '' : ` AND type IN (${Array(types).fill('?').join(', ')})`;
  const next = `SELECT * FROM (SELECT position FROM events WHERE stream = ? AND position > ?${ofType} ORDER BY position LIMIT ?) AS next`;
  return `SELECT * FROM events WHERE position IN (${Array(streams).fill(next).join(' UNION ALL ')}) ORDER BY position LIMIT ?`;
}
