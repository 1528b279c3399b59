/** What stands in the air around the head: noise, and what is not noise. */
import type { Grid } from './grid.ts';
import { centred, spectrum } from './fourier.ts';
import { artefactsIn, type Regions } from './head-mask.ts';
import { median, quantileOf, robustDeviation, sorted } from './statistics.ts';

/** Share of the air that holds structured signal (Mortamet et al. 2009): 0 is clean. */
export function artefactFraction(grid: Grid, regions: Regions): number {
  return artefactsIn(grid, regions) / regions.airVoxels;
}

const GRID_POINTS = 1_000;
const BANDWIDTH = 4;
/** Degrees of freedom where the fit begins: twice sixteen coil elements. */
const FIRST_FREEDOM = 32;
const MIN_AIR = 1_000;
const MOST_AIR = 300_000;

/**
 * How badly the air's intensities follow a χ² distribution on their falling side (Mortamet et al. 2009, as MRIQC has
 * it): 0 is perfect. Intensities are scaled to P99 = 100.
 *
 * @returns `undefined` below 1,000 voxels of air
 */
export function airDistribution({ airValues }: Regions): number | undefined {
  const positive = sorted(positiveOf(airValues));
  if (positive.length < MIN_AIR) return undefined;
  const step = Math.max(1, positive.length / MOST_AIR);
  const scale = 100 / quantileOf(positive, 0.99);
  const values = new Float64Array(Math.floor(positive.length / step));
  for (let i = 0; i < values.length; i++) values[i] = (positive[Math.floor(i * step)] ?? 0) * scale;
  const high = values.at(-1) ?? 100;
  const falling = quantileOf(values, 0.95);
  const points = Float64Array.from({ length: GRID_POINTS }, (_, i) => (i * high) / (GRID_POINTS - 1));
  const density = kernelDensity(values, points, BANDWIDTH);
  const half = Math.max(...density) / 2;
  let from = GRID_POINTS - 1;
  while (from > 0 && !((density[from] ?? 0) > half)) from--;
  const end = values.findIndex((value) => !(value < falling));
  const fit = fitChiSquare(end < 0 ? values : values.subarray(0, end));
  let sum = 0;
  const fitted = chiSquare(fit);
  for (let i = from; i < GRID_POINTS; i++) sum += Math.abs((density[i] ?? 0) - fitted(points[i] ?? 0));
  return sum / (GRID_POINTS - from);
}

function positiveOf(values: Float32Array): Float32Array {
  const some = new Float32Array(values.length);
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    some[count] = values[i] ?? 0;
    count += Number((values[i] ?? 0) > 0);
  }
  return some.subarray(0, count);
}

/** Gaussian kernels; bins far finer than the bandwidth stand for the values. */
export function kernelDensity(values: Float64Array, points: Float64Array, bandwidth: number): Float64Array {
  const low = values[0] ?? 0;
  const width = bandwidth / 64;
  const bins = new Float64Array(Math.ceil(((values.at(-1) ?? 0) - low) / width) + 2);
  for (const value of values) {
    const place = (value - low) / width;
    const bin = Math.floor(place);
    bins[bin] = (bins[bin] ?? 0) + 1 - (place - bin);
    bins[bin + 1] = (bins[bin + 1] ?? 0) + (place - bin);
  }
  const factor = 1 / (values.length * bandwidth * Math.sqrt(2 * Math.PI));
  const step = width / bandwidth;
  const slowing = Math.exp(-step * step);
  return points.map((point) => {
    const from = Math.max(0, Math.floor((point - 8 * bandwidth - low) / width));
    const to = Math.min(bins.length - 1, Math.ceil((point + 8 * bandwidth - low) / width));
    let sum = 0;
    // From bin to bin a Gaussian changes by a factor that itself changes by a constant one.
    const distance = (low + from * width - point) / bandwidth;
    let weight = Math.exp(-0.5 * distance * distance);
    let change = Math.exp(-distance * step - 0.5 * step * step);
    for (let bin = from; bin <= to; bin++) {
      sum += (bins[bin] ?? 0) * weight;
      weight *= change;
      change *= slowing;
    }
    return sum * factor;
  });
}

interface ChiSquare {
  readonly freedom: number;
  readonly place: number;
  readonly scale: number;
}

function chiSquare({ freedom, place, scale }: ChiSquare): (x: number) => number {
  const logDensity = logDensityOf(freedom);
  return (x) => {
    const u = (x - place) / scale;
    return u > 0 ? Math.exp(logDensity(u)) / scale : 0;
  };
}

function logDensityOf(freedom: number): (u: number) => number {
  const power = freedom / 2 - 1;
  const twos = (freedom / 2) * Math.LN2;
  const gamma = logGamma(freedom / 2);
  return (u) => power * Math.log(u) - u / 2 - twos - gamma;
}

/** Likeliest degrees of freedom, place and scale, by Nelder and Mead's simplex on a thousand quantiles. */
function fitChiSquare(ordered: Float64Array): ChiSquare {
  const values = Float64Array.from({ length: 1_000 }, (_, i) => quantileOf(ordered, (i + 0.5) / 1_000));
  const least = values[0] ?? 0;
  const middle = median(values);
  const variance = values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / values.length;
  const unlikeliness = ([logFreedom = 0, below = 0, logScale = 0]: readonly number[]): number => {
    const freedom = Math.exp(logFreedom);
    const scale = Math.exp(logScale);
    const place = least - Math.exp(below);
    const logDensity = logDensityOf(freedom);
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum -= logDensity(((values[i] ?? 0) - place) / scale) - logScale;
    return Number.isFinite(sum) ? sum : Infinity;
  };
  const scale = Math.sqrt(variance / (2 * FIRST_FREEDOM));
  const [logFreedom = 0, below = 0, logScale = 0] = minimized(unlikeliness, [
    Math.log(FIRST_FREEDOM),
    Math.log(Math.max(1, least - middle + FIRST_FREEDOM * scale)),
    Math.log(scale),
  ]);
  return { freedom: Math.exp(logFreedom), place: least - Math.exp(below), scale: Math.exp(logScale) };
}

function minimized(cost: (at: readonly number[]) => number, start: readonly number[]): readonly number[] {
  let points = [start, ...start.map((_, axis) => start.map((value, i) => (i === axis ? value + 0.3 : value)))].map(
    (at) => ({ at, cost: cost(at) }),
  );
  for (let round = 0; round < 400; round++) {
    points = points.toSorted((a, b) => a.cost - b.cost);
    const worst = points.at(-1);
    const best = points[0];
    if (worst === undefined || best === undefined || worst.cost - best.cost < 1e-7) break;
    const others = points.slice(0, -1);
    const middle = start.map((_, i) => others.reduce((sum, { at }) => sum + (at[i] ?? 0), 0) / others.length);
    const along = (by: number) => {
      const at = middle.map((value, i) => value + by * ((worst.at[i] ?? 0) - value));
      return { at, cost: cost(at) };
    };
    const reflected = along(-1);
    if (reflected.cost < best.cost) {
      const further = along(-2);
      points = [...others, further.cost < reflected.cost ? further : reflected];
    } else if (reflected.cost < (others.at(-1)?.cost ?? 0)) points = [...others, reflected];
    else {
      const nearer = along(0.5);
      points =
        nearer.cost < worst.cost
          ? [...others, nearer]
          : points.map(({ at }) => {
              const shrunk = at.map((value, i) => ((best.at[i] ?? 0) + value) / 2);
              return { at: shrunk, cost: cost(shrunk) };
            });
    }
  }
  return points.toSorted((a, b) => a.cost - b.cost)[0]?.at ?? start;
}

/** Lanczos' approximation, to 15 digits. */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const weights = [
    676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
    -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
  ];
  const series = weights.reduce((sum, weight, i) => sum + weight / (x + i), 0.999_999_999_999_809_9);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(series);
}

/** Lines of air that a mean needs. */
const MIN_LINE = 8;
/** Lines on each side that one is compared with. */
const NEAR = 6;

/**
 * Lines of radio frequency interference ("zipper"): how far the brightest column or row of the air stands out from the
 * others, in robust standard deviations.
 */
export function interference({ data, dims: [nx, ny, nz] }: Grid, { air }: Regions): number | undefined {
  const [columnSums, rowSums] = [new Float64Array(nx), new Float64Array(ny)];
  const [columnCounts, rowCounts] = [new Float64Array(nx), new Float64Array(ny)];
  for (let k = 0, voxel = 0; k < nz; k++)
    for (let j = 0; j < ny; j++) {
      let rowSum = rowSums[j] ?? 0;
      let rowCount = rowCounts[j] ?? 0;
      // What is no air adds 0: cheaper than to ask, for its edge is ragged where there are zeros.
      for (let i = 0; i < nx; i++, voxel++) {
        const isAir = air[voxel] ?? 0;
        const value = (data[voxel] ?? 0) * isAir;
        columnSums[i] = (columnSums[i] ?? 0) + value;
        columnCounts[i] = (columnCounts[i] ?? 0) + isAir;
        rowSum += value;
        rowCount += isAir;
      }
      rowSums[j] = rowSum;
      rowCounts[j] = rowCount;
    }
  const lines = (sums: Float64Array, counts: Float64Array): number | undefined => {
    const means = Array.from(sums, (sum, line) => {
      const count = counts[line] ?? 0;
      return count < MIN_LINE * nz ? undefined : { value: sum / count, weight: Math.sqrt(count) };
    });
    if (means.filter((line) => line !== undefined).length < 2 * MIN_LINE) return undefined;
    // Against its neighbours: what leaks out of the object is bright over many lines. In its own standard errors: the mean
    // of a short line scatters more.
    const distances = means.flatMap((line, at) => {
      if (line === undefined) return [];
      const near = means.slice(Math.max(0, at - NEAR), at + NEAR + 1);
      const values = near.flatMap((other) => (other === undefined ? [] : [other.value]));
      return values.length < NEAR ? [] : [(line.value - median(values)) * line.weight];
    });
    if (distances.length < MIN_LINE) return undefined;
    const spread = robustDeviation(distances, 0);
    return spread > 0 ? Math.max(...distances) / spread : undefined;
  };
  const known = [lines(columnSums, columnCounts), lines(rowSums, rowCounts)].filter((each) => each !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

/** Spatial frequencies further out than this share of the highest hold little of the object. */
const OUTER = 0.6;

/**
 * Spikes in k-space ("herringbone"): the brightest point of the outer k-space over its median, of the slice where it is
 * highest. Noise alone gives about 4.
 */
export function spectralSpike(grid: Grid): number | undefined {
  const [nx, ny, nz] = grid.dims;
  if (Math.min(nx, ny) < 16) return undefined;
  const shown = Math.min(nz, SLICES_LOOKED_AT);
  const ratios = Array.from({ length: shown }, (_, i) => {
    const slice = Math.floor(((i + 0.5) * nz) / shown);
    const { magnitude, columns, rows } = spectrum(grid.data.subarray(slice * nx * ny, (slice + 1) * nx * ny), nx, ny);
    const isOuter = (bin: number, size: number) => Math.abs(centred(bin, size)) > OUTER * 0.5;
    const outerColumns = Array.from({ length: columns }, (_, x) => x).filter((x) => isOuter(x, columns));
    const outer: number[] = [];
    let most = 0;
    for (let y = 0; y < rows; y++) {
      if (!isOuter(y, rows)) continue;
      for (const x of outerColumns) {
        const value = magnitude(y * columns + x);
        most = Math.max(most, value);
        outer.push(value);
      }
    }
    const middle = median(outer);
    return middle > 0 ? most / middle : 0;
  });
  const highest = Math.max(...ratios);
  return highest > 0 ? highest : undefined;
}
const SLICES_LOOKED_AT = 9;
