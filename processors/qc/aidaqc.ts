/**
 * What AIDAqc computes where this hub's default is another: its ghost detector, with its peculiarities, and how it
 * leaves out the first repetitions. For numbers that are compared with published ones.
 */
import type { Volume } from '../volumes/volume.ts';
import { repetition } from './grid.ts';
import { mutualInformation } from './mutual-information.ts';
import { centreOfMass, inSphere } from './signal-to-noise.ts';
import { mean, quantileOf, sorted } from './statistics.ts';

/** Above this share of the curve's maximum a peak is a strong one. */
const STRONG = 0.25;
const WEAK_PEAKS = 2;

/**
 * True when the mutual information of the central slice with itself, rolled, peaks at n/2, n/4, … of the second axis: one
 * strong peak or three weak ones. Rolled is the slice as one row of numbers, the second axis fastest, as numpy does
 * without an axis.
 */
export function aidaqcGhost(volume: Volume): boolean {
  const [nx, ny, nz, repetitions] = volume.dims;
  const slice = Math.floor(nz / 2);
  const rowByRow = new Float32Array(nx * ny);
  for (let t = 0; t < repetitions; t++) {
    const { data } = repetition(volume, t);
    for (let i = 0; i < nx; i++)
      for (let j = 0; j < ny; j++) {
        const at = i * ny + j;
        rowByRow[at] = (rowByRow[at] ?? 0) + (data[i + nx * (j + ny * slice)] ?? 0) / repetitions;
      }
  }
  const size = rowByRow.length;
  const curve = Array.from({ length: ny }, (_, by) => {
    const rolled = new Float32Array(size);
    rolled.set(rowByRow.subarray(size - by), 0);
    rolled.set(rowByRow.subarray(0, size - by), by);
    return mutualInformation(rolled, rowByRow);
  });
  const places = new Set<number>();
  for (let part = 2; ny % part === 0; part *= 2) places.add(ny / part);
  const peaks = peaksOf(curve).filter((place) => places.has(place));
  const strong = peaks.filter((place) => (curve[place] ?? 0) >= STRONG * Math.max(...curve));
  return peaks.length > WEAK_PEAKS || strong.length > 0;
}

/** Places higher than both sides; of a plateau its middle. The ends are none. */
function peaksOf(curve: readonly number[]): readonly number[] {
  const peaks: number[] = [];
  for (let i = 1; i < curve.length - 1; i++) {
    if (!((curve[i] ?? 0) > (curve[i - 1] ?? 0))) continue;
    let end = i;
    while (end < curve.length - 1 && curve[end + 1] === curve[i]) end++;
    if (end < curve.length - 1 && (curve[end + 1] ?? 0) < (curve[i] ?? 0)) peaks.push(Math.floor((i + end) / 2));
    i = end;
  }
  return peaks;
}

/** Repetitions that are left out from that many on, even if none remains. */
const DUMMIES = 10;

/** First repetition that is measured. */
export function aidaqcFirst(repetitions: number): number {
  return repetitions >= DUMMIES ? DUMMIES : 0;
}

/** Temporal SNR in dB with the centre of mass over all repetitions, and the deviation over the steady ones. */
export function aidaqcTemporalSnr(volume: Volume): number | undefined {
  const [nx, ny, nz, repetitions] = volume.dims;
  if (repetitions < 2) return undefined;
  const first = aidaqcFirst(repetitions);
  const size = nx * ny * nz;
  const average = new Float32Array(size);
  const ratio = new Float32Array(size);
  for (let voxel = 0; voxel < size; voxel++) {
    let [all, sum, squares] = [0, 0, 0];
    for (let t = 0; t < repetitions; t++) {
      const value = volume.data[t * size + voxel] ?? 0;
      all += value;
      if (t >= first) sum += value;
    }
    const middle = sum / (repetitions - first);
    for (let t = first; t < repetitions; t++) squares += ((volume.data[t * size + voxel] ?? 0) - middle) ** 2;
    average[voxel] = all / repetitions;
    ratio[voxel] = 20 * Math.log10(middle / Math.sqrt(squares / (repetitions - first)));
  }
  const dims = [nx, ny, nz] as const;
  const centre = centreOfMass({ data: average, dims });
  if (centre === undefined) return undefined;
  return mean(inSphere({ data: ratio, dims }, centre, Math.floor((0.1 * (nx + ny)) / 2)));
}

/** Fewer scans of a kind than this have no quartiles worth the name. */
const MIN_SCANS = 4;
/** The measures of its vote, and the side that is bad. */
const VOTES = { snr_chang_db: 'low', snr_normal_db: 'low', tsnr_db: 'low', lmv: 'high' } as const;

/**
 * AIDAqc's first vote within one data set and kind of scan: below Q1 − 1.5 IQR for what should be high, above Q3 + 1.5 IQR
 * for displacement. It calls some of every perfect set outliers, and says nothing of a scan on its own.
 *
 * @returns for each scan the measures that are outliers
 */
export function batchOutliers(
  scans: readonly { readonly kind: string; readonly measures: Readonly<Record<string, number | null>> }[],
): readonly (readonly string[])[] {
  return scans.map((scan) =>
    Object.entries(VOTES).flatMap(([measure, side]) => {
      const value = scan.measures[measure];
      const all = scans.flatMap(({ kind, measures }) => {
        const one = measures[measure];
        return kind === scan.kind && typeof one === 'number' ? [one] : [];
      });
      if (typeof value !== 'number' || all.length < MIN_SCANS) return [];
      const ordered = sorted(all);
      const at = (share: number) => quantileOf(ordered, share);
      const reach = 1.5 * (at(0.75) - at(0.25));
      return (side === 'low' ? value < at(0.25) - reach : value > at(0.75) + reach) ? [measure] : [];
    }),
  );
}
