/** What all parts of the ledger speak of. */
import type { EventType, HubEvent } from '../events.ts';

/**
 * What the hub knows and must not forget. Each method is one transaction: it has happened, durably, when its promise
 * resolves, or it has not happened at all. Methods that make a fact true append the event of that fact in the same
 * transaction. Every method may be repeated after a crash: what was done is not done twice.
 */

/** An event as its maker describes it; the ledger gives it a UUIDv7 and a position. */
export type NewEvent = {
  [T in EventType]: Omit<HubEvent<T>, 'id' | 'time'> & { readonly id?: string };
}[EventType];

/** A handler's proof that it saw an event; recorded once a group, and everything with it is skipped the second time. */
export interface InboxEntry {
  readonly group: string;
  readonly eventId: string;
}

/** Text values of the header by keyword, for route matching: `{ Modality: ['MR'], ImageType: ['ORIGINAL', 'PRIMARY'] }`. Stays in the hub. */
export type Attributes = Readonly<Record<string, readonly string[]>>;

/** Pages of lists: newest first; `before` is the identifier (study UID, delivery ID, quarantine ID) of the last row of the page before. */
export interface Page {
  readonly limit: number;
  readonly before?: string;
}
