/** What crosses between a caller's thread and the writer's. */
import type { MessagePort } from 'node:worker_threads';
import { type ErrorCode, type ErrorFields, HubError, toHubError } from '../../../core/errors.ts';

export interface WriterOptions {
  readonly file: string;
  readonly lockFile: string;
  readonly checkpointMs: number;
}

export interface Call {
  readonly id: number;
  readonly group: string;
  readonly method: string;
  readonly args: readonly unknown[];
}

export type ToWriter =
  | { readonly kind: 'call'; readonly call: Call }
  /** Another thread will call through this port. */
  | { readonly kind: 'connect'; readonly port: MessagePort }
  | { readonly kind: 'close' };

export type Reply =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly error: WireError };

export type FromWriter =
  | { readonly kind: 'ready' }
  | { readonly kind: 'refused'; readonly error: WireError }
  /** One commit. */
  | { readonly kind: 'committed'; readonly replies: readonly Reply[]; readonly durationMs: number }
  /** Another thread's commit may have made work for this one. */
  | { readonly kind: 'news' }
  | { readonly kind: 'wal-large'; readonly walBytes: number }
  | { readonly kind: 'closed' };

/** Calls that may have made work for somebody. The rest is book-keeping: to wake everybody for it would make the bus wake itself. */
const MAKES_WORK: ReadonlySet<string> = new Set([
  'instances.record',
  'studies.complete',
  'runs.open',
  'runs.start',
  'runs.replay',
  'jobs.finishStep',
  'jobs.retryStep',
  'jobs.quarantine',
  'deliveries.open',
  'deliveries.succeed',
  'deliveries.fail',
  'deliveries.replay',
  'quarantine.hold',
  'quarantine.release',
  'events.append',
]);

export function makesWork({ group, method }: Pick<Call, 'group' | 'method'>): boolean {
  return MAKES_WORK.has(`${group}.${method}`);
}

/** An error does not survive the crossing with its class; its parts do. */
export interface WireError {
  readonly code: ErrorCode;
  readonly fields: ErrorFields;
  readonly cause?: { readonly name: string; readonly message: string; readonly stack: string | undefined };
}

export function packError(error: unknown): WireError {
  const { code, fields, cause } = toHubError(error);
  if (!(cause instanceof Error)) return { code, fields };
  return { code, fields, cause: { name: cause.name, message: cause.message, stack: cause.stack } };
}

export function unpackError({ code, fields, cause }: WireError): HubError {
  if (cause === undefined) return new HubError(code, fields);
  const inner = new Error(cause.message);
  inner.name = cause.name;
  if (cause.stack !== undefined) inner.stack = cause.stack;
  return new HubError(code, fields, inner);
}
