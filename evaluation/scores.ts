/**
 * How far one mask is from another. The definitions are frozen (`docs/evaluation.md`): results of two runs can be laid
 * side by side only while nothing here changes, so a change is a new `DEFINITIONS`.
 */
import { squaredDistances } from './distance-transform.ts';
import { diagonalMm, type Grid, inPlaneMm, type Triple, voxelMm3 } from '../pixels/voxel-grid.ts';
import { quantile } from './statistics.ts';

export const DEFINITIONS = 'hub.evaluation/1';

export interface MaskScores {
  /** 2 |A ∩ B| / (|A| + |B|). */
  readonly dice: number;
  /** Share of both surfaces within the tolerance of the other. */
  readonly nsd: number;
  /** The larger of the two directed 95th percentiles. */
  readonly hd95Mm: number;
  /** Mean over both surfaces together. */
  readonly assdMm: number;
  readonly referenceMm3: number;
  readonly predictedMm3: number;
  /** Predicted less reference. */
  readonly volumeDifferenceMm3: number;
  /** Of the reference's volume; 100 when that is empty and the prediction is not. */
  readonly volumeDifferencePercent: number;
}

/** τ of NSD: one voxel within the slice. */
export function toleranceMm(grid: Grid): number {
  return inPlaneMm(grid);
}

/**
 * @param reference - 0 and 1, x fastest
 * @param prediction - likewise, on the same grid
 */
export function scoreMasks(reference: Uint8Array, prediction: Uint8Array, grid: Grid): MaskScores {
  const { inReference, inPrediction, inBoth } = countedTogether(reference, prediction);
  const volumes = volumesOf(inReference, inPrediction, voxelMm3(grid));
  if (inReference === 0 && inPrediction === 0) return { dice: 1, nsd: 1, hd95Mm: 0, assdMm: 0, ...volumes };
  if (inReference === 0 || inPrediction === 0) return { ...worstScores(grid), ...volumes };
  const { toPrediction, toReference } = surfaceDistances(reference, prediction, grid);
  const tolerance = toleranceMm(grid);
  const within = [toPrediction, toReference].reduce(
    (sum, distances) => sum + distances.reduce((count, mm) => count + (mm <= tolerance ? 1 : 0), 0),
    0,
  );
  const surfaces = toPrediction.length + toReference.length;
  return {
    dice: (2 * inBoth) / (inReference + inPrediction),
    nsd: within / surfaces,
    hd95Mm: Math.max(quantile(toPrediction.toSorted(), 0.95), quantile(toReference.toSorted(), 0.95)),
    assdMm: (sumOf(toPrediction) + sumOf(toReference)) / surfaces,
    ...volumes,
  };
}

/** When one of two masks is empty, and when a model gave none: no overlap, and as far apart as the grid allows. */
export function worstScores(grid: Grid): Pick<MaskScores, 'dice' | 'nsd' | 'hd95Mm' | 'assdMm'> {
  const farthest = diagonalMm(grid);
  return { dice: 0, nsd: 0, hd95Mm: farthest, assdMm: farthest };
}

function countVoxels(mask: Uint8Array): number {
  return mask.reduce((sum, value) => sum + value, 0);
}

function countedTogether(reference: Uint8Array, prediction: Uint8Array) {
  let [inReference, inPrediction, inBoth] = [0, 0, 0];
  for (let n = 0; n < reference.length; n += 1) {
    const [a, b] = [reference[n] ?? 0, prediction[n] ?? 0];
    inReference += a;
    inPrediction += b;
    inBoth += a & b;
  }
  return { inReference, inPrediction, inBoth };
}

function volumesOf(inReference: number, inPrediction: number, mm3: number) {
  const more = inPrediction - inReference;
  return {
    referenceMm3: inReference * mm3,
    predictedMm3: inPrediction * mm3,
    volumeDifferenceMm3: more * mm3,
    volumeDifferencePercent: inReference > 0 ? (100 * more) / inReference : more > 0 ? 100 : 0,
  };
}

/** From each surface voxel of one mask to the nearest of the other, in millimetres. Both have voxels. */
function surfaceDistances(reference: Uint8Array, prediction: Uint8Array, { dims, spacingMm }: Grid) {
  // Outside of the box around both surfaces no distance is asked for.
  const box = boxAround([reference, prediction], dims);
  const [ofReference, ofPrediction] = [reference, prediction].map((mask) => surfaceInside(mask, dims, box));
  if (ofReference === undefined || ofPrediction === undefined) throw new TypeError('two masks');
  const read = (surface: Uint8Array, other: Uint8Array): Float64Array => {
    const squared = squaredDistances(other, box.size, spacingMm);
    const found = new Float64Array(countVoxels(surface));
    let count = 0;
    for (let n = 0; n < surface.length; n += 1)
      if (surface[n] === 1) {
        found[count] = Math.sqrt(squared[n] ?? 0);
        count += 1;
      }
    return found;
  };
  return { toPrediction: read(ofReference, ofPrediction), toReference: read(ofPrediction, ofReference) };
}

interface Box {
  readonly start: Triple;
  readonly size: Triple;
}

/** The smallest that holds every voxel of the masks. */
export function boxAround(masks: readonly Uint8Array[], [nx, ny, nz]: Triple): Box {
  const low: [number, number, number] = [nx, ny, nz];
  const high: [number, number, number] = [-1, -1, -1];
  for (const mask of masks) {
    let n = 0;
    for (let z = 0; z < nz; z += 1)
      for (let y = 0; y < ny; y += 1)
        for (let x = 0; x < nx; x += 1, n += 1) {
          if (mask[n] !== 1) continue;
          if (x < low[0]) low[0] = x;
          if (x > high[0]) high[0] = x;
          if (y < low[1]) low[1] = y;
          if (y > high[1]) high[1] = y;
          if (z < low[2]) low[2] = z;
          if (z > high[2]) high[2] = z;
        }
  }
  return { start: low, size: [high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1] };
}

/** The mask without what is left when it is eroded by its 6 neighbours; what lies outside of the grid is background. */
function surfaceInside(mask: Uint8Array, [nx, ny, nz]: Triple, { start, size }: Box): Uint8Array {
  const surface = new Uint8Array(size[0] * size[1] * size[2]);
  let out = 0;
  for (let z = start[2]; z < start[2] + size[2]; z += 1)
    for (let y = start[1]; y < start[1] + size[1]; y += 1)
      for (let x = start[0]; x < start[0] + size[0]; x += 1, out += 1) {
        const n = (z * ny + y) * nx + x;
        if (mask[n] !== 1) continue;
        const isInner =
          x > 0 && x < nx - 1 && y > 0 && y < ny - 1 && z > 0 && z < nz - 1 &&
          mask[n - 1] === 1 && mask[n + 1] === 1 &&
          mask[n - nx] === 1 && mask[n + nx] === 1 &&
          mask[n - nx * ny] === 1 && mask[n + nx * ny] === 1; // prettier-ignore
        if (!isInner) surface[out] = 1;
      }
  return surface;
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}
