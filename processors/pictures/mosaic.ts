/** A contact sheet of a volume's slices: what a technician looks at first. */
import { neighbours } from '../qc/selection.ts';
import type { Volume } from '../volumes/volume.ts';
import { type View, viewOf } from './view.ts';

/** Slices shown; more are thinned out evenly. */
const MAX_SLICES = 64;
/** Longest side of the sheet. */
const MAX_SIDE = 2_048;
const MIN_TILE_PIXELS = 24;
const WINDOW = { low: 0.01, high: 0.995 } as const;
/** Values looked at to find the window. */
const WINDOW_SAMPLES = 200_000;
const GAP = 1;

/** One slice in the sheet. */
export interface Tile {
  /** Along the axis of the view, from 0. */
  readonly slice: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Where each slice lies, and where its pixels come from. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly tiles: readonly Tile[];
  readonly view: View;
  /** The voxel nearest to each pixel, as index into the first repetition; −1 between the tiles. */
  readonly voxels: Int32Array;
  /** Pixels a voxel of the finer spacing takes. */
  readonly zoom: number;
}

export interface Picture extends Layout {
  /** 8 bit grey, row by row. */
  readonly grey: Uint8Array;
}

export interface LayoutOptions {
  /** Small slices are enlarged until their shorter side has so many pixels. */
  readonly tilePixels?: number;
  /** Of the whole sheet. */
  readonly maxPixels?: number;
  readonly maxSlices?: number;
  /** Longer than high by so much, as far as slices can be arranged so. */
  readonly aspect?: number;
}

/** All slices of the first repetition, in order, each the right way up and with square pixels. */
export function mosaic(volume: Volume, options: LayoutOptions = {}): Picture {
  const [nx, ny, nz] = volume.dims;
  const layout = layoutOf(volume, options);
  const first = volume.data.subarray(0, nx * ny * nz);
  const grey = levels(sampled(layout, volume, first), windowOf(first), 255);
  return { ...layout, grey };
}

/** Values between `low` and `high` as 0 … `top`; what is no number is 0. */
export function levels(values: Float32Array, { low, high }: Window, top: number): Uint8Array {
  const scale = high > low ? top / (high - low) : 0;
  const grey = new Uint8Array(values.length);
  for (let i = 0; i < grey.length; i++) {
    const level = Math.floor(((values[i] ?? Number.NaN) - low) * scale + 0.5);
    grey[i] = level > top ? top : level > 0 ? level : 0;
  }
  return grey;
}

export interface Window {
  readonly low: number;
  readonly high: number;
}

/** P1 to P99.5: one bright vessel must not leave the rest dark. */
export function windowOf(values: Float32Array): Window {
  const step = Math.max(1, Math.floor(values.length / WINDOW_SAMPLES));
  const some = new Float64Array(Math.ceil(values.length / step));
  let count = 0;
  for (let i = 0; i < values.length; i += step) {
    some[count] = values[i] ?? 0;
    // What is no number is in no order, and black.
    if (!Number.isNaN(some[count])) count++;
  }
  if (count === 0) return { low: 0, high: 0 };
  const at = (share: number) => neighbours(some.subarray(0, count), Math.min(count - 1, Math.floor(share * count)))[0];
  return { low: at(WINDOW.low), high: at(WINDOW.high) };
}

export function layoutOf(volume: Volume, options: LayoutOptions = {}): Layout {
  const { tilePixels = 0, maxPixels = MAX_SIDE * MAX_SIDE, maxSlices = MAX_SLICES, aspect = 1 } = options;
  const view = viewOf(volume);
  const { across, down, through } = view;
  const shown = chosenSlices(volume.dims[through], maxSlices);
  const [sizeAcross, sizeDown] = [volume.dims[across], volume.dims[down]];
  const [spaceAcross, spaceDown] = [volume.spacingMm[across], volume.spacingMm[down]];
  // The finer spacing gives one voxel a pixel; the coarser one is stretched to the true shape.
  const finest = Math.min(spaceAcross, spaceDown);
  const natural = { width: (sizeAcross * spaceAcross) / finest, height: (sizeDown * spaceDown) / finest };
  const wanted = Math.sqrt((aspect * shown.length * natural.height) / natural.width);
  const columns = columnsFor(shown.length, wanted);
  const rows = Math.ceil(shown.length / columns);
  const enlarged = Math.max(1, tilePixels / Math.min(natural.width, natural.height));
  const most = Math.min(
    MAX_SIDE / (natural.width * columns),
    MAX_SIDE / (natural.height * rows),
    Math.sqrt(maxPixels / (natural.width * columns * natural.height * rows)),
  );
  const zoom = Math.min(enlarged, most);
  const tileWidth = Math.max(MIN_TILE_PIXELS, Math.round(natural.width * zoom) - GAP);
  const tileHeight = Math.max(MIN_TILE_PIXELS, Math.round(natural.height * zoom) - GAP);
  const [width, height] = [columns * (tileWidth + GAP), rows * (tileHeight + GAP)];
  const tiles = shown.map((slice, index) => ({
    slice,
    left: (index % columns) * (tileWidth + GAP),
    top: Math.floor(index / columns) * (tileHeight + GAP),
    width: tileWidth,
    height: tileHeight,
  }));
  const layout = { width, height, tiles, view, zoom, voxels: new Int32Array(width * height).fill(-1) };
  const columnsOf = placesOf(tileWidth, sizeAcross, view.isAcrossTurned);
  const rowsOf = placesOf(tileHeight, sizeDown, view.isDownTurned);
  const strides = stridesOf(volume);
  for (const { slice, left, top } of tiles)
    for (let y = 0; y < tileHeight; y++)
      for (let x = 0; x < tileWidth; x++)
        layout.voxels[(top + y) * width + left + x] =
          slice * strides[through] +
          (rowsOf.nearest[y] ?? 0) * strides[down] +
          (columnsOf.nearest[x] ?? 0) * strides[across];
  return layout;
}

/** The values under each pixel, linear within the slice and held at its edges; NaN between the tiles. */
export function sampled({ width, height, tiles, view }: Layout, volume: Volume, data: Float32Array): Float32Array {
  const values = new Float32Array(width * height).fill(Number.NaN);
  const [first] = tiles;
  if (first === undefined) return values;
  const strides = stridesOf(volume);
  const columns = placesOf(first.width, volume.dims[view.across], view.isAcrossTurned);
  const rows = placesOf(first.height, volume.dims[view.down], view.isDownTurned);
  for (const { slice, left, top } of tiles)
    for (let y = 0; y < first.height; y++) {
      const upperRow = slice * strides[view.through] + (rows.low[y] ?? 0) * strides[view.down];
      const lowerRow = slice * strides[view.through] + (rows.high[y] ?? 0) * strides[view.down];
      const downwards = rows.share[y] ?? 0;
      for (let x = 0; x < first.width; x++) {
        const near = (columns.low[x] ?? 0) * strides[view.across];
        const far = (columns.high[x] ?? 0) * strides[view.across];
        const share = columns.share[x] ?? 0;
        const upper = mix(data[upperRow + near] ?? 0, data[upperRow + far] ?? 0, share);
        const lower = mix(data[lowerRow + near] ?? 0, data[lowerRow + far] ?? 0, share);
        values[(top + y) * width + left + x] = mix(upper, lower, downwards);
      }
    }
  return values;
}

/** Near the wanted shape, with few empty places. */
function columnsFor(count: number, wanted: number): number {
  const around = [-1, 0, 1].map((more) => Math.max(1, Math.min(count, Math.round(wanted) + more)));
  const cost = (columns: number) =>
    (Math.ceil(count / columns) * columns - count) / count + Math.abs(Math.log(columns / wanted));
  return around.reduce((best, columns) => (cost(columns) < cost(best) ? columns : best));
}

const mix = (a: number, b: number, share: number): number => a + (b - a) * share;

interface Places {
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly share: Float32Array;
  readonly nearest: Int32Array;
}

/** Which voxels the pixels along one side of a tile lie between. */
function placesOf(pixels: number, voxels: number, isTurned: boolean): Places {
  const places = {
    low: new Int32Array(pixels),
    high: new Int32Array(pixels),
    share: new Float32Array(pixels),
    nearest: new Int32Array(pixels),
  };
  for (let pixel = 0; pixel < pixels; pixel++) {
    const stored = ((pixel + 0.5) / pixels) * voxels - 0.5;
    const place = Math.max(0, Math.min(voxels - 1, isTurned ? voxels - 1 - stored : stored));
    const low = Math.floor(place);
    places.low[pixel] = low;
    places.high[pixel] = Math.min(voxels - 1, low + 1);
    places.share[pixel] = place - low;
    places.nearest[pixel] = Math.round(place);
  }
  return places;
}

function stridesOf({ dims: [nx, ny] }: Volume): readonly [number, number, number] {
  return [1, nx, nx * ny];
}

function chosenSlices(slices: number, most: number): readonly number[] {
  const count = Math.min(most, slices);
  return Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * slices) / count));
}
