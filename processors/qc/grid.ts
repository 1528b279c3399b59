/** Views of a volume that the measures share. */
import type { Volume } from '../volumes/volume.ts';

/** One repetition. */
export interface Grid {
  readonly data: Float32Array;
  readonly dims: readonly [number, number, number];
}

/** One slice: `columns × rows` pixels, row by row. */
export interface Plane {
  readonly pixels: Float32Array;
  readonly columns: number;
  readonly rows: number;
}

export function repetition({ data, dims: [nx, ny, nz] }: Volume, t: number): Grid {
  const size = nx * ny * nz;
  return { data: data.subarray(t * size, (t + 1) * size), dims: [nx, ny, nz] };
}

export function planeOf({ data, dims: [nx, ny] }: Grid, slice: number): Plane {
  return { pixels: data.subarray(slice * nx * ny, (slice + 1) * nx * ny), columns: nx, rows: ny };
}

/** By values: asked for by several measures, and a time series is long. */
const means = new WeakMap<Float32Array, readonly (readonly number[])[]>();

/** Mean of each slice (inner) of each repetition (outer). */
export function planeMeans(volume: Volume): readonly (readonly number[])[] {
  const [, , slices, repetitions] = volume.dims;
  const known = means.get(volume.data);
  if (known?.length === repetitions && known[0]?.length === slices) return known;
  const all = Array.from({ length: repetitions }, (_, t) => {
    const grid = repetition(volume, t);
    return Array.from({ length: slices }, (_, slice) => meanOfPlane(planeOf(grid, slice)));
  });
  means.set(volume.data, all);
  return all;
}

function meanOfPlane({ pixels }: Plane): number {
  let sum = 0;
  for (let i = 0; i < pixels.length; i++) sum += pixels[i] ?? 0;
  return sum / pixels.length;
}

export const decibels = (ratio: number): number => 20 * Math.log10(ratio);
