/** A head volume on a coarse grid along the patient's own axes, so that anterior and inferior are the same for every scan. */
import type { Volume } from '../../../volumes/volume.ts';
import type { Triple } from '../../../volumes/volume.ts';

/** Fine enough for a brain's outline, coarse enough that noise is averaged. */
export const GRID_MM = 3;
/** A field of view beyond this is no head coil's. */
const MAX_CELLS = 4_000_000;

/** Axes of PS3.3 Section C.7.6.2.1.1: x to the left, y to the back, z to the head. */
export interface HeadGrid {
  readonly dims: Triple;
  /** Of the centre of cell 0. */
  readonly originMm: Triple;
  /** x fastest; NaN outside the volume. */
  readonly data: Float32Array;
}

/** @returns `undefined` when the field of view is no head's, or the axes make no grid */
export function headGrid(volume: Volume): HeadGrid | undefined {
  const inverse = inverseOf(volume.affine);
  if (inverse === undefined) return undefined;
  const [low, high] = boundsOf(volume);
  const dims = low.map((value, axis) => Math.max(1, Math.floor(((high[axis] ?? value) - value) / GRID_MM) + 1));
  const [nx = 1, ny = 1, nz = 1] = dims;
  if (nx * ny * nz > MAX_CELLS) return undefined;
  const data = new Float32Array(nx * ny * nz);
  let at = 0;
  for (let k = 0; k < nz; k++)
    for (let j = 0; j < ny; j++)
      for (let i = 0; i < nx; i++)
        data[at++] = meanAround(volume, inverse, [low[0] + i * GRID_MM, low[1] + j * GRID_MM, low[2] + k * GRID_MM]);
  return { dims: [nx, ny, nz], originMm: low, data };
}

/** Eight samples a cell: one alone would pass the noise on. */
function meanAround(volume: Volume, inverse: readonly number[], [x, y, z]: Triple): number {
  const offset = GRID_MM / 4;
  let sum = 0;
  let count = 0;
  for (const dx of [-offset, offset])
    for (const dy of [-offset, offset])
      for (const dz of [-offset, offset]) {
        const value = sample(volume, inverse, x + dx, y + dy, z + dz);
        if (Number.isNaN(value)) continue;
        sum += value;
        count += 1;
      }
  return count === 0 ? Number.NaN : sum / count;
}

function sample(volume: Volume, m: readonly number[], x: number, y: number, z: number): number {
  const [nx, ny, nz] = volume.dims;
  const at = (row: number) =>
    (m[row * 4] ?? 0) * x + (m[row * 4 + 1] ?? 0) * y + (m[row * 4 + 2] ?? 0) * z + (m[row * 4 + 3] ?? 0);
  const [u, v, w] = [at(0), at(1), at(2)];
  if (u < -0.5 || v < -0.5 || w < -0.5 || u > nx - 0.5 || v > ny - 0.5 || w > nz - 0.5) return Number.NaN;
  const cut = (value: number, size: number) => Math.min(size - 1, Math.max(0, value));
  const [u0, v0, w0] = [Math.floor(cut(u, nx)), Math.floor(cut(v, ny)), Math.floor(cut(w, nz))];
  const [fu, fv, fw] = [cut(u, nx) - u0, cut(v, ny) - v0, cut(w, nz) - w0];
  const [u1, v1, w1] = [cut(u0 + 1, nx), cut(v0 + 1, ny), cut(w0 + 1, nz)];
  const value = (i: number, j: number, k: number) => volume.data[(k * ny + j) * nx + i] ?? 0;
  const line = (j: number, k: number) => value(u0, j, k) * (1 - fu) + value(u1, j, k) * fu;
  const plane = (k: number) => line(v0, k) * (1 - fv) + line(v1, k) * fv;
  return plane(w0) * (1 - fw) + plane(w1) * fw;
}

function boundsOf({ dims, affine }: Volume): readonly [Triple, Triple] {
  const low: [number, number, number] = [Infinity, Infinity, Infinity];
  const high: [number, number, number] = [-Infinity, -Infinity, -Infinity];
  for (const i of [0, dims[0] - 1])
    for (const j of [0, dims[1] - 1])
      for (const k of [0, dims[2] - 1])
        for (const axis of [0, 1, 2] as const) {
          const m = (column: number) => affine[axis * 4 + column] ?? 0;
          const value = m(0) * i + m(1) * j + m(2) * k + m(3);
          low[axis] = Math.min(low[axis], value);
          high[axis] = Math.max(high[axis], value);
        }
  return [low, high];
}

/** Of an affine 4 × 4 matrix, row by row. */
function inverseOf(m: readonly number[]): readonly number[] | undefined {
  const at = (row: number, column: number) => m[row * 4 + column] ?? 0;
  const cofactor = (r0: number, r1: number, c0: number, c1: number) =>
    at(r0, c0) * at(r1, c1) - at(r0, c1) * at(r1, c0);
  const determinant =
    at(0, 0) * cofactor(1, 2, 1, 2) - at(0, 1) * cofactor(1, 2, 0, 2) + at(0, 2) * cofactor(1, 2, 0, 1);
  if (!(Math.abs(determinant) > 1e-9)) return undefined;
  const rows = [
    [cofactor(1, 2, 1, 2), -cofactor(0, 2, 1, 2), cofactor(0, 1, 1, 2)],
    [-cofactor(1, 2, 0, 2), cofactor(0, 2, 0, 2), -cofactor(0, 1, 0, 2)],
    [cofactor(1, 2, 0, 1), -cofactor(0, 2, 0, 1), cofactor(0, 1, 0, 1)],
  ].map((row) => row.map((value) => value / determinant));
  return rows.flatMap((row) => {
    const shift = row.reduce((sum, value, column) => sum - value * at(column, 3), 0);
    return [...row, shift];
  });
}
