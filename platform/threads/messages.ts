/** What crosses between a hub's main thread and a thread that runs some of its stages. */
import type { PackedError } from '../../core/packed-error.ts';
import type { LogFields } from '../../core/ports.ts';
import type { MetricValues } from '../metrics.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export type ToThread =
  { readonly kind: 'metrics'; readonly id: number } | { readonly kind: 'stop'; readonly graceMs: number };

export type FromThread =
  | { readonly kind: 'started' }
  | { readonly kind: 'refused'; readonly error: PackedError }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly message: string; readonly fields: LogFields }
  | { readonly kind: 'metrics'; readonly id: number; readonly values: MetricValues }
  | { readonly kind: 'stopped' };

/** Both ends are ours and of one version: a message is what its sender says. */
export const parseFromThread = (message: unknown): FromThread => message as FromThread;
export const parseToThread = (message: unknown): ToThread => message as ToThread;
