/**
 * The mask's voxels over time with the head's motion taken out: temporal signal to noise and changes between repetitions
 * are then of the scanner and the tissue, and motion is told by displacement alone (as MRIQC does after its realignment).
 */
import type { Triple, Volume } from '../volumes/volume.ts';
import { cubicSampler } from './cubic.ts';
import { type Movement, mover } from './realignment.ts';
import { chosenVoxels, type Series } from './time-series.ts';

export interface Realigned {
  /** As many voxels as `seriesOf` takes. */
  readonly series: Series;
  /** Mean over deviation of each voxel, a straight line taken out of its course; 0 outside of the mask. */
  readonly tsnr: Float32Array;
}

/** Of a voxel: what moved less is taken as it is. Any interpolation smooths, and a steady scan would look better than it is. */
const STILL = 0.02;

/**
 * One repetition at a time, so that a long series is in memory once.
 *
 * @param movements - of `realign`, one entry a repetition from `first` on
 */
export function realigned(volume: Volume, mask: Uint8Array, first: number, movements: readonly Movement[]): Realigned {
  const { dims, data } = volume;
  const size = dims[0] * dims[1] * dims[2];
  const repetitions = dims[3] - first;
  const inner = voxelsOf(mask);
  const chosen = chosenVoxels(inner.length);
  const values = new Float32Array(chosen.length * repetitions);
  const line = new Line(inner.length, repetitions);
  const here = new Float32Array(inner.length);
  for (let t = 0; t < repetitions; t++) {
    const moving = data.subarray((first + t) * size, (first + t + 1) * size);
    const movement = movements[t];
    if (movement === undefined || isStill(movement, volume))
      for (let v = 0; v < inner.length; v++) here[v] = moving[inner[v] ?? 0] ?? 0;
    else sampleAt(moving, inner, movement, volume, here);
    line.add(here, t);
    for (let v = 0; v < chosen.length; v++) values[v * repetitions + t] = here[chosen[v] ?? 0] ?? 0;
  }
  const tsnr = new Float32Array(size);
  for (let v = 0; v < inner.length; v++) tsnr[inner[v] ?? 0] = line.ratio(v);
  return { series: { values, voxels: chosen.length, repetitions }, tsnr };
}

function voxelsOf(mask: Uint8Array): Uint32Array {
  const voxels: number[] = [];
  for (let voxel = 0; voxel < mask.length; voxel++) if (mask[voxel] === 1) voxels.push(voxel);
  return Uint32Array.from(voxels);
}

/** Sums from which each voxel's mean, straight line and what is left of it follow. */
class Line {
  /** Sums are of what a voxel differs from its first value by: large numbers that hardly change lose no digits. */
  readonly #start: Float64Array;
  readonly #sum: Float64Array;
  readonly #products: Float64Array;
  readonly #squares: Float64Array;
  readonly #count: number;

  constructor(voxels: number, count: number) {
    this.#start = new Float64Array(voxels);
    this.#sum = new Float64Array(voxels);
    this.#products = new Float64Array(voxels);
    this.#squares = new Float64Array(voxels);
    this.#count = count;
  }

  add(values: Float32Array, t: number): void {
    if (t === 0) this.#start.set(values);
    const time = t - (this.#count - 1) / 2;
    for (let v = 0; v < values.length; v++) {
      const by = (values[v] ?? 0) - (this.#start[v] ?? 0);
      this.#sum[v] = (this.#sum[v] ?? 0) + by;
      this.#products[v] = (this.#products[v] ?? 0) + time * by;
      this.#squares[v] = (this.#squares[v] ?? 0) + by * by;
    }
  }

  ratio(v: number): number {
    const n = this.#count;
    const [sum, products] = [this.#sum[v] ?? 0, this.#products[v] ?? 0];
    const times = (n * (n * n - 1)) / 12;
    const rest = (this.#squares[v] ?? 0) - (sum * sum) / n - (times === 0 ? 0 : (products * products) / times);
    // Less is what rounding leaves of a voxel that never changes.
    const least = 1e-9 * (this.#squares[v] ?? 0);
    return rest > least ? ((this.#start[v] ?? 0) + sum / n) / Math.sqrt(rest / n) : 0;
  }
}

function isStill(movement: Movement, volume: Volume): boolean {
  const { dims } = volume;
  const to = new Float64Array(3);
  const move = mover(movement, centreOf(volume), volume);
  for (let corner = 0; corner < 8; corner++) {
    const from = Float64Array.from([0, 1, 2], (axis) => ((corner >> axis) & 1) * ((dims[axis] ?? 1) - 1));
    move(from, 0, to);
    if (from.some((place, axis) => Math.abs((to[axis] ?? 0) - place) > STILL)) return false;
  }
  return true;
}

function centreOf({ dims, spacingMm: [sx, sy, sz] }: Volume): Triple {
  return [((dims[0] - 1) / 2) * sx, ((dims[1] - 1) / 2) * sy, ((dims[2] - 1) / 2) * sz];
}

function sampleAt(
  moving: Float32Array,
  voxels: Uint32Array,
  movement: Movement,
  volume: Volume,
  out: Float32Array,
): void {
  const [nx, ny, nz] = volume.dims;
  const move = mover(movement, centreOf(volume), volume);
  const sample = cubicSampler(moving, [nx, ny, nz]);
  const [from, to] = [new Float64Array(3), new Float64Array(3)];
  for (let v = 0; v < voxels.length; v++) {
    const voxel = voxels[v] ?? 0;
    from[0] = voxel % nx;
    from[1] = Math.floor(voxel / nx) % ny;
    from[2] = Math.floor(voxel / (nx * ny));
    move(from, 0, to);
    out[v] = sample(to);
  }
}
