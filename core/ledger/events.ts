/** The log of events, and how far each group of readers is in it. */
import type { EventType, PositionedEvent } from '../events.ts';
import type { Stream } from '../streams.ts';
import type { InboxEntry, NewEvent } from './common.ts';

export interface EventsLedger {
  append(events: readonly NewEvent[], inbox?: InboxEntry): Promise<'recorded' | 'already'>;
  /** Events after `after`, in order. */
  read(options: {
    readonly streams: readonly Stream[];
    readonly after: number;
    readonly limit: number;
    readonly types?: readonly EventType[];
  }): Promise<readonly PositionedEvent[]>;
  /** Newest position of any stream. */
  head(): Promise<number>;
}

/** The embedded bus's own book-keeping. */
export interface GroupsLedger {
  open(group: string, from: 'earliest' | 'latest'): Promise<number>;
  commit(group: string, position: number): Promise<void>;
  /** `attempts`: how often the handler failed on this event; 0 while it only waits behind another of its key. */
  park(group: string, event: PositionedEvent, dueAt: Date, reason: string, attempts: number): Promise<void>;
  unpark(group: string, position: number): Promise<void>;
  parked(group: string): Promise<
    readonly {
      readonly position: number;
      readonly key: string;
      readonly attempts: number;
      readonly dueAt: Date;
    }[]
  >;
  lag(
    groups: readonly {
      readonly group: string;
      readonly streams: readonly Stream[];
    }[],
  ): Promise<
    readonly {
      readonly group: string;
      readonly stream: Stream;
      readonly events: number;
      readonly seconds: number;
      readonly parkedKeys: number;
    }[]
  >;
}
