/** Measures over repetitions, as MRIQC and AFNI compute them, and curves for whoever draws them. */
import type { Volume } from '../volumes/volume.ts';
import {
  correlation,
  lineThrough,
  mean,
  median,
  quantile,
  ranksOf,
  robustDeviation,
  solve,
  standardDeviation,
} from './statistics.ts';

/** The mask's voxels over time: one row a voxel. */
export interface Series {
  readonly values: Float32Array;
  readonly voxels: number;
  /** Steady repetitions: dummies are not in it. */
  readonly repetitions: number;
}

/** Voxels that follow time, at most: a mean of twenty thousand is as good as one of a million. */
const VOXELS_AT_MOST = 20_000;

/** @param first - repetitions before it are left out */
export function seriesOf({ data, dims: [nx, ny, nz, all] }: Volume, mask: Uint8Array, first: number): Series {
  const size = nx * ny * nz;
  const inner: number[] = [];
  for (let voxel = 0; voxel < size; voxel++) if (mask[voxel] === 1) inner.push(voxel);
  const chosen = chosenVoxels(inner.length);
  const voxels = chosen.length;
  const repetitions = all - first;
  const values = new Float32Array(voxels * repetitions);
  for (let v = 0; v < voxels; v++) {
    const voxel = inner[chosen[v] ?? 0] ?? 0;
    for (let t = 0; t < repetitions; t++) values[v * repetitions + t] = data[(first + t) * size + voxel] ?? 0;
  }
  return { values, voxels, repetitions };
}

/** Which of so many voxels are followed, evenly apart. */
export function chosenVoxels(count: number): Uint32Array {
  const step = Math.max(1, count / VOXELS_AT_MOST);
  return Uint32Array.from({ length: Math.floor(count / step) }, (_, v) => Math.floor(v * step));
}

function rowOf({ values, repetitions }: Series, voxel: number): Float32Array {
  return values.subarray(voxel * repetitions, (voxel + 1) * repetitions);
}

export interface Dvars {
  /** One entry from each repetition to the next; in thousandths of the median signal. */
  readonly plain: readonly number[];
  /** Over what a stationary series of the same voxels would give: 1 is steady. */
  readonly standardized: readonly number[];
}

/** DVARS (Power 2012), standardised after Nichols 2013: by each voxel's interquartile range and first autocorrelation. */
export function dvarsOf(series: Series): Dvars | undefined {
  const { repetitions, voxels } = series;
  if (repetitions < 4) return undefined;
  const scale = 1_000 / median(series.values);
  const squares = new Float64Array(repetitions - 1);
  let expected = 0;
  let used = 0;
  for (let v = 0; v < voxels; v++) {
    const row = rowOf(series, v);
    const spread = (quantile(row, 0.75) - quantile(row, 0.25)) / 1.349;
    if (!(spread > 0)) continue;
    const average = mean(row);
    let lag0 = 0;
    let lag1 = 0;
    for (let t = 0; t < repetitions; t++) {
      const value = (row[t] ?? 0) - average;
      lag0 += value * value;
      if (t > 0) lag1 += value * ((row[t - 1] ?? 0) - average);
    }
    expected += Math.sqrt(2 * (1 - lag1 / lag0)) * spread * scale;
    used++;
    for (let t = 1; t < repetitions; t++)
      squares[t - 1] = (squares[t - 1] ?? 0) + (((row[t] ?? 0) - (row[t - 1] ?? 0)) * scale) ** 2;
  }
  if (used === 0 || !Number.isFinite(scale)) return undefined;
  const plain = Array.from(squares, (sum) => Math.sqrt(sum / used));
  return { plain, standardized: plain.map((value) => value / (expected / used)) };
}

/** Global correlation: mean of all correlations between voxels, from their standardised mean (Saad 2013). */
export function globalCorrelation(series: Series): number | undefined {
  const { repetitions, voxels } = series;
  const average = new Float64Array(repetitions);
  let used = 0;
  for (let v = 0; v < voxels; v++) {
    const row = rowOf(series, v);
    const middle = mean(row);
    const deviation = standardDeviation(row);
    if (!(deviation > 0)) continue;
    used++;
    for (let t = 0; t < repetitions; t++) average[t] = (average[t] ?? 0) + ((row[t] ?? 0) - middle) / deviation;
  }
  if (used === 0) return undefined;
  return average.reduce((sum, value) => sum + (value / used) ** 2, 0) / repetitions;
}

/** Order of the trend that is taken out before outliers are counted. */
const TREND_ORDER = 5;
/** Repetitions from which on a trend of that order leaves something. */
const MIN_REPETITIONS = 12;

/**
 * Share of voxels that are outliers in their own course, for each repetition (AFNI 3dToutcount): further from the median
 * than √(π/2) · Φ⁻¹(1 − 0.001/n) median absolute deviations, a trend of fifth order taken out by least squares.
 */
export function outlierFractions(series: Series): readonly number[] | undefined {
  const { repetitions, voxels } = series;
  if (repetitions < MIN_REPETITIONS) return undefined;
  const limit = Math.sqrt(Math.PI / 2) * normalQuantile(1 - 0.001 / repetitions);
  const detrend = detrender(repetitions);
  const counts = new Float64Array(repetitions);
  for (let v = 0; v < voxels; v++) {
    const row = detrend(rowOf(series, v));
    const middle = median(row);
    for (let t = 0; t < repetitions; t++) row[t] = Math.abs((row[t] ?? 0) - middle);
    const deviation = median(row);
    if (!(deviation > 0)) continue;
    for (let t = 0; t < repetitions; t++) if ((row[t] ?? 0) > limit * deviation) counts[t] = (counts[t] ?? 0) + 1;
  }
  return Array.from(counts, (count) => count / voxels);
}

/** Takes Legendre polynomials out of a course. */
function detrender(length: number): (row: Float32Array) => Float64Array {
  const basis = Array.from({ length: TREND_ORDER + 1 }, () => new Float64Array(length));
  for (let t = 0; t < length; t++) {
    const x = (2 * t) / (length - 1) - 1;
    let [before, now] = [1, x];
    basis.forEach((values, order) => {
      values[t] = order === 0 ? 1 : now;
      if (order > 0) [before, now] = [now, ((2 * order + 1) * x * now - order * before) / (order + 1)];
    });
  }
  const matrix = basis.map((a) => basis.map((b) => a.reduce((sum, value, t) => sum + value * (b[t] ?? 0), 0)));
  return (row) => {
    const right = basis.map((each) => {
      let sum = 0;
      for (let t = 0; t < length; t++) sum += (each[t] ?? 0) * (row[t] ?? 0);
      return sum;
    });
    const weights = solve(matrix, right) ?? [];
    const left = new Float64Array(row);
    basis.forEach((each, order) => {
      const weight = weights[order] ?? 0;
      for (let t = 0; t < length; t++) left[t] = (left[t] ?? 0) - weight * (each[t] ?? 0);
    });
    return left;
  };
}

/** Acklam's rational approximation, to nine digits; `p` in the upper tail. */
function normalQuantile(p: number): number {
  const q = Math.sqrt(-2 * Math.log(1 - p));
  const top = [
    -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
    2.938163982698783,
  ];
  const bottom = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1];
  const polynomial = (weights: readonly number[]) => weights.reduce((sum, weight) => sum * q + weight, 0);
  return -polynomial(top) / polynomial(bottom);
}

/** 1 − Spearman's correlation of each repetition with the median one (AFNI 3dTqual). */
export function qualityIndices(series: Series): readonly number[] | undefined {
  const { repetitions, voxels } = series;
  if (repetitions < 4) return undefined;
  const step = Math.max(1, Math.floor(voxels / 8_000));
  const chosen = Array.from({ length: Math.floor(voxels / step) }, (_, i) => i * step);
  const reference = ranksOf(chosen.map((voxel) => median(rowOf(series, voxel))));
  return Array.from({ length: repetitions }, (_, t) => {
    const ranks = ranksOf(chosen.map((voxel) => series.values[voxel * repetitions + t] ?? 0));
    return 1 - correlation(ranks, reference);
  });
}

/** Mean of the mask in each repetition. */
export function globalSignal(series: Series): readonly number[] {
  return Array.from({ length: series.repetitions }, (_, t) => {
    let sum = 0;
    for (let v = 0; v < series.voxels; v++) sum += series.values[v * series.repetitions + t] ?? 0;
    return sum / series.voxels;
  });
}

/** What the straight line through the global signal changes by over the scan, in per cent of its mean. */
export function driftPercent(signal: readonly number[]): number {
  return (100 * Math.abs(lineThrough(signal).slope) * (signal.length - 1)) / mean(signal);
}

/** Repetitions at the start that are still settling: beyond 3.5 robust deviations of the rest, without a gap. */
export function dummies(signal: readonly number[]): number {
  const later = signal.slice(Math.min(10, signal.length >> 1));
  const middle = median(later);
  // A tenth of a per cent scatters in any scan: less than that is steady.
  const spread = Math.max(robustDeviation(later, middle), middle * 1e-3);
  const settled = signal.findIndex((value) => Math.abs(value - middle) <= 3.5 * spread);
  return settled < 0 ? 0 : settled;
}

/** Slices of one repetition whose background jumps by so many robust deviations of its own course. */
const SPIKE_Z = 8;

/**
 * Share of slices (of all repetitions) whose air is suddenly brighter: a spark in the scanner room is spread over the
 * whole slice, and seen best where nothing else is.
 */
export function spikeFraction(airBySlice: readonly Float64Array[]): number | undefined {
  const [first] = airBySlice;
  if (first === undefined || first.length < 8) return undefined;
  let spikes = 0;
  let count = 0;
  for (const course of airBySlice) {
    if (course.some((value) => !Number.isFinite(value))) continue;
    const middle = median(course);
    const spread = Math.max(robustDeviation(course, middle), 0.01 * middle);
    for (const value of course) if (spread > 0 && (value - middle) / spread > SPIKE_Z) spikes++;
    count += course.length;
  }
  return count === 0 ? undefined : spikes / count;
}

/** Mean of a region in each slice and repetition: by slice, then repetition. NaN where a slice has too little of it. */
export function meansBySlice(
  { data, dims: [nx, ny, nz, repetitions] }: Volume,
  region: Uint8Array,
  minimum = 20,
): readonly Float64Array[] {
  const plane = nx * ny;
  return Array.from({ length: nz }, (_, slice) => {
    const voxels: number[] = [];
    for (let i = slice * plane; i < (slice + 1) * plane; i++) if (region[i] === 1) voxels.push(i);
    return Float64Array.from({ length: repetitions }, (_, t) => {
      if (voxels.length < minimum) return Number.NaN;
      let sum = 0;
      for (const voxel of voxels) sum += data[t * plane * nz + voxel] ?? 0;
      return sum / voxels.length;
    });
  });
}

/** Mean over deviation of each voxel, a straight line taken out of its course; 0 outside of the mask. */
export function tsnrMap(
  { data, dims: [nx, ny, nz, repetitions] }: Volume,
  mask: Uint8Array,
  first: number,
): Float32Array {
  const size = nx * ny * nz;
  const count = repetitions - first;
  const middle = (count - 1) / 2;
  const squares = (count * (count * count - 1)) / 12;
  const map = new Float32Array(size);
  for (let voxel = 0; voxel < size; voxel++) {
    if (mask[voxel] !== 1) continue;
    let sum = 0;
    let products = 0;
    for (let t = 0; t < count; t++) {
      const value = data[(first + t) * size + voxel] ?? 0;
      sum += value;
      products += (t - middle) * value;
    }
    const average = sum / count;
    const slope = squares === 0 ? 0 : products / squares;
    let rest = 0;
    for (let t = 0; t < count; t++)
      rest += ((data[(first + t) * size + voxel] ?? 0) - average - slope * (t - middle)) ** 2;
    map[voxel] = rest > 0 ? average / Math.sqrt(rest / count) : 0;
  }
  return map;
}
