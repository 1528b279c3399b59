/** Measures of one repetition that need to know where the object is, as MRIQC computes them. */
import type { Grid } from './grid.ts';
import { insideRuns, type Regions } from './head-mask.ts';
import { type Dims, type Runs, runsOf } from './runs.ts';
import {
  mean,
  median,
  quantile,
  quantileOf,
  quantileOfScratch,
  robustDeviation,
  solve,
  sorted,
  standardDeviation,
} from './statistics.ts';

/** Dietrich et al. 2007, eq. A.12: the Rayleigh distribution of noise in air, √((4 − π) / 2). */
const DIETRICH = 0.655_136_4;

/** Mean of the mask over its own standard deviation: noise and structure together. */
export function snrInside({ maskValues: values }: Regions): number {
  const n = values.length;
  return mean(values) / (standardDeviation(values) * Math.sqrt(n / (n - 1)));
}

/** Median of the mask over the noise in the air, in which magnitude images are Rayleigh distributed. */
export function snrDietrich({ maskValues, airValues: noise }: Regions): number {
  const robust = robustDeviation(noise);
  return (DIETRICH * median(maskValues)) / (robust > 1 ? robust : standardDeviation(noise));
}

/** Foreground to background energy: −1 where there is next to none in the background, as in skull-stripped scans. */
export function foregroundToBackground(
  { data }: Grid,
  { maskRuns, maskVoxels, maskValues }: Pick<Regions, 'maskRuns' | 'maskVoxels' | 'maskValues'>,
): number {
  const energy = (values: Float32Array) => {
    const squares = new Float64Array(values.length);
    for (let i = 0; i < squares.length; i++) squares[i] = (values[i] ?? 0) * (values[i] ?? 0);
    return median(squares);
  };
  const background = energy(insideRuns(data, maskRuns, data.length - maskVoxels, 0));
  return background < 1e-3 ? -1 : energy(maskValues) / background;
}

/**
 * Ghost to signal ratio of Giannelli et al. 2010: signal in the mask moved by half a field of view, less the rest of the
 * background, over the median of the foreground. Negative where tissue outside of the mask is brighter than the ghost.
 */
export function ghostOfMask(
  { data, dims: [nx, ny, nz] }: Grid,
  { mask, maskRuns: { from, to, ofRow }, maskValues }: Pick<Regions, 'mask' | 'maskRuns' | 'maskValues'>,
  axis: 0 | 1,
): number {
  const half = Math.floor((axis === 0 ? nx : ny) / 2);
  const sums = new Float64Array(4);
  for (let k = 0, row = 0; k < nz; k++)
    for (let j = 0; j < ny; j++, row++) {
      const middle = row * nx + half;
      const byRows = (j < half ? ny - half : -half) * nx;
      let start = row * nx;
      for (let run = ofRow[row] ?? 0; run <= (ofRow[row + 1] ?? 0); run++) {
        const end = run < (ofRow[row + 1] ?? 0) ? (from[run] ?? 0) : (row + 1) * nx;
        if (axis === 1) addBackground(sums, data, mask, start, end, byRows);
        else {
          addBackground(sums, data, mask, start, Math.min(end, middle), nx - half);
          addBackground(sums, data, mask, Math.max(start, middle), end, -half);
        }
        start = to[run] ?? 0;
      }
    }
  const [ghost = 0, ghosts = 0, rest = 0, rests = 0] = sums;
  return (ghost / ghosts - rest / rests) / median(maskValues);
}

/**
 * Background of one row and one half of the field of view.
 *
 * @param sums - of what stands in the ghost's place, how much of it, of the rest, how much of it
 * @param by - from a voxel to the one half a field of view away
 */
function addBackground(
  sums: Float64Array,
  data: Float32Array,
  mask: Uint8Array,
  start: number,
  end: number,
  by: number,
): void {
  if (start >= end) return;
  let [ghost = 0, ghosts = 0, rest = 0, rests = 0] = sums;
  rests += end - start;
  for (let voxel = start; voxel < end; voxel++) {
    // What is not counted adds 0.
    const isGhost = mask[voxel + by] ?? 0;
    const value = data[voxel] ?? 0;
    ghost += value * isGhost;
    rest += value * (1 - isGhost);
    ghosts += isGhost;
    rests -= isGhost;
  }
  sums[0] = ghost;
  sums[1] = ghosts;
  sums[2] = rest;
  sums[3] = rests;
}

/** Sigma of a Gaussian to its full width at half maximum. */
const FWHM_OF_SIGMA = 2.354_82;

/**
 * Smoothness along each axis, in voxels (Forman et al. 1995, as AFNI 3dFWHMx computes it): from the variance of the
 * differences between neighbours against the variance of the values. NaN along an axis of one voxel.
 */
export function smoothness(
  { data, dims: [nx, ny, nz] }: Grid,
  mask: Uint8Array,
  { count, from, to }: Runs = runsOf(mask, [nx, ny, nz]),
): readonly [number, number, number] {
  // Differences along one axis, or, of a step of 0, the values themselves. What is not counted adds 0.
  const spreadOf = (by: number, [width, height, depth]: readonly [number, number, number]) => {
    let [sum, squares, n] = [0, 0, 0];
    for (let run = 0; run < count; run++) {
      const start = from[run] ?? 0;
      const row = Math.floor(start / nx);
      if (row % ny >= height || row >= ny * depth) continue;
      const end = Math.min(to[run] ?? 0, row * nx + width);
      for (let voxel = start; voxel < end; voxel++) {
        const isIn = mask[voxel + by] ?? 0;
        const value = ((data[voxel + by] ?? 0) - (by === 0 ? 0 : (data[voxel] ?? 0))) * isIn;
        sum += value;
        squares += value * value;
        n += isIn;
      }
    }
    return (squares - (sum * sum) / n) / (n - 1);
  };
  const variance = spreadOf(0, [nx, ny, nz]);
  const along = (by: number, dims: readonly [number, number, number]): number => {
    const share = 1 - (0.5 * spreadOf(by, dims)) / variance;
    return share > 0 && share < 1 ? FWHM_OF_SIGMA * Math.sqrt(-1 / (4 * Math.log(share))) : Number.NaN;
  };
  return [along(1, [nx - 1, ny, nz]), along(nx, [nx, ny - 1, nz]), along(nx * ny, [nx, ny, nz - 1])];
}

/** Blocks along each axis that the shape of the bias is fitted to: finer than a coil's field, coarser than anatomy. */
const BLOCKS = [10, 10, 6] as const;
const BLOCK_VOXELS = 20;
/** Of a block: its brighter tissue, whatever bone, fluid and air are in it. */
const BLOCK_SHARE = 0.75;
const BLOCKS_NEEDED = 30;

export interface Bias {
  /** Median of the field over its mean: 1 where it is even. */
  readonly median: number;
  /** P95 less P5 of the field, over its mean: 0 where it is even. */
  readonly range: number;
}

/**
 * How unevenly the object is lit: a polynomial of the second degree through the logarithm of what the brighter tissue of
 * each block has. Depends on the coil as much as on what goes wrong: to be compared with the same coil only.
 */
export function biasOf({ data, dims }: Grid, runs: Runs): Bias | undefined {
  const blocks = blocksOf(data, runs, dims);
  if (blocks.length < BLOCKS_NEEDED) return undefined;
  const matrix = Array.from({ length: 10 }, () => Array.from({ length: 10 }, () => 0));
  const right = Array.from({ length: 10 }, () => 0);
  for (const { row, target } of blocks)
    for (let a = 0; a < 10; a++) {
      right[a] = (right[a] ?? 0) + (row[a] ?? 0) * target;
      const line = matrix[a];
      if (line === undefined) continue;
      for (let b = 0; b < 10; b++) line[b] = (line[b] ?? 0) + (row[a] ?? 0) * (row[b] ?? 0);
    }
  // Axes of one or two slices leave terms undetermined: a breath of ridge decides for none.
  matrix.forEach((line, a) => (line[a] = (line[a] ?? 0) + 1e-4 * blocks.length));
  const weights = solve(matrix, right);
  if (weights === undefined) return undefined;
  const field = blocks.map(({ row }) => Math.exp(row.reduce((sum, term, a) => sum + term * (weights[a] ?? 0), 0)));
  const average = mean(field);
  const ordered = sorted(field);
  return {
    median: quantileOf(ordered, 0.5) / average,
    range: (quantileOf(ordered, 0.95) - quantileOf(ordered, 0.05)) / average,
  };
}

interface Block {
  readonly row: readonly number[];
  /** Logarithm of its brighter tissue. */
  readonly target: number;
}

function blocksOf(data: Float32Array, { from, to, ofRow }: Runs, [nx, ny, nz]: Dims): readonly Block[] {
  const size = [nx, ny, nz].map((n, axis) => Math.max(1, Math.ceil(n / (BLOCKS[axis] ?? 1))));
  const [bx = 1, by = 1, bz = 1] = size;
  const blocks: Block[] = [];
  // A row of blocks at a time: a run goes through several.
  const across = Math.ceil(nx / bx);
  const values = Array.from({ length: across }, () => new Float64Array(bx * by * bz));
  const counts = new Int32Array(across);
  for (let k0 = 0; k0 < nz; k0 += bz)
    for (let j0 = 0; j0 < ny; j0 += by) {
      counts.fill(0);
      for (let k = k0; k < Math.min(nz, k0 + bz); k++)
        for (let row = ny * k + j0; row < ny * k + Math.min(ny, j0 + by); row++)
          for (let run = ofRow[row] ?? 0; run < (ofRow[row + 1] ?? 0); run++) {
            const end = to[run] ?? 0;
            for (let voxel = from[run] ?? 0; voxel < end;) {
              const block = Math.floor((voxel - row * nx) / bx);
              const next = Math.min(end, row * nx + (block + 1) * bx);
              const count = counts[block] ?? 0;
              values[block]?.set(data.subarray(voxel, next), count);
              counts[block] = count + next - voxel;
              voxel = next;
            }
          }
      values.forEach((all, block) => {
        const count = counts[block] ?? 0;
        const bright = count < BLOCK_VOXELS ? 0 : quantileOfScratch(all.subarray(0, count), BLOCK_SHARE);
        if (!(bright > 0)) return;
        blocks.push({
          row: terms([block * bx + (bx - 1) / 2, j0 + (by - 1) / 2, k0 + (bz - 1) / 2], [nx, ny, nz]),
          target: Math.log(bright),
        });
      });
    }
  return blocks;
}

function terms([i, j, k]: readonly [number, number, number], [nx, ny, nz]: Dims): readonly number[] {
  const x = (2 * i) / Math.max(1, nx - 1) - 1;
  const y = (2 * j) / Math.max(1, ny - 1) - 1;
  const z = nz === 1 ? 0 : (2 * k) / (nz - 1) - 1;
  return [1, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z];
}

/**
 * The largest share of a cross-section of the object that is cut off by a side of the field of view: 0 where it ends
 * within. Through the slices a body goes on, as it should: that axis is left out.
 *
 * @param through - the axis of the slices
 */
export function cutFraction(mask: Uint8Array, dims: Dims, through: 0 | 1 | 2): number {
  const [nx, ny, nz] = dims;
  const { count, from, to } = runsOf(mask, dims);
  // Of the columns first what begins and ends there.
  const [xs, ys, zs] = [new Float64Array(nx + 1), new Float64Array(ny), new Float64Array(nz)];
  for (let run = 0; run < count; run++) {
    const [start, end] = [from[run] ?? 0, to[run] ?? 0];
    const row = Math.floor(start / nx);
    const [j, k] = [row % ny, Math.floor(row / ny)];
    xs[start - row * nx] = (xs[start - row * nx] ?? 0) + 1;
    xs[end - row * nx] = (xs[end - row * nx] ?? 0) - 1;
    ys[j] = (ys[j] ?? 0) + end - start;
    zs[k] = (zs[k] ?? 0) + end - start;
  }
  for (let i = 1; i < nx; i++) xs[i] = (xs[i] ?? 0) + (xs[i - 1] ?? 0);
  const cut = [xs.subarray(0, nx), ys, zs].map((line, axis) => {
    const most = Math.max(...line);
    return axis === through || most === 0 ? 0 : Math.max(line[0] ?? 0, line.at(-1) ?? 0) / most;
  });
  return Math.max(...cut);
}

/** Share of a brain mask that lies on a side of the field of view: a brain that is cut has no volume. */
export function edgeFraction(mask: Uint8Array, [nx, ny, nz]: Dims): number {
  let all = 0;
  let onEdge = 0;
  for (let k = 0, voxel = 0; k < nz; k++)
    for (let j = 0; j < ny; j++)
      for (let i = 0; i < nx; i++, voxel++) {
        if (mask[voxel] !== 1) continue;
        all++;
        if (i === 0 || j === 0 || i === nx - 1 || j === ny - 1 || (nz > 2 && (k === 0 || k === nz - 1))) onEdge++;
      }
  return all === 0 ? 0 : onEdge / all;
}

/** A percentile of the whole grid, the values where the mask is 1 against it: used for the ratio of white matter to maximum. */
export function highest({ data }: Grid): number {
  return quantile(data, 0.9995);
}
