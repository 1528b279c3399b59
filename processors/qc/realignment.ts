/**
 * How the head moved from repetition to repetition: six parameters of a rigid body, found by least squares on smoothed
 * intensities (Gauss–Newton, the gradient taken once from the reference).
 */
import type { Triple, Volume } from '../volumes/volume.ts';
import { cubicSampler } from './cubic.ts';
import { solve } from './statistics.ts';

/** Millimetres along the axes of the grid, then radians around them. */
export type Movement = readonly [number, number, number, number, number, number];

/** Voxels that motion is estimated from, at most: beyond it nothing becomes more exact. */
const VOXELS_AT_MOST = 12_000;
const ROUNDS = 12;
/** Of a voxel; a step smaller than this changes nothing any more. */
const SETTLED = 1e-3;

/**
 * @param mask - of the object, on the grid of one repetition
 * @returns one entry a repetition from `first` on, relative to it; `undefined` where there is nothing to hold on to
 */
export function realign(volume: Volume, mask: Uint8Array, first: number): readonly Movement[] | undefined {
  const [nx, ny, nz, repetitions] = volume.dims;
  const size = nx * ny * nz;
  const reference = blurred(volume.data.subarray(first * size, (first + 1) * size), [nx, ny, nz]);
  const points = pointsOf(reference, mask, volume);
  if (points === undefined) return undefined;
  const movements: Movement[] = [[0, 0, 0, 0, 0, 0]];
  for (let t = first + 1; t < repetitions; t++) {
    const moving = blurred(volume.data.subarray(t * size, (t + 1) * size), [nx, ny, nz]);
    // The head is near where it was: the repetition before is the best guess.
    movements.push(estimate(moving, points, volume, movements.at(-1) ?? [0, 0, 0, 0, 0, 0]));
  }
  return movements;
}

/** Framewise displacement (Power et al. 2012): what the six parameters changed by, rotations as arcs on the radius. */
export function framewiseDisplacement(movements: readonly Movement[], radiusMm: number): readonly number[] {
  return movements.slice(1).map((now, i) => {
    const before = movements[i] ?? now;
    const change = now.map((value, axis) => Math.abs(value - (before[axis] ?? 0)));
    const sum = (from: number) => (change[from] ?? 0) + (change[from + 1] ?? 0) + (change[from + 2] ?? 0);
    return sum(0) + radiusMm * sum(3);
  });
}

interface Points {
  /** Where each is, in voxels. */
  readonly places: Float64Array;
  readonly values: Float64Array;
  /** What a change of each of the six parameters changes at each point. */
  readonly slopes: Float64Array;
  readonly normal: readonly (readonly number[])[];
  readonly count: number;
  readonly centre: Triple;
}

function pointsOf(reference: Float32Array, mask: Uint8Array, volume: Volume): Points | undefined {
  const [nx, ny, nz] = volume.dims;
  const [sx, sy, sz] = volume.spacingMm;
  const inner: number[] = [];
  for (let k = nz > 4 ? 1 : 0; k < (nz > 4 ? nz - 1 : nz); k++)
    for (let j = 2; j < ny - 2; j++)
      for (let i = 2; i < nx - 2; i++) {
        const voxel = i + nx * (j + ny * k);
        if (mask[voxel] === 1) inner.push(voxel);
      }
  if (inner.length < 200) return undefined;
  const step = Math.max(1, inner.length / VOXELS_AT_MOST);
  const chosen = Array.from({ length: Math.floor(inner.length / step) }, (_, i) => inner[Math.floor(i * step)] ?? 0);
  const count = chosen.length;
  const centre: Triple = [((nx - 1) / 2) * sx, ((ny - 1) / 2) * sy, ((nz - 1) / 2) * sz];
  const places = new Float64Array(count * 3);
  const values = new Float64Array(count);
  const slopes = new Float64Array(count * 6);
  const normal = Array.from({ length: 6 }, () => Array.from({ length: 6 }, () => 0));
  chosen.forEach((voxel, p) => {
    const [i, j, k] = [voxel % nx, Math.floor(voxel / nx) % ny, Math.floor(voxel / (nx * ny))];
    places.set([i, j, k], p * 3);
    values[p] = reference[voxel] ?? 0;
    const difference = (by: number, spacing: number) =>
      ((reference[voxel + by] ?? 0) - (reference[voxel - by] ?? 0)) / (2 * spacing);
    const gx = difference(1, sx);
    const gy = difference(nx, sy);
    const gz = nz > 4 ? difference(nx * ny, sz) : 0;
    const [x, y, z] = [i * sx - centre[0], j * sy - centre[1], k * sz - centre[2]];
    const row = [gx, gy, gz, y * gz - z * gy, z * gx - x * gz, x * gy - y * gx];
    slopes.set(row, p * 6);
    for (let a = 0; a < 6; a++) {
      const line = normal[a];
      if (line === undefined) continue;
      for (let b = 0; b < 6; b++) line[b] = (line[b] ?? 0) + (row[a] ?? 0) * (row[b] ?? 0);
    }
  });
  // Few slices say nothing of what happens between them: a breath of ridge keeps such a parameter at 0.
  const scale = Math.max(...normal.map((line, a) => line[a] ?? 0));
  if (!(scale > 0)) return undefined;
  normal.forEach((line, a) => (line[a] = (line[a] ?? 0) * (1 + 1e-4) + scale * 1e-7));
  return { places, values, slopes, normal, count, centre };
}

function estimate(moving: Float32Array, points: Points, volume: Volume, guess: Movement): Movement {
  // Either is a start: a head that came back is where it was in the reference, not where it was just before.
  const starts = [guess, [0, 0, 0, 0, 0, 0] as const].map((at) => compare(moving, points, volume, at));
  let best = starts.reduce((a, b) => (b.cost < a.cost ? b : a));
  const [sx, sy, sz] = volume.spacingMm;
  for (let round = 0; round < ROUNDS; round++) {
    const step = solve(points.normal, best.right);
    if (step === undefined) break;
    const largest = Math.max(...step.map((value, a) => Math.abs(value) / (a < 3 ? Math.min(sx, sy, sz) : 0.01)));
    // Far from the reference its gradient points too far, or elsewhere: a step that makes it worse is halved, then given up.
    let next: Comparison | undefined;
    for (let share = 1; share >= 1 / 8 && next === undefined; share /= 2) {
      const at = best.movement.map((value, a) => value - share * (step[a] ?? 0));
      const tried = compare(moving, points, volume, at);
      if (tried.cost < best.cost) next = tried;
    }
    if (next === undefined) break;
    best = next;
    if (largest < SETTLED) break;
  }
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = best.movement;
  return [a, b, c, d, e, f];
}

interface Comparison {
  readonly movement: readonly number[];
  /** Sum of squares of what is left. */
  readonly cost: number;
  /** What is left, along each parameter. */
  readonly right: readonly number[];
}

function compare(moving: Float32Array, points: Points, volume: Volume, movement: readonly number[]): Comparison {
  const move = mover(movement, points.centre, volume);
  const place = new Float64Array(3);
  const [nx, ny, nz] = volume.dims;
  const sample = cubicSampler(moving, [nx, ny, nz]);
  const sampled = new Float64Array(points.count);
  let brightness = 0;
  let squares = 0;
  for (let p = 0; p < points.count; p++) {
    move(points.places, p * 3, place);
    const value = sample(place);
    sampled[p] = value;
    brightness += value * (points.values[p] ?? 0);
    squares += value * value;
  }
  // A receiver that drifts is no motion.
  const gain = squares > 0 ? brightness / squares : 1;
  const right = [0, 0, 0, 0, 0, 0];
  let cost = 0;
  for (let p = 0; p < points.count; p++) {
    const residual = gain * (sampled[p] ?? 0) - (points.values[p] ?? 0);
    cost += residual * residual;
    for (let a = 0; a < 6; a++) right[a] = (right[a] ?? 0) + (points.slopes[p * 6 + a] ?? 0) * residual;
  }
  return { movement, cost, right };
}

/** Where a point of the reference is found in the moved repetition; in voxels. @param centre - that it turns around, in mm */
export function mover(
  movement: readonly number[],
  centre: Triple,
  { spacingMm: [sx, sy, sz] }: Volume,
): (from: Float64Array, at: number, to: Float64Array) => void {
  const [tx = 0, ty = 0, tz = 0, a = 0, b = 0, c = 0] = movement;
  const [ca, sa, cb, sb, cc, sc] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b), Math.cos(c), Math.sin(c)];
  const m = [
    cb * cc, sa * sb * cc - ca * sc, ca * sb * cc + sa * sc,
    cb * sc, sa * sb * sc + ca * cc, ca * sb * sc - sa * cc,
    -sb, sa * cb, ca * cb,
  ] as const; // prettier-ignore
  return (from, at, to) => {
    const x = (from[at] ?? 0) * sx - centre[0];
    const y = (from[at + 1] ?? 0) * sy - centre[1];
    const z = (from[at + 2] ?? 0) * sz - centre[2];
    to[0] = (m[0] * x + m[1] * y + m[2] * z + tx + centre[0]) / sx;
    to[1] = (m[3] * x + m[4] * y + m[5] * z + ty + centre[1]) / sy;
    to[2] = (m[6] * x + m[7] * y + m[8] * z + tz + centre[2]) / sz;
  };
}

/** [1 2 1]/4 along each axis, twice in the plane: noise has no gradient to follow. */
function blurred(data: Float32Array, [nx, ny, nz]: readonly [number, number, number]): Float32Array {
  const result = Float32Array.from(data);
  for (const [stride, length, times] of [
    [1, nx, 2],
    [nx, ny, 2],
    [nx * ny, nz, nz > 4 ? 1 : 0],
  ] as const)
    for (let time = 0; time < times; time++)
      for (let start = 0; start < data.length; start++) {
        if (Math.floor(start / stride) % length !== 0) continue;
        let before = result[start] ?? 0;
        for (let at = 0; at < length; at++) {
          const voxel = start + at * stride;
          const here = result[voxel] ?? 0;
          const after = at < length - 1 ? (result[voxel + stride] ?? 0) : here;
          result[voxel] = (before + 2 * here + after) / 4;
          before = here;
        }
      }
  return result;
}
