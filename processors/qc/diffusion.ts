/** Measures of diffusion-weighted scans: what was weighted how, and what the noise and the drop-outs did to it. */
import type { Diffusion, Triple, Volume } from '../volumes/volume.ts';
import { inside, type Regions } from './head-mask.ts';
import { correlation, lineThrough, mean, median, quantile, robustDeviation, standardDeviation } from './statistics.ts';
import { tensorFitter } from './tensor.ts';

/** In s/mm²: less is no weighting; some vendors give the b = 0 a little for crushing. */
const B0_BELOW = 50;
/** b-values of one shell differ by no more than this share (gradients and imaging add a little). */
const SHELL_TOLERANCE = 0.05;
/** Degrees between two directions that are the same one. */
const SAME_DIRECTION_DEGREES = 1;

export interface Scheme {
  readonly b0Volumes: readonly number[];
  readonly weightedVolumes: readonly number[];
  /** Highest first. */
  readonly shells: readonly { readonly bValue: number; readonly volumes: readonly number[] }[];
  /** Weighted repetitions without a direction although others have one. */
  readonly missingDirections: number;
  /** Pairs of one shell with the same axis. */
  readonly doubledDirections: number;
}

export function schemeOf({ bValues, directions }: Diffusion): Scheme {
  const all = bValues.map((_, t) => t);
  const b0Volumes = all.filter((t) => (bValues[t] ?? 0) < B0_BELOW);
  const weightedVolumes = all.filter((t) => (bValues[t] ?? 0) >= B0_BELOW);
  const shells: { bValue: number; volumes: number[] }[] = [];
  for (const t of weightedVolumes.toSorted((a, b) => (bValues[b] ?? 0) - (bValues[a] ?? 0))) {
    const b = bValues[t] ?? 0;
    const shell = shells.find(({ bValue }) => Math.abs(bValue - b) <= SHELL_TOLERANCE * bValue);
    if (shell === undefined) shells.push({ bValue: b, volumes: [t] });
    else shell.volumes.push(t);
  }
  let doubled = 0;
  for (const { volumes } of shells)
    for (const [i, one] of volumes.entries())
      for (const other of volumes.slice(i + 1)) {
        const [a, b] = [directions[one], directions[other]];
        if (a !== undefined && b !== undefined && angle(a, b) < SAME_DIRECTION_DEGREES) doubled++;
      }
  const without = weightedVolumes.filter((t) => directions[t] === undefined).length;
  return {
    b0Volumes,
    weightedVolumes,
    shells,
    missingDirections: without === weightedVolumes.length ? 0 : without,
    doubledDirections: doubled,
  };
}

/** Degrees between two axes: a gradient and its opposite weight alike. */
function angle(a: Triple, b: Triple): number {
  const cosine = Math.abs(a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / (length(a) * length(b));
  return (Math.acos(Math.min(1, cosine)) * 180) / Math.PI;
}
const length = (a: Triple): number => Math.hypot(a[0], a[1], a[2]);

function volumeAt({ data, dims: [nx, ny, nz] }: Volume, t: number): Float32Array {
  return data.subarray(t * nx * ny * nz, (t + 1) * nx * ny * nz);
}

/** Voxels compared with another, at most. */
const COMPARED = 20_000;

function masked(volume: Volume, t: number, mask: Uint8Array): Float32Array {
  const all = inside(volumeAt(volume, t), mask);
  const step = Math.ceil(all.length / COMPARED);
  return step <= 1 ? all : Float32Array.from({ length: Math.floor(all.length / step) }, (_, i) => all[i * step] ?? 0);
}

/**
 * Neighbouring DWI correlation (Yeh et al. 2019): each weighted repetition with the one whose gradient is nearest in
 * q-space, over the mask; mean of all, and the lowest.
 */
export function neighbourCorrelation(
  volume: Volume,
  { bValues, directions }: Diffusion,
  { weightedVolumes }: Scheme,
  mask: Uint8Array,
): { readonly average: number; readonly lowest: number; readonly each: readonly number[] } | undefined {
  const withDirection = weightedVolumes.filter((t) => directions[t] !== undefined);
  if (withDirection.length < 6) return undefined;
  const values = new Map(withDirection.map((t) => [t, masked(volume, t, mask)]));
  const q = (t: number): Triple => {
    const [x, y, z] = directions[t] ?? [0, 0, 0];
    const root = Math.sqrt(bValues[t] ?? 0);
    return [x * root, y * root, z * root];
  };
  const distance = (a: Triple, b: Triple) =>
    Math.min(Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]), Math.hypot(a[0] + b[0], a[1] + b[1], a[2] + b[2]));
  const each = withDirection.map((t) => {
    const here = q(t);
    const others = withDirection.filter((other) => other !== t);
    const nearest = others.reduce((best, other) => (distance(here, q(other)) < distance(here, q(best)) ? other : best));
    return correlation(values.get(t) ?? [], values.get(nearest) ?? []);
  });
  return { average: mean(each), lowest: Math.min(...each), each };
}

/** Mean of b = 0 over its deviation: between several of them where there are, else against the air. */
export function b0SignalToNoise(volume: Volume, { b0Volumes }: Scheme, regions: Regions): number | undefined {
  const [first] = b0Volumes;
  if (first === undefined) return undefined;
  if (b0Volumes.length >= 3) {
    const series = b0Volumes.map((t) => masked(volume, t, regions.mask));
    const ratios: number[] = [];
    for (let v = 0; v < (series[0]?.length ?? 0); v++) {
      const course = series.map((values) => values[v] ?? 0);
      const n = course.length;
      const noise = standardDeviation(course) * Math.sqrt(n / (n - 1));
      if (noise > 0) ratios.push(mean(course) / noise);
    }
    return ratios.length === 0 ? undefined : median(ratios);
  }
  if (regions.airVoxels < 500) return undefined;
  const noise = robustDeviation(inside(volumeAt(volume, first), regions.air, regions.airVoxels));
  return noise > 0 ? (0.655_136_4 * median(masked(volume, first, regions.mask))) / noise : undefined;
}

/** What the straight line through the b = 0 repetitions changes by from the first to the last, in per cent. */
export function b0DriftPercent(volume: Volume, { b0Volumes }: Scheme, mask: Uint8Array): number | undefined {
  if (b0Volumes.length < 3) return undefined;
  const means = b0Volumes.map((t) => mean(masked(volume, t, mask)));
  return (100 * Math.abs(lineThrough(means).slope) * (means.length - 1)) / mean(means);
}

/** Of the air of the first b = 0: 5th, 50th and 95th percentile. */
export function b0Noise(volume: Volume, { b0Volumes }: Scheme, regions: Regions): readonly number[] | undefined {
  const [first] = b0Volumes;
  if (first === undefined || regions.airVoxels < 500) return undefined;
  const values = inside(volumeAt(volume, first), regions.air, regions.airVoxels);
  return [0.05, 0.5, 0.95].map((share) => quantile(values, share));
}

/** Further from its shell's median than so many robust deviations of the voxel's own shell. */
const SPIKE_DEVIATIONS = 10;

/** Single values far above all others of their voxel and shell, in parts per million. */
export function spikesPerMillion(volume: Volume, { shells }: Scheme, mask: Uint8Array): number | undefined {
  const shell = shells.find(({ volumes }) => volumes.length >= 6);
  if (shell === undefined) return undefined;
  const series = shell.volumes.map((t) => masked(volume, t, mask));
  const voxels = series[0]?.length ?? 0;
  let spikes = 0;
  for (let v = 0; v < voxels; v++) {
    const course = series.map((values) => values[v] ?? 0);
    const middle = median(course);
    const spread = robustDeviation(course, middle);
    if (spread > 0) for (const value of course) if (value - middle > SPIKE_DEVIATIONS * spread) spikes++;
  }
  return (1e6 * spikes) / (voxels * series.length);
}

export interface TensorMeasures {
  readonly nanPerMillion: number;
  readonly degeneratePerMillion: number;
  readonly residual: number;
  readonly anisotropy: number;
  /** Signal to noise in the corpus callosum: of b = 0, of the direction where it is weakest, where it is strongest. */
  readonly callosum?: { readonly b0: number; readonly worst: number; readonly best: number };
}

/** Of the middle of the brain from left to right, and with fibres from left to right: the corpus callosum. */
const CALLOSUM = { anisotropy: 0.5, leftRight: 0.9, middle: 0.25, voxels: 10 } as const;

/** @param noise - standard deviation of the noise, for the corpus callosum */
export function tensorMeasures(
  volume: Volume,
  diffusion: Diffusion,
  { b0Volumes, weightedVolumes }: Scheme,
  mask: Uint8Array,
  noise: number | undefined,
): TensorMeasures | undefined {
  const fit = b0Volumes.length === 0 || weightedVolumes.length < 6 ? undefined : tensorFitter(diffusion);
  if (fit === undefined) return undefined;
  const [nx, ny, nz, repetitions] = volume.dims;
  const size = nx * ny * nz;
  const inner: number[] = [];
  for (let voxel = 0; voxel < size; voxel++) if (mask[voxel] === 1) inner.push(voxel);
  const step = Math.max(1, Math.ceil(inner.length / COMPARED));
  const [low, high] = middleThird(volume, inner);
  const signal = new Float64Array(repetitions);
  const residuals: number[] = [];
  const anisotropies: number[] = [];
  const callosum: number[] = [];
  let nan = 0;
  let degenerate = 0;
  let count = 0;
  for (let v = 0; v < inner.length; v += step) {
    const voxel = inner[v] ?? 0;
    for (let t = 0; t < repetitions; t++) signal[t] = volume.data[t * size + voxel] ?? 0;
    count++;
    const { fractionalAnisotropy: fa, direction, residual, hasNegative } = fit(signal);
    if (!Number.isFinite(fa)) nan++;
    else if (hasNegative || fa > 1) degenerate++;
    else {
      anisotropies.push(fa);
      residuals.push(residual);
      const place = leftRight(volume, voxel);
      if (fa > CALLOSUM.anisotropy && Math.abs(direction[0]) > CALLOSUM.leftRight && place > low && place < high)
        callosum.push(voxel);
    }
  }
  if (count === 0) return undefined;
  const meanAt = (t: number) => mean(callosum.map((voxel) => volume.data[t * size + voxel] ?? 0));
  const ratios = weightedVolumes.map(meanAt);
  return {
    nanPerMillion: (1e6 * nan) / count,
    degeneratePerMillion: (1e6 * degenerate) / count,
    residual: median(residuals),
    anisotropy: median(anisotropies),
    ...(callosum.length < CALLOSUM.voxels || noise === undefined || !(noise > 0)
      ? {}
      : {
          callosum: {
            b0: mean(b0Volumes.map(meanAt)) / noise,
            worst: Math.min(...ratios) / noise,
            best: Math.max(...ratios) / noise,
          },
        }),
  };
}

/** Millimetres along the patient's left–right axis (x of LPS). */
function leftRight({ affine, dims: [nx, ny] }: Volume, voxel: number): number {
  const [i, j, k] = [voxel % nx, Math.floor(voxel / nx) % ny, Math.floor(voxel / (nx * ny))];
  return (affine[0] ?? 0) * i + (affine[1] ?? 0) * j + (affine[2] ?? 0) * k + (affine[3] ?? 0);
}

function middleThird(volume: Volume, voxels: readonly number[]): readonly [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const voxel of voxels) {
    const place = leftRight(volume, voxel);
    if (place < low) low = place;
    if (place > high) high = place;
  }
  const middle = (low + high) / 2;
  const reach = CALLOSUM.middle * (high - low);
  return [middle - reach, middle + reach];
}
