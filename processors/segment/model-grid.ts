/**
 * Between a volume as it was scanned and the grid a network sees. The axes of the scan are put in order and turned
 * round, never rotated: a scan that lies obliquely stays oblique, as with MONAI's Orientation. So every axis is
 * resampled by itself, trilinearly; where the network's grid is coarser than the scan, the scan is blurred first so
 * that thin structures do not alias.
 */
import { HubError } from '../../core/errors.ts';
import type { Volume } from '../volumes/volume.ts';
import { type Axis, parseLayout } from './layout.ts';
import { type ModelManifest, tensorsOf } from './manifest.ts';
import { fitSize, parseSize, type SizeRule } from './spatial-shape.ts';

export type Triple = readonly [number, number, number];

/** One axis of the grid: index `i` lies at index `origin + i × step` of the scan's axis `source`. */
export interface GridAxis {
  readonly source: Axis;
  readonly size: number;
  readonly origin: number;
  readonly step: number;
}

export interface ModelGrid {
  /** Along x, y, z of the manifest's `axes`. */
  readonly axes: readonly [GridAxis, GridAxis, GridAxis];
  /** What is given to the network at once; as large as the grid unless windows slide. */
  readonly window: Triple;
}

/** A tensor of more values is not made: 256 MiB of float32. */
const MAX_VALUES = 64 * 1024 * 1024;
/** σ of the blur before down-sampling, in voxels of the grid. */
export const BLUR = 0.4;
/** How much coarser the grid must be. */
export const BLUR_FROM = 1.1;

/** Middle of the field of view, in voxels of the scan. */
function centreOf({ dims: [nx, ny, nz] }: Volume): Triple {
  return [(nx - 1) / 2, (ny - 1) / 2, (nz - 1) / 2];
}

/**
 * The grid for a volume.
 *
 * @param species - decides the spacing where the manifest has one for each
 * @param centre - in voxels of the scan: what lies in the middle where the grid is smaller or larger than the scan
 * @param zoom - the grid's voxels are so much larger than the manifest says; below 1 smaller
 * @throws {HubError} `dataset.unreadable` without a usable geometry, or when there are too many voxels
 */
export function gridFor(
  volume: Volume,
  manifest: ModelManifest,
  species: string | undefined,
  centre: Triple = centreOf(volume),
  zoom = 1,
): ModelGrid {
  const { geometry } = manifest;
  const spacing = spacingOf(volume.affine);
  const sources = geometry.axes === 'RAS' ? nearestRas(volume.affine) : IDENTITY;
  const wanted =
    (species === undefined ? undefined : geometry.species_spacing_mm?.[species]) ?? geometry.spacing_mm ?? spacing;
  const rules = sizeRules(manifest);
  const isSliding = windowMode(manifest).mode === 'sliding';
  const isResampled = geometry.spacing_policy === 'resample';

  const window: [number, number, number] = [1, 1, 1];
  const axis = (model: Axis): GridAxis => {
    const { source, sign } = sources[model];
    const count = volume.dims[source];
    const ratio = isResampled ? (zoom * wanted[model]) / spacing[source] : 1;
    const natural = isResampled ? Math.max(1, Math.round(count / ratio)) : count;
    const rule = rules[model];
    const fitted = rule === undefined ? natural : fitSize(rule, natural);
    // A network of slices sees one at a time; windows slide over a grid that is at least as large as one.
    const size = rule === undefined ? natural : isSliding ? Math.max(natural, fitted) : fitted;
    window[model] = rule === undefined ? 1 : isSliding ? fitted : size;
    return { source, size, ...placed(size, count, centre[source], sign * ratio, isResampled) };
  };
  const axes = [axis(0), axis(1), axis(2)] as const;
  const { input, output } = tensorsOf(manifest);
  if (axes[0].size * axes[1].size * axes[2].size * Math.max(input.num_channels, output.num_channels) > MAX_VALUES)
    throw new HubError('dataset.unreadable', {
      detail: `${axes.map(({ size }) => size).join(' × ')} voxels are too many for this model`,
    });
  return { axes, window };
}

/** Where the grid's first index lies. Without resampling voxels stay voxels: the grid moves by whole ones. */
function placed(
  size: number,
  count: number,
  centre: number,
  step: number,
  isResampled: boolean,
): { readonly origin: number; readonly step: number } {
  if (isResampled) return { origin: centre - ((size - 1) / 2) * step, step };
  const middle = step > 0 ? centre : count - 1 - centre;
  const first = Math.floor(middle - (size - 1) / 2 + 1e-9);
  return { origin: step > 0 ? first : count - 1 - first, step };
}

/** What the manifest says about windows; a bundle that says no more than `is_patch_data` wants them to slide. */
export function windowMode(manifest: ModelManifest): NonNullable<ModelManifest['geometry']['window']> {
  const { window } = manifest.geometry;
  if (window !== undefined) return window;
  return tensorsOf(manifest).input.is_patch_data === true
    ? { mode: 'sliding', overlap: 0.5 }
    : { mode: 'whole', passes: 1 };
}

/** By x, y, z; undefined along the slices of a network of slices. */
function sizeRules(
  manifest: ModelManifest,
): readonly [SizeRule | undefined, SizeRule | undefined, SizeRule | undefined] {
  const rules: [SizeRule | undefined, SizeRule | undefined, SizeRule | undefined] = [undefined, undefined, undefined];
  const { input } = tensorsOf(manifest);
  parseLayout(manifest.geometry.layout)?.spatial.forEach((axis, position) => {
    rules[axis] = parseSize(input.spatial_shape[position] ?? '*');
  });
  return rules;
}

/** A sentence when the manifest refuses the scan's spacing. @throws {HubError} `dataset.unreadable` */
export function spacingRefusal(volume: Volume, { geometry }: ModelManifest): string | undefined {
  const percent = Number(/^reject>(\d+)%$/.exec(geometry.spacing_policy)?.[1]);
  const wanted = geometry.spacing_mm;
  if (!Number.isFinite(percent) || wanted === undefined) return undefined;
  const spacing = spacingOf(volume.affine);
  const sources = geometry.axes === 'RAS' ? nearestRas(volume.affine) : IDENTITY;
  const found = sources.map(({ source }) => spacing[source]);
  const differs = found.some((value, axis) => Math.abs(value / (wanted[axis] ?? value) - 1) > percent / 100 + 1e-6);
  if (!differs) return undefined;
  return `voxels of ${found.map(millimetres).join(' × ')} mm; the model is for ${wanted.map(millimetres).join(' × ')} mm, ${String(percent)} % more or less`;
}

const millimetres = (value: number): string => String(Number(value.toPrecision(4)));

type Sources = readonly [Source, Source, Source];
interface Source {
  readonly source: Axis;
  /** −1: the scan's axis runs the other way. */
  readonly sign: 1 | -1;
}
const IDENTITY: Sources = [
  { source: 0, sign: 1 },
  { source: 1, sign: 1 },
  { source: 2, sign: 1 },
];
const ORDERS: readonly (readonly [Axis, Axis, Axis])[] = [
  [0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0],
]; // prettier-ignore

/** The scan's axes in the order, and with the signs, that come closest to right, anterior, superior. */
function nearestRas(affine: readonly number[]): Sources {
  const spacing = spacingOf(affine);
  // Patient coordinates are LPS: right and anterior are their negatives.
  const along = (patient: Axis, source: Axis): number =>
    ((patient === 2 ? 1 : -1) * at(affine, 4 * patient + source)) / spacing[source];
  let best = ORDERS[0] ?? [0, 1, 2];
  let bestScore = -1;
  for (const order of ORDERS) {
    const score = order.reduce<number>((sum, source, patient) => sum + Math.abs(along(axisOf(patient), source)), 0);
    if (score > bestScore + 1e-9) [best, bestScore] = [order, score];
  }
  const source = (patient: Axis): Source => ({
    source: best[patient],
    sign: along(patient, best[patient]) < 0 ? -1 : 1,
  });
  return [source(0), source(1), source(2)];
}

/** Millimetres between voxels, by the affine. @throws {HubError} `dataset.unreadable` */
function spacingOf(affine: readonly number[]): Triple {
  const column = (axis: Axis): number => Math.hypot(at(affine, axis), at(affine, 4 + axis), at(affine, 8 + axis));
  const spacing: Triple = [column(0), column(1), column(2)];
  if (!spacing.every((value) => Number.isFinite(value) && value > 1e-9))
    throw new HubError('dataset.unreadable', { detail: 'the volume has no usable geometry' });
  return spacing;
}

/** The first repetition on the grid, x fastest; 0 outside the field of view. @param scan - as `scanFor` made it */
export function toGrid(scan: Float32Array, volume: Volume, { axes }: ModelGrid): Float32Array {
  const [nx, ny] = volume.dims;
  const stride: Triple = [1, nx, nx * ny];
  const tables = axes.map((axis) =>
    lookup(axis.size, (i) => axis.origin + i * axis.step, volume.dims[axis.source], stride[axis.source]),
  );
  return resampled(scan, tables, [axes[0].size, axes[1].size, axes[2].size]);
}

/** A field on the grid, x fastest, at every voxel of the volume, x fastest. Outside the grid is 0. */
export function fromGrid(values: Float32Array, { axes }: ModelGrid, volume: Volume): Float32Array {
  const strides: Triple = [1, axes[0].size, axes[0].size * axes[1].size];
  const tables = ([0, 1, 2] as const).map((source) => {
    const model = axisOf(axes.findIndex((axis) => axis.source === source));
    const { origin, step, size } = axes[model];
    return lookup(volume.dims[source], (v) => (v - origin) / step, size, strides[model]);
  });
  return resampled(values, tables, [volume.dims[0], volume.dims[1], volume.dims[2]]);
}

/** First and last index of the grid, along each axis, that lie in the field of view; first > last when none does. */
export function seenPart({ axes }: ModelGrid, volume: Volume): readonly (readonly [number, number])[] {
  return axes.map(({ source, size, origin, step }) => {
    const isSeen = (i: number): boolean => {
      const v = origin + i * step;
      return v >= -0.5 - 1e-9 && v <= volume.dims[source] - 0.5 + 1e-9;
    };
    let first = 0;
    let last = size - 1;
    while (first < size && !isSeen(first)) first += 1;
    while (last >= 0 && !isSeen(last)) last -= 1;
    return [first, last] as const;
  });
}

/** For each place along an axis the two samples around it. */
interface Lookup {
  /** −1: outside. */
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly fraction: Float64Array;
}

/**
 * The outermost samples, also the only one of an axis, reach half a sample further out.
 *
 * @param place - of index i, in samples
 */
function lookup(size: number, place: (i: number) => number, samples: number, stride: number): Lookup {
  const low = new Int32Array(size).fill(-1);
  const high = new Int32Array(size);
  const fraction = new Float64Array(size);
  for (let i = 0; i < size; i += 1) {
    const x = place(i);
    if (!(x >= -0.5 - 1e-9 && x <= samples - 0.5 + 1e-9)) continue;
    const below = Math.min(Math.max(Math.floor(x + 1e-9), 0), samples - 1);
    low[i] = below * stride;
    high[i] = Math.min(below + 1, samples - 1) * stride;
    const rest = x - below;
    fraction[i] = rest < 1e-9 ? 0 : Math.min(rest, 1);
  }
  return { low, high, fraction };
}

function resampled(values: Float32Array, tables: readonly Lookup[], [nx, ny, nz]: Triple): Float32Array {
  const [tx, ty, tz] = tables;
  const out = new Float32Array(nx * ny * nz);
  if (tx === undefined || ty === undefined || tz === undefined) return out;
  const { low, high, fraction } = tx;
  for (let z = 0; z < nz; z += 1) {
    const [z0 = -1, z1 = 0, fz = 0] = [tz.low[z], tz.high[z], tz.fraction[z]];
    if (z0 < 0) continue;
    for (let y = 0; y < ny; y += 1) {
      const [y0 = -1, y1 = 0, fy = 0] = [ty.low[y], ty.high[y], ty.fraction[y]];
      if (y0 < 0) continue;
      const [a, b, c, d] = [z0 + y0, z0 + y1, z1 + y0, z1 + y1];
      const [wa, wb, wc, wd] = [(1 - fz) * (1 - fy), (1 - fz) * fy, fz * (1 - fy), fz * fy];
      for (let x = 0, n = (z * ny + y) * nx; x < nx; x += 1, n += 1) {
        const x0 = low[x] ?? -1;
        if (x0 < 0) continue;
        const x1 = high[x] ?? 0;
        const fx = fraction[x] ?? 0;
        const near =
          (values[a + x0] ?? 0) * wa +
          (values[b + x0] ?? 0) * wb +
          (values[c + x0] ?? 0) * wc +
          (values[d + x0] ?? 0) * wd;
        const far =
          (values[a + x1] ?? 0) * wa +
          (values[b + x1] ?? 0) * wb +
          (values[c + x1] ?? 0) * wc +
          (values[d + x1] ?? 0) * wd;
        out[n] = near * (1 - fx) + far * fx;
      }
    }
  }
  return out;
}

/**
 * The first repetition, ready to be sampled on a grid, wherever its middle is: what is no number counts as 0, and each
 * axis that the grid samples more coarsely is blurred.
 */
export function scanFor({ dims, data: all }: Volume, { axes }: ModelGrid): Float32Array {
  const size: Triple = [dims[0], dims[1], dims[2]];
  const first = all.subarray(0, size[0] * size[1] * size[2]);
  const isNumber = first.every((value) => Number.isFinite(value));
  let data = isNumber ? first : first.map((value) => (Number.isFinite(value) ? value : 0));
  for (const { source, step } of axes) {
    const ratio = Math.abs(step);
    if (ratio > BLUR_FROM && size[source] > 2) data = blurAxis(data, size, source, BLUR * ratio);
  }
  return data;
}

/** Line by line; beyond its ends a line goes on with its last value. */
export function blurAxis(data: Float32Array, dims: Triple, axis: Axis, sigma: number): Float32Array {
  const radius = Math.max(1, Math.ceil(3 * sigma));
  const weights = Float64Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)),
  );
  const total = weights.reduce((a, b) => a + b, 0);
  const kernel = weights.map((weight) => weight / total);
  const stride = axis === 0 ? 1 : axis === 1 ? dims[0] : dims[0] * dims[1];
  const length = dims[axis];
  const line = new Float64Array(length + 2 * radius);
  const out = new Float32Array(data.length);
  for (let block = 0; block < data.length; block += stride * length)
    for (let start = block; start < block + stride; start += 1) {
      for (let i = 0, n = start; i < length; i += 1, n += stride) line[radius + i] = data[n] ?? 0;
      line.fill(line[radius] ?? 0, 0, radius);
      line.fill(line[radius + length - 1] ?? 0, radius + length);
      for (let i = 0, n = start; i < length; i += 1, n += stride) {
        let value = 0;
        for (let k = 0; k < kernel.length; k += 1) value += (kernel[k] ?? 0) * (line[i + k] ?? 0);
        out[n] = value;
      }
    }
  return out;
}

function axisOf(index: number): Axis {
  return index === 0 ? 0 : index === 1 ? 1 : 2;
}

/** An index that the loop bounds keep inside; typed arrays and fixed matrices have no holes. */
function at(array: ArrayLike<number>, index: number): number {
  return array[index] ?? 0;
}
