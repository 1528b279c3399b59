/**
 * What a manifest's `intensity` does to a scan before the network sees it. Each figure (mean, percentile, …) is that of
 * the part of the scan the network sees; what lies outside the field of view stays 0, as networks are trained.
 */
import type { IntensityStep } from './manifest.ts';

/**
 * @param values - on the grid, x fastest; changed in place
 * @param size - of the grid
 * @param seen - first and last index along each axis that lie in the field of view
 */
export function applyIntensity(
  values: Float32Array,
  size: readonly [number, number, number],
  seen: readonly (readonly [number, number])[],
  steps: readonly IntensityStep[],
): void {
  const part = seenValues(values, size, seen);
  for (const step of steps) {
    const map = mappingOf(step, part);
    for (let n = 0; n < part.length; n += 1) part[n] = map(part[n] ?? 0);
  }
  writeBack(values, size, seen, part);
}

function mappingOf(step: IntensityStep, values: Float32Array): (value: number) => number {
  switch (step.op) {
    case 'none':
      return (value) => value;
    case 'zscore': {
      const isNonzero = step.mask === 'nonzero';
      const { mean, deviation } = momentsOf(isNonzero ? values.filter((value) => value !== 0) : values);
      return (value) => (isNonzero && value === 0 ? 0 : (value - mean) / deviation);
    }
    case 'percentile': {
      const above = step.above;
      const limit = above === undefined ? -Infinity : above * largestOf(values);
      const sorted = values.filter((value) => value > limit).sort();
      const low = step.lo === undefined ? 0 : percentileOf(sorted, step.lo);
      const range = percentileOf(sorted, step.hi) - low;
      const most = step.clip === true ? 1 : step.clip === false ? Infinity : step.clip;
      const least = step.clip === false ? -Infinity : 0;
      if (!(range > 0)) return () => 0;
      return (value) => Math.min(most, Math.max(least, (value - low) / range));
    }
    case 'minmax': {
      const [least, most] = [values.reduce((a, b) => Math.min(a, b), Infinity), largestOf(values)];
      if (!(most > least)) return () => step.min;
      return (value) => step.min + ((value - least) / (most - least)) * (step.max - step.min);
    }
    case 'clip':
      return (value) => Math.min(step.max, Math.max(step.min, value));
    default:
      return step satisfies never;
  }
}

function largestOf(values: Float32Array): number {
  return values.reduce((a, b) => Math.max(a, b), -Infinity);
}

/** A constant image has no deviation; 1 makes it 0 throughout. */
function momentsOf(values: Float32Array): { readonly mean: number; readonly deviation: number } {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = values.length === 0 ? 0 : sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  const deviation = values.length === 0 ? 0 : Math.sqrt(squares / values.length);
  return { mean, deviation: deviation > 0 ? deviation : 1 };
}

/** Between samples linearly, as numpy does it. */
function percentileOf(sorted: Float32Array, percent: number): number {
  if (sorted.length === 0) return 0;
  const place = ((sorted.length - 1) * percent) / 100;
  const below = sorted[Math.floor(place)] ?? 0;
  const over = sorted[Math.ceil(place)] ?? below;
  return below + (over - below) * (place - Math.floor(place));
}

type Size = readonly [number, number, number];
type Seen = readonly (readonly [number, number])[];

function seenValues(values: Float32Array, size: Size, seen: Seen): Float32Array {
  const lengths = seen.map(([first, last]) => Math.max(0, last - first + 1));
  const part = new Float32Array(lengths.reduce((a, b) => a * b, 1));
  eachRow(size, seen, (from, to, at) => part.set(values.subarray(from, to), at));
  return part;
}

function writeBack(values: Float32Array, size: Size, seen: Seen, part: Float32Array): void {
  eachRow(size, seen, (from, to, at) => values.set(part.subarray(at, at + to - from), from));
}

/** Rows along x inside the box: from and to in the grid, and where they stand in the box's own values. */
function eachRow([nx, ny]: Size, seen: Seen, visit: (from: number, to: number, at: number) => void): void {
  const [[x0, x1] = [0, -1], [y0, y1] = [0, -1], [z0, z1] = [0, -1]] = seen;
  const width = x1 - x0 + 1;
  if (width <= 0) return;
  let at = 0;
  for (let z = z0; z <= z1; z += 1)
    for (let y = y0; y <= y1; y += 1, at += width) {
      const from = (z * ny + y) * nx + x0;
      visit(from, from + width, at);
    }
}
