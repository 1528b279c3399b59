/** Where voxels lie, and whether two grids are one: masks are put onto a scan voxel by voxel, never resampled. */

export type Triple = readonly [number, number, number];

export interface Grid {
  /** Columns, rows, slices. */
  readonly dims: Triple;
  readonly spacingMm: Triple;
  /** Row-major 4 × 4: voxel index to millimetres. */
  readonly affine: readonly number[];
}

/** Largest difference between entries of two affines that are one. */
export const AFFINE_TOLERANCE = 1e-3;
/** Of the smallest voxel side: how far the outermost voxels of one grid may lie from those of the other. */
const CORNER_TOLERANCE = 0.1;
const AXES = [0, 1, 2] as const;

/** Longest distance between two voxels of the grid. */
export function diagonalMm({ dims, spacingMm }: Grid): number {
  return Math.hypot(...AXES.map((axis) => (dims[axis] - 1) * spacingMm[axis]));
}

export function voxelMm3({ spacingMm: [x, y, z] }: Grid): number {
  return x * y * z;
}

/** The longer side of a voxel within its slice; slices lie across the longest side, whatever the order of the axes. */
export function inPlaneMm({ spacingMm }: Grid): number {
  return spacingMm.toSorted((a, b) => a - b)[1] ?? 0;
}

/**
 * Values put into the order of another grid whose voxels lie at the same places: what comes from NIfTI may have its axes
 * exchanged or turned round against what comes from DICOM. Nothing is interpolated.
 *
 * @returns undefined when voxels lie elsewhere
 */
export function inOrderOf(to: Grid, from: Grid, values: Float32Array): Float32Array | undefined {
  const map = axisMap(to, from);
  if (map === undefined) return undefined;
  const [nx, ny, nz] = from.dims;
  const strides = [1, to.dims[0], to.dims[0] * to.dims[1]] as const;
  const step = (column: 0 | 1 | 2): number => strides[map[column].axis] * (map[column].isReversed ? -1 : 1);
  const start = map.reduce(
    (sum: number, { axis, isReversed }) => sum + (isReversed ? (to.dims[axis] - 1) * strides[axis] : 0),
    0,
  );
  const [dx, dy, dz] = [step(0), step(1), step(2)];
  const out = new Float32Array(nx * ny * nz);
  let n = 0;
  for (let z = 0; z < nz; z += 1)
    for (let y = 0; y < ny; y += 1)
      for (let x = 0, at = start + y * dy + z * dz; x < nx; x += 1, n += 1, at += dx) out[at] = values[n] ?? 0;
  return out;
}

interface AxisPlace {
  readonly axis: 0 | 1 | 2;
  readonly isReversed: boolean;
}
type AxisMap = readonly [AxisPlace, AxisPlace, AxisPlace];

/** For each axis of `from` the one of `to` it runs along. */
function axisMap(to: Grid, from: Grid): AxisMap | undefined {
  const inverse = inverseOf(to.affine);
  if (inverse === undefined) return undefined;
  const place = (column: 0 | 1 | 2): AxisPlace | undefined => {
    const along = AXES.map((row) =>
      AXES.reduce((sum: number, k) => sum + (inverse[3 * row + k] ?? 0) * (from.affine[4 * k + column] ?? 0), 0),
    );
    const axis = AXES.find((row) => Math.round(Math.abs(along[row] ?? 0)) === 1);
    return axis === undefined ? undefined : { axis, isReversed: (along[axis] ?? 0) < 0 };
  };
  const [x, y, z] = [place(0), place(1), place(2)];
  if (x === undefined || y === undefined || z === undefined) return undefined;
  const map: AxisMap = [x, y, z];
  const isOneToOne = new Set(map.map(({ axis }) => axis)).size === 3;
  const isSameSize = AXES.every((column) => from.dims[column] === to.dims[map[column].axis]);
  return isOneToOne && isSameSize && liesTogether(to, from, map) ? map : undefined;
}

function liesTogether(to: Grid, from: Grid, map: AxisMap): boolean {
  // The affine `from` would have if it were `to` in its own order.
  const expected = from.affine.map((_, n) => {
    const [row, column] = [Math.floor(n / 4), n % 4];
    if (row === 3) return column === 3 ? 1 : 0;
    const of = (axis: number): number => to.affine[4 * row + axis] ?? 0;
    const along = map[column];
    if (along !== undefined) return along.isReversed ? -of(along.axis) : of(along.axis);
    return map.reduce((sum, { axis, isReversed }) => sum + (isReversed ? of(axis) * (to.dims[axis] - 1) : 0), of(3));
  });
  const differences = expected.map((value, n) => value - (from.affine[n] ?? 0));
  if (differences.some((value) => !(Math.abs(value) <= AFFINE_TOLERANCE))) return false;
  const [nx, ny, nz] = from.dims;
  const limit = CORNER_TOLERANCE * Math.min(...to.spacingMm);
  const corners = [0, nx - 1].flatMap((x) => [0, ny - 1].flatMap((y) => [0, nz - 1].map((z) => [x, y, z, 1])));
  return corners.every(
    (corner) =>
      Math.hypot(
        ...AXES.map((row) => corner.reduce((sum, value, k) => sum + value * (differences[4 * row + k] ?? 0), 0)),
      ) <= limit,
  );
}

/** Of the upper left 3 × 3 of a row-major 4 × 4; undefined when there is none. */
function inverseOf(m: readonly number[]): readonly number[] | undefined {
  const [a = 0, b = 0, c = 0, , d = 0, e = 0, f = 0, , g = 0, h = 0, i = 0] = m;
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  if (!(Math.abs(determinant) > 1e-12)) return undefined;
  return [
    ...[e * i - f * h, c * h - b * i, b * f - c * e],
    ...[f * g - d * i, a * i - c * g, c * d - a * f],
    ...[d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((value) => value / determinant);
}
