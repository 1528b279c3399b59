/** How much one picture tells about another, and what follows from it: motion between repetitions, ghosts. */
import type { Volume } from '../volumes/volume.ts';
import { type Plane, planeMeans, planeOf, repetition } from './grid.ts';
import { extent } from './signal-to-noise.ts';
import { mean, median, standardDeviation } from './statistics.ts';

const BINS = 20;
/** Repetitions that a scanner needs to come to rest. */
const DUMMIES = 10;

/** In nats, from a joint histogram of 20 × 20 bins. */
export function mutualInformation(a: Float32Array, b: Float32Array): number {
  return informationOf(binsOf(a), binsOf(b));
}

/** Of pictures that are put into bins already. */
function informationOf(a: Uint8Array, b: Uint8Array): number {
  const joint = new Float64Array(BINS * BINS);
  for (let i = 0; i < a.length; i++) {
    const cell = (a[i] ?? 0) * BINS + (b[i] ?? 0);
    joint[cell] = (joint[cell] ?? 0) + 1;
  }
  const alongA = new Float64Array(BINS);
  const alongB = new Float64Array(BINS);
  joint.forEach((count, cell) => {
    alongA[Math.floor(cell / BINS)] = (alongA[Math.floor(cell / BINS)] ?? 0) + count;
    alongB[cell % BINS] = (alongB[cell % BINS] ?? 0) + count;
  });
  let information = 0;
  joint.forEach((count, cell) => {
    if (count === 0) return;
    const independent = (alongA[Math.floor(cell / BINS)] ?? 0) * (alongB[cell % BINS] ?? 0);
    information += (count / a.length) * Math.log((count * a.length) / independent);
  });
  return information;
}

function binsOf(values: Float32Array): Uint8Array {
  const { low, high } = extent(values);
  const scale = high > low ? BINS / (high - low) : 0;
  const bins = new Uint8Array(values.length);
  for (let i = 0; i < bins.length; i++) bins[i] = Math.min(BINS - 1, Math.floor(((values[i] ?? 0) - low) * scale));
  return bins;
}

/** First repetition that is measured: dummies are left out where enough others remain. */
export function firstSteady(repetitions: number): number {
  return repetitions >= DUMMIES + 2 ? DUMMIES : 0;
}

/**
 * Displacement after AIDAqc: mutual information of the brightest slice with the first repetition. LMV is its standard
 * deviation, GMV its range. On diffusion it follows the gradients more than motion.
 */
export function displacement(
  volume: Volume,
  first = firstSteady(volume.dims[3]),
): { readonly lmv: number; readonly gmv: number; readonly curve: readonly number[] } | undefined {
  const repetitions = volume.dims[3];
  if (repetitions - first < 3) return undefined;
  const slice = brightestSlice(volume);
  const at = (t: number) => planeOf(repetition(volume, t), slice).pixels;
  const reference = at(first);
  const values: number[] = [];
  for (let t = first + 1; t < repetitions; t++) values.push(mutualInformation(reference, at(t)));
  return { lmv: standardDeviation(values), gmv: Math.max(...values) - Math.min(...values), curve: values };
}

function brightestSlice(volume: Volume): number {
  const sums = Array.from({ length: volume.dims[2] }, () => 0);
  for (const row of planeMeans(volume)) row.forEach((value, slice) => (sums[slice] = (sums[slice] ?? 0) + value));
  return sums.indexOf(Math.max(...sums));
}

/**
 * How far the central slice resembles itself moved by half the field of view, above what it does for moves a little
 * shorter or longer: 0 is none; an N/2 ghost of 10 % of the signal gives about 0.2 to 1.
 *
 * @param axis - the phase encoding axis: 0 along rows, 1 along columns
 */
export function ghosting(plane: Plane, axis: 0 | 1): number {
  const size = axis === 0 ? plane.columns : plane.rows;
  const half = Math.floor(size / 2);
  const reach = Math.max(2, Math.floor(size / 6));
  if (half - reach < 1) return 0;
  const bins = binsOf(plane.pixels);
  const moved = (by: number) => informationOf(bins, rolled(bins, new Uint8Array(bins.length), plane, axis, by));
  const peak = moved(half);
  const around: number[] = [];
  for (let by = half - reach; by <= half + reach; by++) if (Math.abs(by - half) > 1) around.push(moved(by));
  const level = median(around);
  // No peak, no ghost: the curve of a symmetric head may be high all around.
  return level > 0 && peak >= Math.max(...around) ? peak / level - 1 : 0;
}

/** Below it, as a share of the bright parts, there is air: a ghost of a tenth stays in it, tissue far from the coil not quite. */
const FOREGROUND = 0.15;
/** Pixels of each kind that a mean needs. */
const MIN_PIXELS = 50;

/**
 * Ghost to signal ratio without a mask: what stands in the air where the object would be if moved by half a field of
 * view, less what stands in the rest of the air, over the object's signal.
 *
 * @returns `undefined` when there is not enough air to tell
 */
export function ghostToSignal(plane: Plane, axis: 0 | 1): number | undefined {
  const { pixels } = plane;
  const threshold = FOREGROUND * (Float32Array.from(pixels).sort()[Math.floor(0.99 * pixels.length)] ?? 0);
  const half = Math.floor((axis === 0 ? plane.columns : plane.rows) / 2);
  const moved = rolled(pixels, new Float32Array(pixels.length), plane, axis, half);
  const object: number[] = [];
  const ghost: number[] = [];
  const air: number[] = [];
  pixels.forEach((value, i) => {
    if (value > threshold) object.push(value);
    else if ((moved[i] ?? 0) > threshold) ghost.push(value);
    else air.push(value);
  });
  if (Math.min(object.length, ghost.length, air.length) < MIN_PIXELS) return undefined;
  return (mean(ghost) - mean(air)) / mean(object);
}

/** Each row, or all rows, moved round by so much. */
function rolled<Values extends Float32Array | Uint8Array>(
  from: Values,
  to: Values,
  { columns, rows }: Plane,
  axis: 0 | 1,
  by: number,
): Values {
  const length = axis === 0 ? columns : columns * rows;
  const step = axis === 0 ? by : by * columns;
  for (let start = 0; start < from.length; start += length) {
    to.set(from.subarray(start, start + length - step), start + step);
    to.set(from.subarray(start + length - step, start + length), start);
  }
  return to;
}
