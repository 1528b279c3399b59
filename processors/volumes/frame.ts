/** One slice as its header describes it, whatever kind of instance it came in. */
import type { Part10Header } from '../../core/dicom/part10.ts';
import type { InstanceItem } from '../../core/store.ts';
import type { PixelFormat } from './pixels.ts';
import type { FindingCode, Triple } from './volume.ts';

export interface FrameGeometry {
  readonly position: Triple;
  /** Direction in which the column index grows, and the row index. */
  readonly rowDirection: Triple;
  readonly columnDirection: Triple;
  /** Between columns (along a row), between rows. */
  readonly pixelSpacingMm: readonly [number, number];
  readonly thicknessMm: number;
}

/** Part of a stored frame, when several slices share one picture (Siemens mosaic). */
export interface Tile {
  readonly x: number;
  readonly y: number;
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
  /** Frames with different values belong to different volumes: echo, magnitude or phase. */
  readonly contrast: string;
  /** Orders frames at the same place; compared number by number. */
  readonly order: readonly number[];
}

export interface LoadedInstance {
  readonly item: InstanceItem;
  readonly header: Part10Header;
  readonly format: PixelFormat;
  readonly numberOfFrames: number;
}

export type FramesOrFinding = readonly Frame[] | { readonly code: FindingCode; readonly detail?: string };
