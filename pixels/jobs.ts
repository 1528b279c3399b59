/** What is asked of a pixel worker, and what it answers. Both ends are ours and of one version. */
import type { PackedError } from '../core/packed-error.ts';
import type { PixelDescription } from './description.ts';
import type { Presentation, Window } from './presentation.ts';
import type { Viewport } from './viewport.ts';

export type PictureType = 'image/png' | 'image/jpeg';

interface StoredFrame {
  /** One frame as stored. Its buffer goes to the worker and is gone here. */
  readonly stored: Uint8Array;
  readonly transferSyntaxUid: string;
  readonly description: PixelDescription;
}

/** Native samples: little endian, interleaved. */
export interface DecodeJob extends StoredFrame {
  readonly kind: 'decode';
}

export interface RenderJob extends StoredFrame {
  readonly kind: 'render';
  readonly presentation: Presentation;
  readonly window: Window | undefined;
  readonly viewport: Viewport | undefined;
  readonly type: PictureType;
  /** 1 … 100, of JPEG. */
  readonly quality: number;
}

export type PixelJob = DecodeJob | RenderJob;

export interface PixelResult {
  readonly bytes: Uint8Array;
  /** Of decoded samples. */
  readonly photometricInterpretation: string;
}

export type FromPixelWorker =
  { readonly kind: 'done'; readonly result: PixelResult } | { readonly kind: 'failed'; readonly error: PackedError };

export const parseFromPixelWorker = (message: unknown): FromPixelWorker => message as FromPixelWorker;
export const parseToPixelWorker = (message: unknown): PixelJob => message as PixelJob;
