/** Whether volumes agree: Bland and Altman's bias and limits, and whether the difference grows with the size. */
import { bootstrap, type Interval, mean, standardDeviation } from './statistics.ts';

export interface VolumePair {
  readonly subject: string;
  readonly referenceMm3: number;
  readonly predictedMm3: number;
}

export interface Agreement {
  readonly cases: number;
  /** Mean of predicted less reference, mm³. */
  readonly biasMm3: number;
  /** Bias ± 1.96 standard deviations of the differences. */
  readonly lowerMm3: number;
  readonly upperMm3: number;
  /** Of the difference on the mean of both volumes, mm³ for each mm³; undefined when all volumes are alike. */
  readonly slope?: number;
  /** 95 %, subjects resampled. Absent for fewer than ten subjects. */
  readonly intervals?: {
    readonly biasMm3: Interval;
    readonly lowerMm3: Interval;
    readonly upperMm3: Interval;
    readonly slope?: Interval;
  };
}

/** Undefined for fewer than two pairs: there is no spread. */
export function agreementOf(pairs: readonly VolumePair[]): Agreement | undefined {
  if (pairs.length < 2) return undefined;
  const { slope, ...figures } = figuresOf(pairs);
  const intervals = bootstrap(pairs, ({ subject }) => subject, figuresOf);
  return {
    cases: pairs.length,
    ...figures,
    ...(Number.isFinite(slope) ? { slope } : {}),
    ...(intervals === undefined ? {} : { intervals }),
  };
}

function figuresOf(pairs: readonly VolumePair[]) {
  const differences = pairs.map(({ referenceMm3, predictedMm3 }) => predictedMm3 - referenceMm3);
  const means = pairs.map(({ referenceMm3, predictedMm3 }) => (predictedMm3 + referenceMm3) / 2);
  const biasMm3 = mean(differences);
  const spread = 1.96 * standardDeviation(differences);
  return { biasMm3, lowerMm3: biasMm3 - spread, upperMm3: biasMm3 + spread, slope: slopeOf(means, differences) };
}

/** Ordinary least squares; NaN when all x are one. */
function slopeOf(x: readonly number[], y: readonly number[]): number {
  const [mx, my] = [mean(x), mean(y)];
  const spread = x.reduce((sum, value) => sum + (value - mx) ** 2, 0);
  const together = x.reduce((sum, value, n) => sum + (value - mx) * ((y[n] ?? 0) - my), 0);
  return spread > 1e-12 * mx * mx ? together / spread : NaN;
}
