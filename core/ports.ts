/** The small ports every stage is handed: log, metrics, clock, bus. The ledger has a file of its own. */
import type { PositionedEvent } from './events.ts';
import type { Role } from './ledger/tokens.ts';
import type { PartnerScope } from './partners.ts';
import type { HubStream, Stream } from './streams.ts';

export type LogFields = Readonly<Record<string, unknown>>;

/** Constant message, varying fields. Bound by `child`. Never patient attributes; a redaction format drops them as a second net. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  child(fields: LogFields): Logger;
}

export interface MetricDefinition<Label extends string = string> {
  /** `hub_<stage>_<what>_<unit>`. */
  readonly name: string;
  readonly help: string;
  /** From configuration or code, never UIDs. */
  readonly labels: readonly Label[];
}
export interface HistogramDefinition<Label extends string = string> extends MetricDefinition<Label> {
  readonly buckets: readonly number[];
}
export type Labels<Label extends string> = Readonly<Record<Label, string>>;
export interface Counter<Label extends string> {
  increment(labels: Labels<Label>, by?: number): void;
}
export interface Gauge<Label extends string> {
  set(labels: Labels<Label>, value: number): void;
  /** Called at each scrape, before the values are read. */
  collect(update: () => void | Promise<void>): void;
  /** Forgets all label sets, for gauges that are rebuilt at each scrape. */
  reset(): void;
}
export interface Histogram<Label extends string> {
  observe(labels: Labels<Label>, value: number): void;
}
/** The very same definition object asked for again is the same counter; another one of the same name is a mistake. */
export interface Metrics {
  counter<const Label extends string>(definition: MetricDefinition<Label>): Counter<Label>;
  gauge<const Label extends string>(definition: MetricDefinition<Label>): Gauge<Label>;
  histogram<const Label extends string>(definition: HistogramDefinition<Label>): Histogram<Label>;
}

/** Injected where time decides something, so that tests can own it. */
export interface Clock {
  now(): Date;
}

export interface Subscription {
  /** Stops taking events and waits for the handler in flight. Harmless twice. */
  stop(): Promise<void>;
}

export interface SubscribeOptions {
  /** Members of a group share the work; each group sees every event. */
  readonly group: string;
  readonly streams: readonly HubStream[];
  /** Where a group that was never seen begins. */
  readonly from: 'earliest' | 'latest';
}

/**
 * Facts on their way between stages. Appending happens in the ledger, in the transaction that made the fact true;
 * the bus hands facts to groups, at least once, in order per key. A handler records (inbox and effect in one ledger
 * transaction) and returns; it never does the work. A handler that throws parks the event and all later events of its
 * key, and the bus tries again with back-off; other keys go on.
 */
export interface EventBus {
  subscribe(
    options: SubscribeOptions,
    handler: (event: PositionedEvent, context: { readonly signal: AbortSignal }) => Promise<void>,
  ): Promise<Subscription>;
  /** Moves a group to just before a position, or a time, so that it sees everything from there again. */
  seek(group: string, to: number | Date): Promise<void>;
  lag(): Promise<readonly BusLag[]>;
  stop(): Promise<void>;
}

export interface BusLag {
  readonly group: string;
  readonly stream: Stream;
  readonly events: number;
  /** Age of the oldest event the group has not handled; 0 when there is none. */
  readonly seconds: number;
  readonly parkedKeys: number;
}

/** Who asks, as established from a token or from the hub's own socket. */
export interface Identity {
  /** Token id, or `local` for the hub's own socket; the actor of audit events. Never the secret. */
  readonly actor: string;
  readonly role: Role;
  /** Set for role `partner`, and only there. */
  readonly partner?: string;
  /** What the partner's token may be used for; set with `partner`. */
  readonly scopes?: readonly PartnerScope[];
}
