/** Where the object is and where there is only air, cheaply: a threshold and a little morphology, no model. */
import type { Grid } from './grid.ts';
import { closed, countOf, dilated, eroded, filledBySlice, largestPiece, countOpened } from './morphology.ts';
import { type Dims, type Runs, runsOf } from './runs.ts';
import { median, quantile, robustDeviation } from './statistics.ts';

export interface Regions {
  /** 1 in the head, or in the brain where a mask of it was given. */
  readonly mask: Uint8Array;
  readonly maskKind: 'brain' | 'head';
  /** 1 in the whole object, coarse; equal to `mask` without a brain mask. */
  readonly head: Uint8Array;
  /** 1 in the air around it: clear of the object, and not where a reconstruction filled up with zeros. */
  readonly air: Uint8Array;
  readonly maskRuns: Runs;
  readonly maskVoxels: number;
  readonly airVoxels: number;
  /** What the grid has there, as `inside` gives it: most measures ask for one of both. Not to be changed. */
  readonly maskValues: Float32Array;
  readonly airValues: Float32Array;
}

const BINS = 256;
/** Voxels between object and air that are neither: blur and partial volume. */
const MARGIN = 3;

/** @param brain - a mask of the brain on the same grid, if there is one */
export function regionsOf(grid: Grid, brain?: Uint8Array): Regions {
  const { data, dims } = grid;
  const { head, coarse } = headOf(grid);
  // Where it is 0 there is air, unless a reconstruction filled up with zeros: made to be that in place, a large grid is as large as that.
  const air = brain === undefined ? clearOf(head, dims, coarse) : clearOf(united(head, brain), dims);
  let airVoxels = 0;
  for (let voxel = 0; voxel < air.length; voxel++) {
    const isAir = ((air[voxel] ?? 0) ^ 1) & Number((data[voxel] ?? 0) !== 0);
    air[voxel] = isAir;
    airVoxels += isAir;
  }
  const mask = brain ?? head;
  const maskRuns = runsOf(mask, dims);
  const maskVoxels = voxelsOf(maskRuns);
  return {
    mask,
    maskKind: brain === undefined ? 'head' : 'brain',
    head,
    air,
    maskRuns,
    maskVoxels,
    airVoxels,
    maskValues: insideRuns(data, maskRuns, maskVoxels),
    airValues: inside(data, air, airVoxels),
  };
}

/** Voxels from which on the object is looked for on a coarser grid: to a pixel or two it is the same. */
const COARSE_FROM = 2_000_000;

interface Coarse {
  readonly mask: Uint8Array;
  readonly dims: Dims;
}

/** @returns with the head the same on the coarser grid, where it was looked for there */
function headOf(grid: Grid): { readonly head: Uint8Array; readonly coarse?: Coarse } {
  const factor = factorOf(grid.dims);
  if (factor === 1) return { head: headMask(grid) };
  const { data, dims } = reduced(grid, factor);
  const mask = headMask({ data, dims });
  return { head: enlarged(mask, dims, grid.dims, factor), coarse: { mask, dims } };
}

function clearOf(mask: Uint8Array, dims: Dims, known?: Coarse): Uint8Array {
  const factor = factorOf(dims);
  if (factor === 1) return dilated(mask, dims, MARGIN);
  const coarse = known ?? touched(mask, dims, factor);
  return enlarged(dilated(coarse.mask, coarse.dims, Math.ceil(MARGIN / factor)), coarse.dims, dims, factor);
}

/** Blocks in the plane of the slices that hold a voxel of the mask. */
function touched(mask: Uint8Array, [nx, ny, nz]: Dims, factor: number): Coarse {
  const dims = [Math.floor(nx / factor), Math.floor(ny / factor), nz] as const;
  const result = new Uint8Array(dims[0] * dims[1] * nz);
  for (let k = 0; k < nz; k++)
    for (let y = 0; y < dims[1] * factor; y++) {
      const from = nx * (y + ny * k);
      const to = dims[0] * (Math.floor(y / factor) + dims[1] * k);
      for (let i = 0, x = from; i < dims[0]; i++)
        for (let n = 0; n < factor; n++, x++) if (mask[x] === 1) result[to + i] = 1;
    }
  return { mask: result, dims };
}

const factorOf = ([nx, ny, nz]: Dims): number => Math.ceil(Math.sqrt((nx * ny * nz) / COARSE_FROM));

/** Means of blocks in the plane of the slices. */
function reduced({ data, dims: [nx, ny, nz] }: Grid, factor: number): Grid {
  const dims = [Math.floor(nx / factor), Math.floor(ny / factor), nz] as const;
  const result = new Float32Array(dims[0] * dims[1] * nz);
  for (let k = 0, voxel = 0; k < nz; k++)
    for (let j = 0; j < dims[1]; j++)
      for (let i = 0; i < dims[0]; i++, voxel++) {
        const start = i * factor + nx * (j * factor + ny * k);
        let sum = 0;
        for (let y = 0, row = start; y < factor; y++, row += nx)
          for (let x = row; x < row + factor; x++) sum += data[x] ?? 0;
        result[voxel] = sum / (factor * factor);
      }
  return { data: result, dims };
}

function enlarged(mask: Uint8Array, [cx, cy]: Dims, [nx, ny, nz]: Dims, factor: number): Uint8Array {
  const result = new Uint8Array(nx * ny * nz);
  const columns = Uint32Array.from({ length: nx }, (_, i) => Math.min(cx - 1, Math.floor(i / factor)));
  for (let k = 0, voxel = 0; k < nz; k++)
    for (let j = 0; j < ny; j++) {
      const row = cx * (Math.min(cy - 1, Math.floor(j / factor)) + cy * k);
      const isNewRow = j === 0 || row !== cx * (Math.min(cy - 1, Math.floor((j - 1) / factor)) + cy * k);
      if (!isNewRow) {
        result.copyWithin(voxel, voxel - nx, voxel);
        voxel += nx;
        continue;
      }
      for (let i = 0; i < nx; i++, voxel++) result[voxel] = mask[row + (columns[i] ?? 0)] ?? 0;
    }
  return result;
}

/** The object: above Otsu's threshold of the square root, in which a surface coil's far side is not lost; one piece, filled. */
function headMask(grid: Grid): Uint8Array {
  const { data, dims } = grid;
  const threshold = headThreshold(data);
  const certain = solidAbove(grid, threshold);
  // The far side of a coil is darker than half of the near side and still no air: what counts is the noise.
  const around = dilated(certain, dims, MARGIN);
  const air = inside(data, around, around.length - countOf(around), 0).filter((value) => value !== 0);
  if (air.length < MIN_AIR) return certain;
  const middle = median(air);
  const floor = Math.max(middle + NOISE_REACH * robustDeviation(air, middle), LEAST * threshold);
  return floor < threshold ? solidAbove(grid, floor) : certain;
}

const MIN_AIR = 1_000;
/** In robust standard deviations of the air: noise itself does not reach there, and a ghost is one. */
const NOISE_REACH = 8;
/** Of Otsu's threshold: further down there is more artefact than object. */
const LEAST = 0.3;

function solidAbove({ data, dims }: Grid, threshold: number): Uint8Array {
  const bright = new Uint8Array(data.length);
  for (let voxel = 0; voxel < bright.length; voxel++) if ((data[voxel] ?? 0) > threshold) bright[voxel] = 1;
  // One slice, or a few voxels: nothing to open.
  const solid = Math.min(dims[0], dims[1]) >= 16 ? dilated(eroded(bright, dims, 1), dims, 1) : bright;
  return filledBySlice(closed(largestPiece(solid, dims), dims, 2), dims);
}

function headThreshold(data: Float32Array): number {
  const high = Math.sqrt(Math.max(0, quantile(data, 0.995)));
  if (high === 0) return 0;
  const histogram = new Float64Array(BINS);
  for (let voxel = 0; voxel < data.length; voxel++) {
    const bin = Math.min(BINS - 1, Math.floor((Math.sqrt(Math.max(0, data[voxel] ?? 0)) / high) * BINS));
    histogram[bin] = (histogram[bin] ?? 0) + 1;
  }
  return ((high * otsu(histogram)) / BINS) ** 2;
}

/** The first bin of the brighter class (Otsu 1979). */
export function otsu(histogram: Float64Array): number {
  let total = 0;
  let weighted = 0;
  histogram.forEach((count, bin) => {
    total += count;
    weighted += count * bin;
  });
  let below = 0;
  let belowWeighted = 0;
  let best = 0;
  let most = -1;
  histogram.forEach((count, bin) => {
    below += count;
    belowWeighted += count * bin;
    const above = total - below;
    if (below === 0 || above === 0) return;
    const between = below * above * (belowWeighted / below - (weighted - belowWeighted) / above) ** 2;
    if (between > most) {
      most = between;
      best = bin + 1;
    }
  });
  return best;
}

/** More values than this are thinned out evenly: their median and deviation stay. */
const INSIDE_AT_MOST = 500_000;

/** Values where a mask is `value`. */
export function inside(data: Float32Array, mask: Uint8Array, voxels = countOf(mask), value: 0 | 1 = 1): Float32Array {
  const step = Math.max(1, voxels / INSIDE_AT_MOST);
  const values = new Float32Array(Math.floor(voxels / step));
  let n = 0;
  let seen = 0;
  let next = 0;
  for (let voxel = 0; voxel < mask.length && n < values.length; voxel++) {
    if (mask[voxel] !== value || seen++ < next) continue;
    values[n++] = data[voxel] ?? 0;
    next = n * step;
  }
  return values;
}

/** The same of a mask that is known by its runs. */
export function insideRuns(
  data: Float32Array,
  { count, from, to }: Runs,
  voxels: number,
  value: 0 | 1 = 1,
): Float32Array {
  const step = Math.max(1, voxels / INSIDE_AT_MOST);
  const values = new Float32Array(Math.floor(voxels / step));
  let n = 0;
  let seen = 0;
  const take = (start: number, end: number): void => {
    const behind = seen + end - start;
    for (; n < values.length; n++) {
      const next = Math.ceil(n * step);
      if (next >= behind) break;
      values[n] = data[start + next - seen] ?? 0;
    }
    seen = behind;
  };
  let gap = 0;
  for (let run = 0; run < count; run++) {
    const [start, end] = [from[run] ?? 0, to[run] ?? 0];
    if (value === 1) take(start, end);
    else take(gap, start);
    gap = end;
  }
  if (value === 0) take(gap, data.length);
  return values;
}

function voxelsOf({ count, from, to }: Runs): number {
  let voxels = 0;
  for (let run = 0; run < count; run++) voxels += (to[run] ?? 0) - (from[run] ?? 0);
  return voxels;
}

/** Brighter than the air's middle by so many robust deviations, and more than single voxels: an artefact (Mortamet et al. 2009). */
const ARTEFACT_Z = 10;

/** @returns voxels of the air that structured signal stands in */
export function artefactsIn({ data, dims }: Grid, { air, airValues: values }: Regions): number {
  const middle = median(values);
  const spread = robustDeviation(values, middle);
  if (!(spread > 0)) return 0;
  const limit = middle + ARTEFACT_Z * spread;
  const places: number[] = [];
  for (let voxel = 0; voxel < air.length; voxel++)
    if (air[voxel] === 1 && (data[voxel] ?? 0) > limit) places.push(voxel);
  return countOpened(places, dims);
}

function united(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length);
  for (let voxel = 0; voxel < both.length; voxel++) both[voxel] = (a[voxel] ?? 0) | (b[voxel] ?? 0);
  return both;
}
