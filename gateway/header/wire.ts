/** What the thread for large headers and the one that asks it say to each other: one object at a time. */
import type { PackedError } from '../../core/packed-error.ts';
import type { Examined } from './describe.ts';

export type ToHeaderWorker =
  | {
      readonly kind: 'object';
      readonly sizeBytes: number;
      /** Where the deflated data set begins; absent when it is not deflated. */
      readonly deflatedFrom?: number;
    }
  /** What it asked for. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'unreadable'; readonly error: PackedError };

export type FromHeaderWorker =
  | { readonly kind: 'read'; readonly offset: number; readonly length: number }
  | { readonly kind: 'described'; readonly examined: Examined }
  | { readonly kind: 'refused'; readonly error: PackedError };
