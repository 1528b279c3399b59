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

/**
 * The embedded bus's own book-keeping. Where replicas take turns to read for a group, who writes names the fence of its
 * lease (`groupLease`): with an earlier one nothing happens, and the answer is `false`.
 */
export interface GroupsLedger {
  open(group: string, from: 'earliest' | 'latest'): Promise<number>;
  commit(group: string, position: number, fence?: number): Promise<boolean>;
  /** `attempts`: how often the handler failed on this event; 0 while it only waits behind another of its key. */
  park(
    group: string,
    event: PositionedEvent,
    dueAt: Date,
    reason: string,
    attempts: number,
    fence?: number,
  ): Promise<boolean>;
  unpark(group: string, position: number, fence?: number): Promise<boolean>;
  /** Back, or on, to just before a position. Whoever reads has lost its fence by it; what was parked from there on is not any more. */
  rewind(group: string, position: number): Promise<void>;
  /** Whether nobody has taken the lease of the group since. */
  holds(group: string, fence: number): Promise<boolean>;
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
