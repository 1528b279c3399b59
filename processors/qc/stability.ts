/** Measures over repetitions and over slices: temporal SNR, slices that dropped out, voxels at the ceiling. */
import type { Volume } from '../volumes/volume.ts';
import { decibels, type Grid, planeMeans } from './grid.ts';
import { firstSteady } from './mutual-information.ts';
import { centreOfMass, inSphere } from './signal-to-noise.ts';
import { mean, median } from './statistics.ts';

/** In dB after AIDAqc: mean of a sphere at the centre of mass; `undefined` with one voxel in it that never changes. */
export function temporalSnr(volume: Volume): number | undefined {
  const { dims, data } = volume;
  const [nx, ny, nz, repetitions] = dims;
  const first = firstSteady(repetitions);
  const count = repetitions - first;
  if (count < 2) return undefined;
  const size = nx * ny * nz;
  const average = new Float32Array(size);
  for (let t = first; t < repetitions; t++)
    for (let voxel = 0; voxel < size; voxel++)
      average[voxel] = (average[voxel] ?? 0) + (data[t * size + voxel] ?? 0) / count;
  const grid: Grid = { data: average, dims: [nx, ny, nz] };
  const centre = centreOfMass(grid);
  if (centre === undefined) return undefined;
  const places = inSphere({ ...grid, data: average.map((_, i) => i) }, centre, Math.floor((0.1 * (nx + ny)) / 2));
  const inDecibels = mean(
    places.map((voxel) => {
      let sum = 0;
      for (let t = first; t < repetitions; t++) sum += data[t * size + voxel] ?? 0;
      let squares = 0;
      for (let t = first; t < repetitions; t++) squares += ((data[t * size + voxel] ?? 0) - sum / count) ** 2;
      return decibels(sum / count / Math.sqrt(squares / count));
    }),
  );
  return Number.isFinite(inDecibels) ? inDecibels : undefined;
}

/** Of the same slice's median over time. */
const TEMPORAL_DROP = 0.8;
/** Of the darker neighbour. */
const SPATIAL_DROP = 0.5;
const MIN_REPETITIONS = 5;

export interface DropOut {
  /** Share of slices, of all repetitions. */
  readonly fraction: number;
  /** From 1, each once. */
  readonly slices: readonly number[];
}

/**
 * Slices that lost signal: against their own time course, or against both neighbours where there is none. Where the
 * weighting changes from repetition to repetition, each slice is seen against the repetition it is part of.
 */
export function dropOut(volume: Volume): DropOut {
  const [, , nz, repetitions] = volume.dims;
  const isWeighted = volume.kind === 'diffusion' || volume.kind === 'mapping';
  const means = planeMeans(volume).map((row) => {
    const level = isWeighted && repetitions >= MIN_REPETITIONS ? median(row) : 1;
    return level > 0 ? row.map((value) => value / level) : row;
  });
  const usual = Array.from({ length: nz }, (_, slice) => median(means.map((row) => row[slice] ?? 0)));
  const isDropped = (t: number, slice: number): boolean => {
    const here = means[t]?.[slice] ?? 0;
    // A share of a level at or below 0 says nothing: pictures may be negative, of phase or by their scale.
    const isBelow = (level: number, share: number) => level > 0 && here < share * level;
    if (repetitions >= MIN_REPETITIONS) return isBelow(usual[slice] ?? 0, TEMPORAL_DROP);
    const [before, after] = [means[t]?.[slice - 1], means[t]?.[slice + 1]];
    return before !== undefined && after !== undefined && isBelow(Math.min(before, after), SPATIAL_DROP);
  };
  const dropped: number[] = [];
  for (let t = 0; t < repetitions; t++)
    for (let slice = 0; slice < nz; slice++) if (isDropped(t, slice)) dropped.push(slice + 1);
  return { fraction: dropped.length / (nz * repetitions), slices: [...new Set(dropped)].toSorted((a, b) => a - b) };
}

/** Share of voxels that have exactly the highest value: more than a few means that the receiver or the export clipped. */
export function clippedFraction({ data }: Grid): number {
  let high = -Infinity;
  let low = Infinity;
  let count = 0;
  for (let i = 0; i < data.length; i++) {
    const value = data[i] ?? 0;
    if (value < low) low = value;
    if (value < high) continue;
    count = value === high ? count + 1 : 1;
    high = value;
  }
  if (high === low) return 1;
  return count <= 1 ? 0 : count / data.length;
}

/**
 * Entropy focus criterion (Atkinson et al. 1997) as MRIQC scales it: 0 is one bright voxel, 1 is energy spread evenly,
 * as ghosts and motion spread it.
 */
export function entropyFocusCriterion({ data }: Grid): number | undefined {
  const counts = countsOf(data);
  let squares = 0;
  if (counts === undefined) for (let i = 0; i < data.length; i++) squares += (data[i] ?? 0) ** 2;
  else counts.forEach((count, value) => (squares += count * value ** 2));
  const energy = Math.sqrt(squares);
  if (energy === 0) return undefined;
  const highest = Math.sqrt(data.length) * Math.log(1 / Math.sqrt(data.length));
  const term = (value: number): number => (value / energy) * Math.log((value + 1e-16) / energy);
  let sum = 0;
  if (counts === undefined) for (const value of data) sum += value > 0 ? term(value) : 0;
  else counts.forEach((count, value) => (sum += count > 0 && value > 0 ? count * term(value) : 0));
  return sum / highest;
}

/** What 16 bits hold, and no more than a cache does. */
const COUNTED_VALUES = 65_536;

/** How often there is each value: a logarithm a voxel is much, and stored values are few. Undefined: they are not whole, or large. */
function countsOf(data: Float32Array): Uint32Array | undefined {
  const counts = new Uint32Array(COUNTED_VALUES);
  for (let i = 0; i < data.length; i++) {
    const value = data[i] ?? 0;
    const stored = value & (COUNTED_VALUES - 1);
    if (stored !== value) return undefined;
    counts[stored] = (counts[stored] ?? 0) + 1;
  }
  return counts;
}
