/** What crosses between a hub's main thread and a thread that runs some of its stages. */
import type { PackedError } from '../../core/packed-error.ts';
import type { LogFields } from '../../core/ports.ts';
import type { MetricValues } from '../metrics.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** Something in a thread that is not as it should be, for the probes. */
export interface Condition {
  /** `bus`, … */
  readonly name: string;
  readonly error: PackedError;
  /** `degraded`: shown. `not-ready`: nothing new is sent to this hub. `dead`: a restart may help. */
  readonly severity: 'degraded' | 'not-ready' | 'dead';
}

/**
 * What a thread is told while it runs, it takes in two steps: `prepare` may fail, and changes nothing; `commit` cannot,
 * and is the moment from which on it holds. `discard` forgets what was prepared.
 */
export type ToThread =
  | { readonly kind: 'metrics'; readonly id: number }
  | { readonly kind: 'prepare'; readonly id: number; readonly data: unknown }
  | { readonly kind: 'commit' | 'discard' }
  | { readonly kind: 'stop'; readonly graceMs: number };

export type FromThread =
  | { readonly kind: 'started' }
  | { readonly kind: 'refused'; readonly error: PackedError }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly message: string; readonly fields: LogFields }
  | { readonly kind: 'metrics'; readonly id: number; readonly values: MetricValues }
  | { readonly kind: 'prepared'; readonly id: number; readonly error?: PackedError }
  | { readonly kind: 'conditions'; readonly conditions: readonly Condition[] }
  | { readonly kind: 'stopped' };

/** Both ends are ours and of one version: a message is what its sender says. */
export const parseFromThread = (message: unknown): FromThread => message as FromThread;
export const parseToThread = (message: unknown): ToThread => message as ToThread;
