/** The little statistics that the measures share; percentiles and deviations as numpy computes them. */
import { neighbours, sortedPixels } from './selection.ts';

export type Values = Float32Array | Float64Array | readonly number[];

/** More values than this are thinned out evenly before they are sorted: a median of half a million is as good. */
const SORTED_AT_MOST = 500_000;

export function mean(values: Values): number {
  // A loop that meets one kind of array only is several times faster, and pictures come as float32.
  if (values instanceof Float32Array) return meanOfPixels(values);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ?? 0;
  return sum / values.length;
}

function meanOfPixels(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ?? 0;
  return sum / values.length;
}

/** Of the population: divided by n. */
export function standardDeviation(values: Values): number {
  const average = mean(values);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += ((values[i] ?? 0) - average) ** 2;
  return Math.sqrt(sum / values.length);
}

export function sorted(values: Values): Float64Array {
  const some = thinned(values);
  return values instanceof Float32Array ? sortedPixels(some) : some.sort();
}

function thinned(values: Values): Float64Array {
  const step = Math.max(1, values.length / SORTED_AT_MOST);
  if (step === 1) return new Float64Array(values);
  const some = new Float64Array(Math.floor(values.length / step));
  for (let i = 0; i < some.length; i++) some[i] = values[Math.floor(i * step)] ?? 0;
  return some;
}

/** Linear between neighbours. @param share - 0 … 1 @returns NaN of nothing */
export function quantileOf(ordered: Float64Array, share: number): number {
  if (ordered.length === 0) return Number.NaN;
  const place = share * (ordered.length - 1);
  const low = ordered[Math.floor(place)] ?? Number.NaN;
  const high = ordered[Math.ceil(place)] ?? low;
  return low + (high - low) * (place - Math.floor(place));
}

/** Without sorting all of them, where there are many. */
export function quantile(values: Values, share: number): number {
  return quantileOfScratch(thinned(values), share);
}

/** The same of values that nobody needs in their order any more; all of them count, however many. */
export function quantileOfScratch(values: Float64Array, share: number): number {
  if (values.length < SELECTED_FROM) return quantileOf(values.sort(), share);
  const place = share * (values.length - 1);
  const rank = Math.floor(place);
  const [low, next] = neighbours(values, rank);
  return rank === Math.ceil(place) ? low : low + (next - low) * (place - rank);
}

const SELECTED_FROM = 200;

export function median(values: Values): number {
  return quantile(values, 0.5);
}

/** Φ⁻¹(3/4): what the median absolute deviation of a normal distribution is divided by to be its standard deviation. */
const NORMAL_QUARTILE = 0.674_489_750_196_081_7;

/** Median absolute deviation, scaled to the standard deviation of a normal distribution. */
export function robustDeviation(values: Values, around = median(values)): number {
  const distances = new Float64Array(values.length);
  for (let i = 0; i < distances.length; i++) distances[i] = Math.abs((values[i] ?? 0) - around);
  return median(distances) / NORMAL_QUARTILE;
}

/** Pearson's. @returns NaN where one of both never changes */
export function correlation(a: Values, b: Values): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    const [da, db] = [(a[i] ?? 0) - meanA, (b[i] ?? 0) - meanB];
    ab += da * db;
    aa += da * da;
    bb += db * db;
  }
  return ab / Math.sqrt(aa * bb);
}

/** Ranks from 0; equal values share the middle of theirs. */
export function ranksOf(values: Values): Float64Array {
  const order = Uint32Array.from({ length: values.length }, (_, i) => i).sort(
    (a, b) => (values[a] ?? 0) - (values[b] ?? 0),
  );
  const ranks = new Float64Array(values.length);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && values[order[to] ?? 0] === values[order[from] ?? 0]) to++;
    for (let i = from; i < to; i++) ranks[order[i] ?? 0] = (from + to - 1) / 2;
    from = to;
  }
  return ranks;
}

/** Slope and intercept of the straight line through values at 0, 1, 2, … */
export function lineThrough(values: Values): { readonly slope: number; readonly intercept: number } {
  const n = values.length;
  const middle = (n - 1) / 2;
  const average = mean(values);
  let products = 0;
  let squares = 0;
  for (let i = 0; i < n; i++) {
    products += (i - middle) * ((values[i] ?? 0) - average);
    squares += (i - middle) ** 2;
  }
  const slope = squares === 0 ? 0 : products / squares;
  return { slope, intercept: average - slope * middle };
}

/** Solves a small symmetric positive system by Cholesky. @returns `undefined` where it has no single solution */
export function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] | undefined {
  const n = right.length;
  const lower = matrix.map(() => new Float64Array(n));
  const at = (i: number, j: number) => lower[i]?.[j] ?? 0;
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i]?.[j] ?? 0;
      for (let k = 0; k < j; k++) sum -= at(i, k) * at(j, k);
      const row = lower[i];
      if (row === undefined) return undefined;
      if (i === j) {
        if (!(sum > 1e-12 * Math.abs(matrix[i]?.[i] ?? 0))) return undefined;
        row[j] = Math.sqrt(sum);
      } else row[j] = sum / at(j, j);
    }
  const y = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let sum = right[i] ?? 0;
    for (let k = 0; k < i; k++) sum -= at(i, k) * (y[k] ?? 0);
    y[i] = sum / at(i, i);
  }
  const x = Array.from({ length: n }, () => 0);
  for (let i = n - 1; i >= 0; i--) {
    let sum = y[i] ?? 0;
    for (let k = i + 1; k < n; k++) sum -= at(k, i) * (x[k] ?? 0);
    x[i] = sum / at(i, i);
  }
  return x;
}
