/** Measures of scans that a map is made from: several echoes, or several inversion times, of the same slices. */
import { inside } from './head-mask.ts';
import { mean, median, quantile, robustDeviation } from './statistics.ts';

/** One echo, or one inversion time. */
export interface Weighting {
  readonly timeMs: number;
  /** One repetition. */
  readonly data: Float32Array;
}

export interface FitMeasures {
  /** Median of R² over the mask. */
  readonly rSquared: number;
  /** Share of the mask without a physical value: not fitted, or outside of what tissue has. */
  readonly failedFraction: number;
  readonly medianMs: number;
  readonly p05Ms: number;
  readonly p95Ms: number;
  /** In ms; 0 outside of the mask and where the fit failed. */
  readonly map: Float32Array;
}

/** What tissue, fluid or a tube has between 3 and 11.7 T, in ms. */
const PHYSICAL = { t2: [5, 500], t1: [50, 5_000] } as const;
/** Echoes, times or values that a fit of so many unknowns needs. */
const MIN_ECHOES = 3;
const MIN_INVERSIONS = 4;

/** Mono-exponential decay, S₀ exp(−TE/T2), by least squares on the logarithm, weighted by the squared signal. */
export function fitDecay(echoes: readonly Weighting[], mask: Uint8Array): FitMeasures | undefined {
  const ordered = echoes.toSorted((a, b) => a.timeMs - b.timeMs);
  if (new Set(ordered.map(({ timeMs }) => timeMs)).size < MIN_ECHOES) return undefined;
  return fitted(mask, PHYSICAL.t2, (voxel) => {
    let [w, wx, wy, wxx, wxy] = [0, 0, 0, 0, 0];
    for (const { timeMs, data } of ordered) {
      const value = data[voxel] ?? 0;
      if (!(value > 0)) continue;
      const weight = value * value;
      const y = Math.log(value);
      w += weight;
      wx += weight * timeMs;
      wy += weight * y;
      wxx += weight * timeMs * timeMs;
      wxy += weight * timeMs * y;
    }
    const determinant = w * wxx - wx * wx;
    if (!(determinant > 0)) return undefined;
    const slope = (w * wxy - wx * wy) / determinant;
    const intercept = (wy - slope * wx) / w;
    return {
      timeMs: -1 / slope,
      rSquared: rSquaredOf(ordered, voxel, (timeMs) => Math.exp(intercept + slope * timeMs)),
    };
  });
}

/**
 * Inversion recovery of magnitudes, |a − b exp(−TI/T1)|, by a search over T1 with a and b by least squares and the sign
 * restored at each place it could change.
 */
export function fitRecovery(times: readonly Weighting[], mask: Uint8Array): FitMeasures | undefined {
  const ordered = times.toSorted((a, b) => a.timeMs - b.timeMs);
  if (new Set(ordered.map(({ timeMs }) => timeMs)).size < MIN_INVERSIONS) return undefined;
  const [low, high] = PHYSICAL.t1;
  const count = ordered.length;
  const curves = Array.from({ length: GRID }, (_, i) => {
    const t1 = low * (high / low) ** (i / (GRID - 1));
    const decays = Float64Array.from(ordered, ({ timeMs }) => Math.exp(-timeMs / t1));
    const average = mean(decays);
    const centred = decays.map((value) => value - average);
    return { t1, average, centred, squares: centred.reduce((sum, value) => sum + value * value, 0) };
  });
  const signed = new Float64Array(count);
  return fitted(mask, PHYSICAL.t1, (voxel) => {
    let lowest = 0;
    for (let i = 1; i < count; i++)
      if ((ordered[i]?.data[voxel] ?? 0) < (ordered[lowest]?.data[voxel] ?? 0)) lowest = i;
    let best = { rest: Infinity, t1: Number.NaN, a: 0, b: 0 };
    // The sign changes where the magnitude is lowest: before that place, behind it, or nowhere.
    for (const flips of new Set([0, lowest, lowest + 1])) {
      let sum = 0;
      for (let i = 0; i < count; i++) {
        const value = ordered[i]?.data[voxel] ?? 0;
        signed[i] = i < flips ? -value : value;
        sum += signed[i] ?? 0;
      }
      const average = sum / count;
      let total = 0;
      for (let i = 0; i < count; i++) total += ((signed[i] ?? 0) - average) ** 2;
      for (const curve of curves) {
        let products = 0;
        for (let i = 0; i < count; i++) products += (curve.centred[i] ?? 0) * (signed[i] ?? 0);
        const rest = total - (products * products) / curve.squares;
        if (rest >= best.rest) continue;
        const slope = products / curve.squares;
        best = { rest, t1: curve.t1, a: average - slope * curve.average, b: -slope };
      }
    }
    const { t1, a, b } = best;
    return { timeMs: t1, rSquared: rSquaredOf(ordered, voxel, (timeMs) => Math.abs(a - b * Math.exp(-timeMs / t1))) };
  });
}

/** Values of T1 that are tried, each a twenty-fifth above the one before. */
const GRID = 120;

function rSquaredOf(weightings: readonly Weighting[], voxel: number, curve: (timeMs: number) => number): number {
  const values = weightings.map(({ data }) => data[voxel] ?? 0);
  const average = mean(values);
  let rest = 0;
  let total = 0;
  weightings.forEach(({ timeMs }, i) => {
    rest += ((values[i] ?? 0) - curve(timeMs)) ** 2;
    total += ((values[i] ?? 0) - average) ** 2;
  });
  return total > 0 ? 1 - rest / total : 0;
}

function fitted(
  mask: Uint8Array,
  [low, high]: readonly [number, number],
  fit: (voxel: number) => { readonly timeMs: number; readonly rSquared: number } | undefined,
): FitMeasures | undefined {
  const map = new Float32Array(mask.length);
  const good: number[] = [];
  const shares: number[] = [];
  let voxels = 0;
  for (let voxel = 0; voxel < mask.length; voxel++) {
    if (mask[voxel] !== 1) continue;
    voxels++;
    const found = fit(voxel);
    shares.push(found === undefined ? 0 : Math.max(0, found.rSquared));
    if (found === undefined || !(found.timeMs > low && found.timeMs < high)) continue;
    map[voxel] = found.timeMs;
    good.push(found.timeMs);
  }
  if (voxels === 0) return undefined;
  return {
    rSquared: median(shares),
    failedFraction: 1 - good.length / voxels,
    medianMs: median(good),
    p05Ms: quantile(good, 0.05),
    p95Ms: quantile(good, 0.95),
    map,
  };
}

/** Signal to noise of each echo, by the air of its own picture. */
export function snrByEcho(echoes: readonly Weighting[], mask: Uint8Array, air: Uint8Array): readonly number[] {
  return echoes
    .toSorted((a, b) => a.timeMs - b.timeMs)
    .map(({ data }) => (0.655_136_4 * median(inside(data, mask))) / robustDeviation(inside(data, air)));
}

/** Share of steps from echo to echo on which the signal grows by more than a twentieth: a decay never does. */
export function risingFraction(snr: readonly number[]): number {
  if (snr.length < 2) return 0;
  return snr.slice(1).filter((value, i) => value > 1.05 * (snr[i] ?? 0)).length / (snr.length - 1);
}

/** Echo or inversion times that the even spacing of the others leaves out. */
export function missingTimes(timesMs: readonly number[]): number {
  const ordered = [...new Set(timesMs)].toSorted((a, b) => a - b);
  if (ordered.length < 3) return 0;
  const steps = ordered.slice(1).map((time, i) => time - (ordered[i] ?? 0));
  const usual = median(steps);
  // Only a list that is even but for its gaps says that something is missing: inversion times rise as they like.
  const isEven = steps.filter((step) => Math.abs(step - usual) < 0.05 * usual).length >= steps.length / 2;
  if (!isEven) return 0;
  return steps.reduce((sum, step) => sum + Math.max(0, Math.round(step / usual) - 1), 0);
}
