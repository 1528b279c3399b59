import type { Grid, Triple } from '../../pixels/voxel-grid.ts';
import { seeded } from '../support/seeded.ts';

export interface MaskPair {
  readonly name: string;
  readonly grid: Grid;
  readonly reference: Uint8Array;
  readonly prediction: Uint8Array;
}

export function gridOf(dims: Triple, spacingMm: Triple): Grid {
  const [x, y, z] = spacingMm;
  return { dims, spacingMm, affine: [x, 0, 0, 0, 0, y, 0, 0, 0, 0, z, 0, 0, 0, 0, 1] };
}

function maskOf({ dims: [nx, ny] }: Grid, isIn: (x: number, y: number, z: number) => boolean, dims: Triple) {
  return Uint8Array.from({ length: dims[0] * dims[1] * dims[2] }, (_, n) =>
    isIn(n % nx, Math.floor(n / nx) % ny, Math.floor(n / (nx * ny))) ? 1 : 0,
  );
}

type Inside = (x: number, y: number, z: number) => boolean;
const ball =
  (cx: number, cy: number, cz: number, r: number, [sx, sy, sz]: Triple): Inside =>
  (x, y, z) =>
    Math.hypot((x - cx) * sx, (y - cy) * sy, (z - cz) * sz) <= r;

/** Neither mask of a pair is empty: those two cases are defined, not measured. */
export function maskPairs(): readonly MaskPair[] {
  const pair = (name: string, dims: Triple, spacing: Triple, reference: Inside, prediction: Inside): MaskPair => {
    const grid = gridOf(dims, spacing);
    return { name, grid, reference: maskOf(grid, reference, dims), prediction: maskOf(grid, prediction, dims) };
  };
  const random = seeded(11);
  const noise = Array.from({ length: 40 * 36 * 20 }, () => random());
  const at = (x: number, y: number, z: number) => noise[(z * 36 + y) * 40 + x] ?? 0;
  const cube: Triple = [0.2, 0.2, 0.2];
  const thick: Triple = [0.125, 0.125, 0.75];
  const odd: Triple = [0.1125, 1, 0.1171875];
  return [
    pair('the same ball', [40, 36, 20], cube, ball(20, 18, 10, 1.6, cube), ball(20, 18, 10, 1.6, cube)),
    pair('two balls', [40, 36, 20], cube, ball(20, 18, 10, 1.6, cube), ball(22, 17, 9, 1.4, cube)),
    pair('thick slices', [40, 36, 20], thick, ball(20, 18, 10, 2.2, thick), ball(18, 20, 11, 2.4, thick)),
    pair('three different sides', [40, 12, 36], odd, ball(20, 6, 18, 1.9, odd), ball(22, 5, 17, 2.1, odd)),
    pair('single voxels', [9, 8, 7], thick, (x, y, z) => x === 1 && y === 2 && z === 3, (x, y, z) => x === 7 && y === 6 && z === 0),
    pair('a single voxel in a ball', [40, 36, 20], thick, ball(20, 18, 10, 2.2, thick), (x, y, z) => x === 20 && y === 18 && z === 10),
    pair('over the border of the grid', [40, 36, 20], cube, ball(0, 0, 0, 3, cube), ball(1, 39, 2, 5, cube)),
    pair('everything against a half', [20, 18, 6], thick, () => true, (x) => x < 10),
    pair('far apart in two pieces', [60, 20, 20], cube, (x) => x < 3 || x > 56, (x) => x > 50),
    pair('grains', [40, 36, 20], thick, (x, y, z) => at(x, y, z) > 0.7, (x, y, z) => at(x, y, z) > 0.75 || at(y, x, z) > 0.9),
    pair('one slice', [40, 36, 1], cube, ball(20, 18, 0, 2, cube), ball(23, 18, 0, 2, cube)),
    pair('distances on the tolerance', [30, 10, 10], cube, (x) => x >= 5 && x < 15, (x) => x >= 6 && x < 17),
  ]; // prettier-ignore
}
