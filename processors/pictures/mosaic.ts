/** A contact sheet of a volume's slices as a PNG: what a technician looks at first. */
import { encode } from 'fast-png';
import type { Volume } from '../volumes/volume.ts';

/** Slices shown; more are thinned out evenly. */
const MAX_SLICES = 64;
/** Longest side of the sheet. */
const MAX_PIXELS = 2_048;
const MIN_TILE_PIXELS = 24;
const WINDOW = { low: 0.01, high: 0.995 } as const;
/** Values looked at to find the window. */
const WINDOW_SAMPLES = 200_000;
const GAP = 1;

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** 8 bit grey, row by row. */
  readonly grey: Uint8Array;
  /** The voxel nearest to each pixel, as index into the first repetition; −1 between the tiles. */
  readonly voxels: Int32Array;
}

/** All slices of the first repetition, in order, each the right way up and with square pixels. */
export function mosaicPng(volume: Volume): Uint8Array {
  const { width, height, grey } = mosaic(volume);
  return encode({ width, height, data: grey, channels: 1, depth: 8 });
}

export function mosaic(volume: Volume): Picture {
  const [nx, ny, nz] = volume.dims;
  const shown = chosenSlices(nz);
  const [sx, sy] = volume.spacingMm;
  const across = Math.ceil(Math.sqrt((shown.length * ny * sy) / (nx * sx)));
  const columns = Math.min(shown.length, Math.max(1, across));
  const rows = Math.ceil(shown.length / columns);
  // The finer spacing gives one voxel a pixel; the coarser one is stretched to the true shape.
  const finest = Math.min(sx, sy);
  const natural = { width: (nx * sx) / finest, height: (ny * sy) / finest };
  const shrink = Math.min(1, MAX_PIXELS / (natural.width * columns), MAX_PIXELS / (natural.height * rows));
  const tileWidth = Math.max(MIN_TILE_PIXELS, Math.round(natural.width * shrink) - GAP);
  const tileHeight = Math.max(MIN_TILE_PIXELS, Math.round(natural.height * shrink) - GAP);

  const width = columns * (tileWidth + GAP);
  const height = rows * (tileHeight + GAP);
  const grey = new Uint8Array(width * height);
  const voxels = new Int32Array(width * height).fill(-1);
  const { low, high } = windowOf(volume.data.subarray(0, nx * ny * nz));
  const scale = high > low ? 255 / (high - low) : 0;
  const flips = flipsOf(volume.affine);
  shown.forEach((slice, index) => {
    const left = (index % columns) * (tileWidth + GAP);
    const top = Math.floor(index / columns) * (tileHeight + GAP);
    const plane = volume.data.subarray(slice * nx * ny, (slice + 1) * nx * ny);
    for (let y = 0; y < tileHeight; y++) {
      const v = ((y + 0.5) / tileHeight) * ny - 0.5;
      for (let x = 0; x < tileWidth; x++) {
        const u = ((x + 0.5) / tileWidth) * nx - 0.5;
        const column = flips.x ? nx - 1 - u : u;
        const row = flips.y ? ny - 1 - v : v;
        const pixel = (top + y) * width + left + x;
        grey[pixel] = Math.max(0, Math.min(255, Math.round((sample(plane, nx, ny, column, row) - low) * scale)));
        voxels[pixel] = (slice * ny + nearest(row, ny)) * nx + nearest(column, nx);
      }
    }
  });
  return { width, height, grey, voxels };
}

function nearest(position: number, size: number): number {
  return Math.max(0, Math.min(size - 1, Math.round(position)));
}

function chosenSlices(slices: number): readonly number[] {
  const count = Math.min(MAX_SLICES, slices);
  return Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * slices) / count));
}

/** Linear within the plane, held at its edges. */
function sample(plane: Float32Array, nx: number, ny: number, u: number, v: number): number {
  const x = Math.max(0, Math.min(nx - 1, u));
  const y = Math.max(0, Math.min(ny - 1, v));
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  const x1 = Math.min(nx - 1, x0 + 1);
  const y1 = Math.min(ny - 1, y0 + 1);
  const at = (column: number, row: number) => plane[row * nx + column] ?? 0;
  const upper = at(x0, y0) + (at(x1, y0) - at(x0, y0)) * (x - x0);
  const lower = at(x0, y1) + (at(x1, y1) - at(x0, y1)) * (x - x0);
  return upper + (lower - upper) * (y - y0);
}

/** P1 to P99.5: one bright vessel must not leave the rest dark. */
function windowOf(values: Float32Array): { readonly low: number; readonly high: number } {
  const step = Math.max(1, Math.floor(values.length / WINDOW_SAMPLES));
  const samples = Float32Array.from({ length: Math.ceil(values.length / step) }, (_, i) => values[i * step] ?? 0);
  samples.sort();
  const at = (share: number) => samples[Math.min(samples.length - 1, Math.floor(share * samples.length))] ?? 0;
  return { low: at(WINDOW.low), high: at(WINDOW.high) };
}

/**
 * As radiology looks: the patient's left on the right, anterior and head at the top. DICOM is stored so; NIfTI is not.
 */
function flipsOf(affine: readonly number[]): { readonly x: boolean; readonly y: boolean } {
  const main = (column: 0 | 1) => {
    const vector = [0, 4, 8].map((row) => affine[row + column] ?? 0);
    const sizes = vector.map(Math.abs);
    const axis = sizes.indexOf(Math.max(...sizes));
    return { axis, isNegative: (vector[axis] ?? 0) < 0 };
  };
  const x = main(0);
  const y = main(1);
  // LPS: columns should run to +L or +P, rows to +P or −S.
  return { x: x.isNegative !== (x.axis === 2), y: y.isNegative !== (y.axis === 2) };
}
