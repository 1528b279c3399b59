/** The noise of a series of repetitions, from the voxels that hold nothing else. */
import type { Volume } from '../volumes/volume.ts';
import { logGamma } from './background.ts';
import { median } from './statistics.ts';

const PIESNO = { voxels: 8_000, candidates: 30, rounds: 25, confidence: 0.01, values: 8_000 } as const;

/**
 * Standard deviation of the noise by probabilistic identification (Koay et al. 2009, PIESNO) for one coil channel: the
 * largest set of voxels whose energy over repetitions is what a single sigma gives.
 */
export function noiseDeviation(volume: Volume): number | undefined {
  const [nx, ny, nz, repetitions] = volume.dims;
  if (repetitions < 4) return undefined;
  const size = nx * ny * nz;
  const step = Math.max(1, Math.floor(size / PIESNO.voxels));
  const count = Math.floor(size / step);
  const rows = new Float32Array(count * repetitions);
  const energy = new Float64Array(count);
  for (let v = 0; v < count; v++)
    for (let t = 0; t < repetitions; t++) {
      const value = volume.data[t * size + v * step] ?? 0;
      rows[v * repetitions + t] = value;
      energy[v] = (energy[v] ?? 0) + value * value;
    }
  // The median of a Rayleigh distribution is σ √(2 ln 2).
  const unit = Math.sqrt(2 * Math.LN2);
  const highest = median(rows) / unit;
  if (!(highest > 0)) return undefined;
  const low = gammaQuantile(repetitions, PIESNO.confidence / 2) / repetitions;
  const high = gammaQuantile(repetitions, 1 - PIESNO.confidence / 2) / repetitions;
  const within = (sigma: number) => {
    const chosen: number[] = [];
    for (let v = 0; v < count; v++) {
      const scaled = (energy[v] ?? 0) / (2 * repetitions * sigma * sigma);
      if (scaled >= low && scaled <= high) chosen.push(v);
    }
    return chosen;
  };
  let best: { readonly sigma: number; readonly members: number } | undefined;
  for (let candidate = 1; candidate <= PIESNO.candidates; candidate++) {
    let sigma = (candidate * highest) / PIESNO.candidates;
    let chosen = within(sigma);
    for (let round = 0; round < PIESNO.rounds && chosen.length > 0; round++) {
      const next = medianOfRows(rows, repetitions, chosen) / unit;
      const isSettled = Math.abs(next - sigma) < 1e-5 * sigma;
      sigma = next;
      if (isSettled) break;
      chosen = within(sigma);
    }
    if (chosen.length > (best?.members ?? 0)) best = { sigma, members: chosen.length };
  }
  // Fewer than one in a hundred: there is no air in the picture.
  return best === undefined || best.members < count / 100 ? undefined : best.sigma;
}

/** Of all values of some rows, thinned out evenly. */
function medianOfRows(rows: Float32Array, length: number, chosen: readonly number[]): number {
  const all = chosen.length * length;
  const step = Math.max(1, all / PIESNO.values);
  const values = new Float64Array(Math.floor(all / step));
  for (let i = 0; i < values.length; i++) {
    const place = Math.floor(i * step);
    values[i] = rows[(chosen[Math.floor(place / length)] ?? 0) * length + (place % length)] ?? 0;
  }
  return median(values);
}

/** Where the regularised lower incomplete gamma function of `shape` is `p`; by halving. */
function gammaQuantile(shape: number, p: number): number {
  let low = 0;
  let high = shape + 20 * Math.sqrt(shape) + 20;
  for (let round = 0; round < 80; round++) {
    const middle = (low + high) / 2;
    if (gammaShare(shape, middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function gammaShare(shape: number, x: number): number {
  if (x <= 0) return 0;
  // The series converges for every x; around the shape in some √shape terms.
  let term = Math.exp(shape * Math.log(x) - x - logGamma(shape + 1));
  let sum = term;
  for (let n = 1; n < 2_000 && term > sum * 1e-14; n++) {
    term *= x / (shape + n);
    sum += term;
  }
  return Math.min(1, sum);
}
