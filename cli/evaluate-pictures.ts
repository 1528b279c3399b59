/** A scan with the outline a person drew and the one a model drew, large enough to see where they part. */
import { PREDICTION_RGB, REFERENCE_RGB } from '../evaluation/markup.ts';
import { boxAround } from '../evaluation/scores.ts';
import { overlayPicture } from '../processors/segment/overlay.ts';
import type { Volume } from '../processors/volumes/volume.ts';

const SLICES = 12;
/** Around what was drawn, of its size. */
const MARGIN = 0.15;
/** The longer side of a slice is enlarged to about this. */
const TILE_PIXELS = 200;

/** PNG: evenly spaced slices through what was drawn. @param reference - one a label, as `prediction` */
export function comparisonPicture(
  volume: Volume,
  reference: readonly Uint8Array[],
  prediction: readonly Uint8Array[],
): Uint8Array {
  const part = partOf(volume, [...reference, ...prediction]);
  const factor = Math.max(1, Math.round(TILE_PIXELS / Math.max(part.columns.length, part.rows.length)));
  const enlarged = enlarge(volume, part, factor);
  const outlines = [
    ...reference.map((mask) => ({ mask: cut(volume, mask, part, factor), rgb: REFERENCE_RGB })),
    ...prediction.map((mask) => ({ mask: cut(volume, mask, part, factor), rgb: PREDICTION_RGB })),
    // A lone outline is drawn in red whatever its colour: this one has no voxel.
    { mask: new Uint8Array(0), rgb: PREDICTION_RGB },
  ];
  return overlayPicture(enlarged, outlines);
}

/** Indices of the voxels that are shown. */
interface Part {
  readonly columns: readonly number[];
  readonly rows: readonly number[];
  readonly slices: readonly number[];
}

function partOf({ dims: [nx, ny, nz] }: Volume, masks: readonly Uint8Array[]): Part {
  const { start, size } = boxAround(masks, [nx, ny, nz]);
  const isEmpty = size[0] <= 0;
  const range = (axis: 0 | 1 | 2, all: number): readonly number[] => {
    if (isEmpty) return steps(0, all);
    const margin = axis === 2 ? 0 : Math.ceil(MARGIN * size[axis]);
    const from = Math.max(0, start[axis] - margin);
    return steps(from, Math.min(all, start[axis] + size[axis] + margin) - from);
  };
  const slices = range(2, nz);
  const shown = Math.min(SLICES, slices.length);
  return {
    columns: range(0, nx),
    rows: range(1, ny),
    slices: steps(0, shown).map((n) => slices[Math.floor(((n + 0.5) * slices.length) / shown)] ?? 0),
  };
}

function steps(from: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, n) => from + n);
}

/** Linear within the slice. */
function enlarge(volume: Volume, { columns, rows, slices }: Part, factor: number): Volume {
  const [nx, ny] = volume.dims;
  const [wide, high] = [columns.length * factor, rows.length * factor];
  const data = new Float32Array(wide * high * slices.length);
  const place = (n: number, first: number, size: number): readonly [number, number, number] => {
    const at = Math.max(0, Math.min(size - 1, first + (n + 0.5) / factor - 0.5));
    const below = Math.floor(at);
    return [below, Math.min(size - 1, below + 1), at - below];
  };
  let out = 0;
  for (const z of slices)
    for (let y = 0; y < high; y += 1) {
      const [y0, y1, v] = place(y, rows[0] ?? 0, ny);
      for (let x = 0; x < wide; x += 1, out += 1) {
        const [x0, x1, u] = place(x, columns[0] ?? 0, nx);
        const at = (column: number, row: number): number => volume.data[(z * ny + row) * nx + column] ?? 0;
        const upper = at(x0, y0) * (1 - u) + at(x1, y0) * u;
        data[out] = upper * (1 - v) + (at(x0, y1) * (1 - u) + at(x1, y1) * u) * v;
      }
    }
  const [sx, sy, sz] = volume.spacingMm;
  return { ...volume, dims: [wide, high, slices.length, 1], spacingMm: [sx / factor, sy / factor, sz], data };
}

function cut(
  { dims: [nx, ny] }: Volume,
  mask: Uint8Array,
  { columns, rows, slices }: Part,
  factor: number,
): Uint8Array {
  const [wide, high] = [columns.length * factor, rows.length * factor];
  const out = new Uint8Array(wide * high * slices.length);
  let n = 0;
  for (const z of slices)
    for (let y = 0; y < high; y += 1)
      for (let x = 0; x < wide; x += 1, n += 1)
        out[n] =
          mask[(z * ny + (rows[Math.floor(y / factor)] ?? 0)) * nx + (columns[Math.floor(x / factor)] ?? 0)] ?? 0;
  return out;
}
