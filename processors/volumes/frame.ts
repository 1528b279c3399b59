/** One slice as its header describes it, whatever kind of instance it came in. */
import type { InstanceItem } from '../../core/store.ts';
import type { PixelFormat } from './pixels.ts';
import type { Component, FindingCode, Triple } from './volume.ts';

export interface FrameGeometry {
  readonly position: Triple;
  /** Direction in which the column index grows, and the row index. */
  readonly rowDirection: Triple;
  readonly columnDirection: Triple;
  /** Between columns (along a row), between rows. */
  readonly pixelSpacingMm: readonly [number, number];
  /** From this slice to the next by the header: where there is no next one, nothing else says it. */
  readonly thicknessMm: number;
  /** False: the header does not say, and a millimetre is assumed. */
  readonly isThicknessKnown: boolean;
}

/** Part of a stored frame, when several slices share one picture (Siemens mosaic). */
export interface Tile {
  readonly x: number;
  readonly y: number;
}

/** How a frame was diffusion-weighted. */
export interface Weighting {
  /** In s/mm². */
  readonly bValue: number;
  /** Unit vector in patient coordinates (LPS); undefined where there is no direction. */
  readonly direction?: Triple;
}

export interface Frame {
  readonly instance: LoadedInstance;
  /** From 0. */
  readonly frameIndex: number;
  readonly rows: number;
  readonly columns: number;
  readonly tile?: Tile;
  readonly geometry: FrameGeometry;
  readonly slope: number;
  readonly intercept: number;
  /** The header's rescale made no sense: slope 1, intercept 0. */
  readonly isRescaleDamaged: boolean;
  readonly component: Component;
  /** Frames with different values belong to different volumes: echo, magnitude or phase, measured or computed. */
  readonly contrast: string;
  /** Orders frames at the same place; compared number by number. */
  readonly order: readonly number[];
  /** Numbers of which one may tell the repetition: the same for all slices of one, another in each. NaN where the header has none. */
  readonly repetitionMarks: readonly number[];
  readonly weighting?: Weighting;
  readonly echoTimeMs?: number;
  readonly repetitionTimeMs?: number;
  /** When it was taken, from whatever beginning all frames of the series share. */
  readonly acquiredMs?: number;
  /** When it was taken after the start of its repetition, where the header says so itself. */
  readonly sliceTimeMs?: number;
}

/** What is kept of an instance while its series is put together: its header may be megabytes, a series has thousands. */
export interface LoadedInstance {
  readonly item: InstanceItem;
  readonly format: PixelFormat;
  readonly isMultiFrame: boolean;
  /** Instance Number; orders nothing in space. */
  readonly number: number;
}

export type FramesOrFinding = readonly Frame[] | { readonly code: FindingCode; readonly detail?: string };
