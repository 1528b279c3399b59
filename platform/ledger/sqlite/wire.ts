/** What crosses between a caller's thread and the writer's. */
import type { MessagePort } from 'node:worker_threads';
import type { PackedError } from '../../../core/packed-error.ts';

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
  | { readonly id: number; readonly ok: false; readonly error: PackedError };

export type FromWriter =
  | { readonly kind: 'ready' }
  | { readonly kind: 'refused'; readonly error: PackedError }
  /** One commit. */
  | { readonly kind: 'committed'; readonly replies: readonly Reply[]; readonly durationMs: number }
  /** Another thread's commit may have made work for this one. */
  | { readonly kind: 'news' }
  | { readonly kind: 'wal-large'; readonly walBytes: number }
  | { readonly kind: 'closed' };
