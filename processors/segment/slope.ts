/** How much of a picture is nothing but a smooth slope of brightness. */
import type { Volume } from '../volumes/volume.ts';

/** Enough to fit ten numbers to a volume of any size. */
const MAX_SAMPLES = 50_000;
const TERMS = 10;
/** Of the largest sum on the diagonal: below it an axis has too few places to tell its terms apart. */
const SINGULAR = 1e-9;

/**
 * Share of the variance of the first repetition that the best surface of second degree explains, 0 … 1. Zeros are left
 * out where values that were no numbers became zeros: they would hide the slope around them.
 */
export function slopeOf({ dims: [nx, ny, nz], data, zeroed }: Volume): number {
  const count = nx * ny * nz;
  const step = strideThrough(count);
  const sums = new Float64Array(TERMS * TERMS);
  const right = new Float64Array(TERMS);
  const terms = new Float64Array(TERMS);
  let largest = 0;
  for (let n = 0; n < count; n += step) largest = Math.max(largest, Math.abs(data[n] ?? 0));
  let [used, total, squares] = [0, 0, 0];
  for (let n = 0; n < count; n += step) {
    const raw = data[n] ?? 0;
    if (raw === 0 && zeroed !== undefined) continue;
    // Squares of what a float32 can hold would not fit.
    const value = largest === 0 ? 0 : raw / largest;
    termsAt(terms, centred(n % nx, nx), centred(Math.floor(n / nx) % ny, ny), centred(Math.floor(n / (nx * ny)), nz));
    for (let i = 0; i < TERMS; i += 1) {
      const term = terms[i] ?? 0;
      right[i] = (right[i] ?? 0) + term * value;
      for (let j = 0; j < TERMS; j += 1) sums[i * TERMS + j] = (sums[i * TERMS + j] ?? 0) + term * (terms[j] ?? 0);
    }
    used += 1;
    total += value;
    squares += value * value;
  }
  const variance = squares - (total * total) / Math.max(1, used);
  if (used < 10 * TERMS || !(variance > 0)) return 0;
  const explained = explainedBy(sums, right) - (total * total) / used;
  return Math.min(1, Math.max(0, explained / variance));
}

/** Shares no factor with the grid: every row, column and slice is met. */
function strideThrough(count: number): number {
  let step = Math.max(1, Math.floor(count / MAX_SAMPLES));
  while (commonDivisor(step, count) > 1) step += 1;
  return step;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

const centred = (index: number, size: number): number => (size < 2 ? 0 : (2 * index) / (size - 1) - 1);

function termsAt(terms: Float64Array, x: number, y: number, z: number): void {
  [1, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z].forEach((term, i) => (terms[i] = term));
}

/** Sum of squares of the fit, by Cholesky's factor of the normal equations; terms that others already say are left out. */
function explainedBy(sums: Float64Array, right: Float64Array): number {
  const factor = new Float64Array(TERMS * TERMS);
  const at = (i: number, j: number): number => factor[i * TERMS + j] ?? 0;
  const scale = Math.max(...Array.from({ length: TERMS }, (_, i) => sums[i * TERMS + i] ?? 0));
  const solved = new Float64Array(TERMS);
  let explained = 0;
  for (let i = 0; i < TERMS; i += 1) {
    let diagonal = sums[i * TERMS + i] ?? 0;
    for (let k = 0; k < i; k += 1) diagonal -= at(i, k) ** 2;
    if (diagonal <= SINGULAR * scale) continue;
    const root = Math.sqrt(diagonal);
    factor[i * TERMS + i] = root;
    for (let j = i + 1; j < TERMS; j += 1) {
      let value = sums[j * TERMS + i] ?? 0;
      for (let k = 0; k < i; k += 1) value -= at(j, k) * at(i, k);
      factor[j * TERMS + i] = value / root;
    }
    let value = right[i] ?? 0;
    for (let k = 0; k < i; k += 1) value -= at(i, k) * (solved[k] ?? 0);
    solved[i] = value / root;
    explained += (solved[i] ?? 0) ** 2;
  }
  return explained;
}
