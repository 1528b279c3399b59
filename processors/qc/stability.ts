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
 * weighting changes from repetition to repetition, each slice is held against what it usually is at that level.
 */
export function dropOut(volume: Volume): DropOut {
  const [, , nz, repetitions] = volume.dims;
  const means = planeMeans(volume);
  const isDropped = repetitions < MIN_REPETITIONS ? belowNeighbours(means) : belowUsual(means, nz, isWeighted(volume));
  const dropped: number[] = [];
  for (let t = 0; t < repetitions; t++)
    for (let slice = 0; slice < nz; slice++) if (isDropped(t, slice)) dropped.push(slice + 1);
  return { fraction: dropped.length / (nz * repetitions), slices: [...new Set(dropped)].toSorted((a, b) => a - b) };
}

type IsDropped = (repetition: number, slice: number) => boolean;
type SliceMeans = ReturnType<typeof planeMeans>;

const isWeighted = ({ kind }: Volume): boolean => kind === 'diffusion' || kind === 'mapping';

/** A share of a level at or below 0 says nothing: pictures may be negative, of phase or by their scale. */
function isBelow(here: number, level: number, share: number): boolean {
  return level > 0 && here < share * level;
}

function belowNeighbours(means: SliceMeans): IsDropped {
  return (t, slice) => {
    const [before, here = 0, after] = [slice - 1, slice, slice + 1].map((place) => means[t]?.[place]);
    return before !== undefined && after !== undefined && isBelow(here, Math.min(before, after), SPATIAL_DROP);
  };
}

function belowUsual(means: SliceMeans, nz: number, isWeightedSeries: boolean): IsDropped {
  const courses = Array.from({ length: nz }, (_, slice) => means.map((row) => row[slice] ?? 0));
  if (!isWeightedSeries) {
    const usual = courses.map((course) => median(course));
    return (t, slice) => isBelow(means[t]?.[slice] ?? 0, usual[slice] ?? 0, TEMPORAL_DROP);
  }
  const levels = means.map((row) => median(row));
  const lines = courses.map((course) => usualLine(levels, course));
  const usualOf = (t: number, slice: number) => lines[slice]?.(levels[t] ?? 0) ?? 0;
  const ratios = means.map((row, t) => row.map((value, slice) => value / Math.max(usualOf(t, slice), Number.EPSILON)));
  const isUnlikeNeighbours = belowNeighbours(ratios);
  // Of a level that comes once or twice the line goes through what is to be judged: there its neighbours are asked, too.
  return (t, slice) =>
    isBelow(means[t]?.[slice] ?? 0, usualOf(t, slice), TEMPORAL_DROP) || isUnlikeNeighbours(t, slice);
}

/** Pairs of repetitions whose levels differ by so much of the range tell how a slice goes along. */
const APART = 0.25;
/** Below such a range, of the highest, all repetitions are of one level. */
const ONE_LEVEL = 0.1;
const MOST_PAIRS = 4_000;

/**
 * What a slice is at each level of the repetition it is part of: a straight line, for noise does not get weaker with the
 * weighting, and a slice with little in it is mostly noise. By medians (Theil and Sen), so that what is lost does not bend it.
 */
function usualLine(levels: readonly number[], course: readonly number[]): (level: number) => number {
  const highest = levels.reduce((one, other) => Math.max(one, other), -Infinity);
  const lowest = levels.reduce((one, other) => Math.min(one, other), Infinity);
  const range = highest - lowest;
  const slopes: number[] = [];
  if (range > ONE_LEVEL * highest) {
    const step = Math.max(1, Math.ceil(levels.length ** 2 / 2 / MOST_PAIRS));
    let pair = 0;
    for (let one = 0; one < levels.length; one++)
      for (let other = one + 1; other < levels.length; other++) {
        const apart = (levels[other] ?? 0) - (levels[one] ?? 0);
        if (Math.abs(apart) < APART * range || (pair += 1) % step !== 0) continue;
        slopes.push(((course[other] ?? 0) - (course[one] ?? 0)) / apart);
      }
  }
  if (slopes.length === 0) {
    const ratio = median(course.map((value, t) => value / ((levels[t] ?? 0) > 0 ? (levels[t] ?? 1) : 1)));
    return (level) => ratio * (level > 0 ? level : 1);
  }
  const slope = Math.max(0, median(slopes));
  const offset = median(course.map((value, t) => value - slope * (levels[t] ?? 0)));
  return (level) => offset + slope * level;
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
