/**
 * A grid through the network, whole, in windows that overlap, or slice by slice. Where windows overlap their answers
 * are averaged, those near a window's middle counting more (a Gaussian of an eighth of its size, as in MONAI's and
 * nnU-Net's inferers).
 */
import { type Layout, shapeOf, stridesOf } from './layout.ts';
import type { Pass } from './network.ts';

type Triple = readonly [number, number, number];

/** Asks the network; values in the layout's order. */
export type Ask = (values: Float32Array, shape: readonly number[], answer: readonly number[]) => Promise<Pass>;

export interface Answer {
  /** Raw output, a field on the grid for each channel, x fastest. */
  readonly channels: readonly Float32Array[];
  /** Inside the network. */
  readonly seconds: number;
  readonly runtime: string;
}

const SIGMA = 1 / 8;

/** First index of each window along one axis: the last ends with the grid. */
export function windowStarts(size: number, window: number, overlap: number): readonly number[] {
  if (window >= size) return [0];
  const step = Math.max(1, Math.floor(window * (1 - overlap)));
  const count = Math.ceil((size - window) / step) + 1;
  return Array.from({ length: count }, (_, n) => Math.min(n * step, size - window));
}

/** Windows a grid is cut into. */
export function windowsOf(size: Triple, window: Triple, overlap: number): readonly Triple[] {
  const [xs, ys, zs] = [0, 1, 2].map((axis) => windowStarts(size[axis] ?? 1, window[axis] ?? 1, overlap));
  return (zs ?? []).flatMap((z) => (ys ?? []).flatMap((y) => (xs ?? []).map((x): Triple => [x, y, z])));
}

/**
 * @param grids - values of each channel of the input, x fastest
 * @param channels - of the output
 */
export async function throughWindows(
  grids: readonly Float32Array[],
  { size, window, overlap }: { readonly size: Triple; readonly window: Triple; readonly overlap: number },
  layout: Layout,
  channels: number,
  ask: Ask,
): Promise<Answer> {
  const starts = windowsOf(size, window, overlap);
  const voxels = size[0] * size[1] * size[2];
  const sums = Array.from({ length: channels }, () => new Float32Array(voxels));
  const isWhole = starts.length === 1;
  const weights = [0, 1, 2].map((axis) => weightsOf(window[axis] ?? 1, isWhole || size[axis] === window[axis]));
  const total = isWhole ? undefined : new Float32Array(voxels);
  const input = new Float32Array(window[0] * window[1] * window[2] * grids.length);
  const into = stridesOf(layout, window, grids.length);
  const from = stridesOf(layout, window, channels);
  let seconds = 0;
  let runtime = '';
  for (const start of starts) {
    grids.forEach((grid, channel) => {
      const first = channel * into.channel;
      eachVoxel(size, window, start, (voxel, x, y, z) => {
        input[first + x * into.axis[0] + y * into.axis[1] + z * into.axis[2]] = grid[voxel] ?? 0;
      });
    });
    const pass = await ask(input, shapeOf(layout, window, grids.length), shapeOf(layout, window, channels));
    seconds += pass.seconds;
    runtime = pass.runtime;
    const [wx, wy, wz] = weights;
    eachVoxel(size, window, start, (voxel, x, y, z) => {
      const weight = (wx?.[x] ?? 1) * (wy?.[y] ?? 1) * (wz?.[z] ?? 1);
      const place = x * from.axis[0] + y * from.axis[1] + z * from.axis[2];
      if (total !== undefined) total[voxel] = (total[voxel] ?? 0) + weight;
      for (let c = 0; c < channels; c += 1) {
        const sum = sums[c];
        if (sum !== undefined) sum[voxel] = (sum[voxel] ?? 0) + weight * (pass.output[place + c * from.channel] ?? 0);
      }
    });
  }
  if (total !== undefined)
    for (const sum of sums) for (let n = 0; n < sum.length; n += 1) sum[n] = (sum[n] ?? 0) / (total[n] ?? 1);
  return { channels: sums, seconds, runtime };
}

/** Never 0, so that each voxel has a weight. */
function weightsOf(size: number, isOne: boolean): Float64Array {
  if (isOne) return new Float64Array(size).fill(1);
  const sigma = SIGMA * size;
  return Float64Array.from({ length: size }, (_, i) =>
    Math.max(1e-3, Math.exp(-((i - (size - 1) / 2) ** 2) / (2 * sigma * sigma))),
  );
}

function eachVoxel(
  [nx, ny]: Triple,
  [wx, wy, wz]: Triple,
  [x0, y0, z0]: Triple,
  visit: (voxel: number, x: number, y: number, z: number) => void,
): void {
  for (let z = 0; z < wz; z += 1)
    for (let y = 0; y < wy; y += 1) {
      let voxel = ((z0 + z) * ny + y0 + y) * nx + x0;
      for (let x = 0; x < wx; x += 1, voxel += 1) visit(voxel, x, y, z);
    }
}
