/** A mask of the brain put onto a scan: voxel by voxel, never resampled, and what has to be said of it. */
import { type Grid, inOrderOf } from '../../pixels/voxel-grid.ts';
import { type Finding, finding, type Volume } from '../volumes/volume.ts';

/** Of the same grid as the scan, or of one that says where it lies. */
export interface GivenMask {
  readonly grid: Grid;
  /** One repetition; what is above one half counts. */
  readonly values: Float32Array;
}

export interface FittedMask {
  /** 1 in the brain, on the grid of one repetition; absent where the mask cannot be used. */
  readonly brain?: Uint8Array;
  readonly finding?: Finding;
}

const AXES = [0, 1, 2] as const;

/**
 * Masks of another program often lie a little elsewhere by their header, or are mirrored in it: what has the scan's own
 * size and lies over it is taken voxel by voxel, and said. What lies beside the scan is no mask of it.
 */
export function fitMask({ grid, values }: GivenMask, volume: Volume): FittedMask {
  const { seriesInstanceUid, dims } = volume;
  const scan: Grid = { dims: [dims[0], dims[1], dims[2]], spacingMm: volume.spacingMm, affine: volume.affine };
  const refused = (why: string): FittedMask => ({ finding: finding('mask-unfit', seriesInstanceUid, why) });
  const placed = inOrderOf(scan, grid, values);
  const isSameSize = AXES.every((axis) => grid.dims[axis] === scan.dims[axis]);
  if (placed === undefined && !isSameSize)
    return refused(`it has ${grid.dims.join(' × ')} voxels and the scan ${scan.dims.join(' × ')}; it is not used`);
  if (placed === undefined && !liesOver(scan, grid)) return refused('it lies outside of the scan; it is not used');
  const brain = Uint8Array.from(placed ?? values, (value) => (value > 0.5 ? 1 : 0));
  if (!brain.includes(1)) return refused('no voxel is in it; it is not used');
  if (placed !== undefined) return { brain };
  const where = 'its header says another place or orientation; it is taken voxel by voxel, look at the contour';
  return { brain, finding: finding('mask-moved', seriesInstanceUid, where) };
}

/** Whether the middle of the one is within the other. */
function liesOver(scan: Grid, mask: Grid): boolean {
  const middle = placeOf(
    mask,
    mask.dims.map((size) => (size - 1) / 2),
  );
  const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((corner) =>
    placeOf(
      scan,
      AXES.map((axis) => ((corner >> axis) & 1 ? scan.dims[axis] - 1 : 0)),
    ),
  );
  return middle.every((value, row) => {
    const along = corners.map((corner) => corner[row] ?? 0);
    return value >= Math.min(...along) && value <= Math.max(...along);
  });
}

function placeOf({ affine }: Grid, voxel: readonly number[]): readonly number[] {
  return AXES.map((row) =>
    AXES.reduce(
      (sum: number, axis) => sum + (affine[4 * row + axis] ?? 0) * (voxel[axis] ?? 0),
      affine[4 * row + 3] ?? 0,
    ),
  );
}
