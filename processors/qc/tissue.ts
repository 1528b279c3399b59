/** Tissues of a brain without a model: three classes of intensity. Good for ratios between them, not for volumes. */
import type { Regions } from './head-mask.ts';
import { median, quantileOf, robustDeviation, sorted, standardDeviation } from './statistics.ts';

export interface Tissues {
  /** Intensities of each class, darkest first. */
  readonly classes: readonly [Float64Array, Float64Array, Float64Array];
  /** Share of each class at each voxel of the mask, in its order; darkest first. */
  readonly shares: readonly [Float64Array, Float64Array, Float64Array];
  /** Which of the classes, 0 … 2, is which tissue. */
  readonly whiteMatter: number;
  readonly greyMatter: number;
  readonly cerebrospinalFluid: number;
}

const ROUNDS = 60;
/** Voxels of a brain below which three classes are three guesses. */
const MIN_VOXELS = 500;

/** Echo times from which on a spin echo is T2-weighted, in a rodent's and a human head alike. */
const T2_WEIGHTED_MS = 25;

/**
 * @param echoTimeMs - says whether fluid is the brightest or the darkest
 * @returns `undefined` without a brain mask, or with one too small
 */
export function tissuesOf(regions: Regions, echoTimeMs: number | undefined): Tissues | undefined {
  if (regions.maskKind !== 'brain' || regions.maskVoxels < MIN_VOXELS) return undefined;
  const values = regions.maskValues;
  const { means, deviations, weights } = mixtureOf(values);
  const shares = [0, 1, 2].map(() => new Float64Array(values.length));
  const members: number[][] = [[], [], []];
  values.forEach((value, i) => {
    const likely = means.map((centre, c) => (weights[c] ?? 0) * gaussian(value, centre, deviations[c] ?? 1));
    const total = likely.reduce((a, b) => a + b, 0);
    likely.forEach((one, c) => {
      const share = shares[c];
      if (share !== undefined) share[i] = total > 0 ? one / total : 1 / 3;
    });
    members[likely.indexOf(Math.max(...likely))]?.push(value);
  });
  const isT2 = (echoTimeMs ?? 0) >= T2_WEIGHTED_MS;
  const [a = [], b = [], c = []] = members;
  const [d = new Float64Array(), e = new Float64Array(), f = new Float64Array()] = shares;
  return {
    classes: [Float64Array.from(a), Float64Array.from(b), Float64Array.from(c)],
    shares: [d, e, f],
    whiteMatter: isT2 ? 0 : 2,
    greyMatter: 1,
    cerebrospinalFluid: isT2 ? 2 : 0,
  };
}

function gaussian(value: number, centre: number, deviation: number): number {
  return Math.exp(-0.5 * ((value - centre) / deviation) ** 2) / deviation;
}

/** Three Gaussians by expectation and maximisation, from the sextiles on. */
function mixtureOf(values: Float32Array) {
  const ordered = sorted(values);
  const floor = Math.max(1e-12, (quantileOf(ordered, 0.95) - quantileOf(ordered, 0.05)) / 100);
  let means = [1 / 6, 1 / 2, 5 / 6].map((share) => quantileOf(ordered, share));
  let deviations = [0, 1, 2].map(() => Math.max(floor, standardDeviation(values) / 3));
  let weights = [1 / 3, 1 / 3, 1 / 3];
  // Thinned: the mixture of ten thousand voxels is that of a million.
  const step = Math.max(1, Math.floor(ordered.length / 10_000));
  for (let round = 0; round < ROUNDS; round++) {
    const sums = [0, 1, 2].map(() => ({ n: 0, sum: 0, squares: 0 }));
    let count = 0;
    for (let i = 0; i < ordered.length; i += step) {
      const value = ordered[i] ?? 0;
      const likely = means.map((centre, c) => (weights[c] ?? 0) * gaussian(value, centre, deviations[c] ?? 1));
      const total = likely.reduce((a, b) => a + b, 0);
      if (!(total > 0)) continue;
      count++;
      likely.forEach((one, c) => {
        const sum = sums[c];
        if (sum === undefined) return;
        const share = one / total;
        sum.n += share;
        sum.sum += share * value;
        sum.squares += share * value * value;
      });
    }
    means = sums.map(({ n, sum }, c) => (n > 0 ? sum / n : (means[c] ?? 0)));
    deviations = sums.map(({ n, squares }, c) =>
      n > 0 ? Math.max(floor, Math.sqrt(Math.max(0, squares / n - (means[c] ?? 0) ** 2))) : floor,
    );
    weights = sums.map(({ n }) => n / count);
  }
  const order = [0, 1, 2].toSorted((a, b) => (means[a] ?? 0) - (means[b] ?? 0));
  const inOrder = (each: readonly number[]) => order.map((c) => each[c] ?? 0);
  return { means: inOrder(means), deviations: inOrder(deviations), weights: inOrder(weights) };
}

/** Contrast to noise: the distance of white and grey matter over the noise of both and of the air. */
export function contrastToNoise(white: Float64Array, grey: Float64Array, air: Float32Array): number {
  const noise = Math.sqrt(standardDeviation(air) ** 2 + standardDeviation(white) ** 2 + standardDeviation(grey) ** 2);
  return Math.abs(median(white) - median(grey)) / noise;
}

/** Coefficient of joint variation (Ganzetti et al. 2016): spread of both tissues over their distance. */
export function jointVariation(white: Float64Array, grey: Float64Array): number {
  return (robustDeviation(white) + robustDeviation(grey)) / Math.abs(median(white) - median(grey));
}

/** White matter over P99.95 of the whole grid. */
export function whiteToMaximum(white: Float64Array, highest: number): number {
  return median(white) / highest;
}

/** Share of the brain that a class takes. */
export function volumeFraction(tissues: Tissues, tissue: number): number {
  const sums = tissues.shares.map((shares) => shares.reduce((a, b) => a + b, 0));
  return (sums[tissue] ?? 0) / sums.reduce((a, b) => a + b, 0);
}

/** Residual partial volume: how far from certain a class is, over its voxels that are neither 0 nor 1, P2 to P98. */
export function residualPartialVolume(shares: Float64Array): number {
  const partial = sorted(shares.filter((share) => share > 0 && share < 1));
  if (partial.length === 0) return 0;
  const [low, high] = [quantileOf(partial, 0.02), quantileOf(partial, 0.98)];
  let sum = 0;
  for (const share of partial) if (share >= low && share <= high) sum += share > 0.5 ? share : 1 - share;
  return sum / partial.length;
}
