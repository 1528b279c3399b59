/**
 * Models that see several contrasts at once: which series of a study is which channel of the input, and all of them on the grid
 * of the first. Nothing is registered: only series that share a Frame of Reference lie where their headers say they do.
 */
import { inverseOf } from '../volumes/affine.ts';
import type { Volume } from '../volumes/volume.ts';
import { hasContrast } from './fit.ts';
import { type ModelManifest, tensorsOf } from './manifest.ts';
import { BLUR, BLUR_FROM, blurAxis } from './model-grid.ts';

/** What a series is given to a model with. */
export type Channels =
  /** In the order of the channels, without the first, which is the series itself. */
  { readonly others: readonly Volume[] } | { readonly because: string };

/** So much of the first series' field of view another one has to cover. */
const MIN_COVERED = 0.8;
/** Places looked at along each axis to find out. */
const PROBES = 9;

/** Contrasts by channel; empty for a model of one channel. */
export function channelContrasts(manifest: Pick<ModelManifest, 'network_data_format'>): readonly string[] {
  const { input } = tensorsOf(manifest);
  if (input.num_channels === 1) return [];
  return Array.from({ length: input.num_channels }, (_, channel) => input.channel_def?.[String(channel)] ?? '');
}

/** @param study - volumes there are; those of other studies are left alone */
export function channelsFor(volume: Volume, study: readonly Volume[], manifest: ModelManifest): Channels {
  const [own, ...wanted] = channelContrasts(manifest);
  if (own === undefined) return { others: [] };
  const all = [own, ...wanted].join(' and ');
  if (!hasContrast(volume, own)) {
    const part = wanted.find((contrast) => hasContrast(volume, contrast));
    if (part !== undefined) return { because: `the ${part} that a model of ${all} takes beside the ${own}` };
    return { because: `its contrast is not known to be ${own}; the model needs ${all} of one study` };
  }
  const others: Volume[] = [];
  for (const contrast of wanted) {
    const found = bestOf(volume, study, contrast);
    if (typeof found === 'string') return { because: `${found}; the model needs ${all} of one study` };
    others.push(found);
  }
  return { others };
}

/** The one that covers most, then the one whose voxels are nearest in size, then the one with the smallest UID. */
function bestOf(volume: Volume, study: readonly Volume[], contrast: string): Volume | string {
  const named = study.filter(
    (each) => each !== volume && each.studyInstanceUid === volume.studyInstanceUid && hasContrast(each, contrast),
  );
  if (named.length === 0) return `there is no ${contrast} beside it`;
  const frame = volume.header.string('FrameOfReferenceUID');
  const together = named.filter(({ header }) => frame !== undefined && header.string('FrameOfReferenceUID') === frame);
  if (together.length === 0)
    return `no ${contrast} shares its frame of reference, so nobody says where one lies in the other`;
  const regular = together.filter(({ isRegular }) => isRegular);
  if (regular.length === 0) return `slices of the ${contrast} are missing or not equally far apart`;
  const ranked = regular
    .map((each) => ({ each, covered: coverage(volume, each), off: sizeRatio(volume, each) }))
    .toSorted(
      (a, b) =>
        b.covered - a.covered || a.off - b.off || (a.each.seriesInstanceUid < b.each.seriesInstanceUid ? -1 : 1),
    );
  const [best] = ranked;
  if (best === undefined || best.covered < MIN_COVERED)
    return `the ${contrast} covers ${Math.round(100 * (best?.covered ?? 0))} % of it only`;
  return best.each;
}

/** The share of the grid's places that lie within the other's field of view. */
function coverage(volume: Volume, other: Volume): number {
  const toOther = between(volume, other);
  if (toOther === undefined) return 0;
  let inside = 0;
  for (let k = 0; k < PROBES; k += 1)
    for (let j = 0; j < PROBES; j += 1)
      for (let i = 0; i < PROBES; i += 1) {
        const place = [i, j, k].map((n, axis) => ((volume.dims[axis] ?? 1) - 1) * (n / (PROBES - 1)));
        const found = [0, 1, 2].map((axis) => along(toOther, axis, place));
        if (found.every((index, axis) => index >= -0.5 && index <= (other.dims[axis] ?? 0) - 0.5)) inside += 1;
      }
  return inside / PROBES ** 3;
}

function sizeRatio({ spacingMm: [a, b, c] }: Volume, { spacingMm: [x, y, z] }: Volume): number {
  return Math.abs(Math.log((x * y * z) / (a * b * c)));
}

/** The first repetition of `other` at every voxel of `volume`, trilinearly; 0 outside its field of view. */
export function onGridOf(volume: Volume, other: Volume): Volume {
  const { dims, spacingMm, affine } = volume;
  const [nx, ny, nz] = dims;
  const data = new Float32Array(nx * ny * nz);
  const result: Volume = { ...other, dims: [nx, ny, nz, 1], spacingMm, affine, data, slices: volume.slices };
  const matrix = between(volume, other);
  if (matrix === undefined) return result;
  const [mx, my, mz] = other.dims;
  const at = (row: number, column: number) => matrix[4 * row + column] ?? 0;
  const size = [mx, my, mz] as const;
  let values = other.data.subarray(0, mx * my * mz);
  for (const axis of [0, 1, 2] as const) {
    const ratio = Math.max(...[0, 1, 2].map((column) => Math.abs(at(axis, column))));
    if (ratio > BLUR_FROM && size[axis] > 2) values = blurAxis(values, size, axis, BLUR * ratio);
  }
  for (let z = 0, n = 0; z < nz; z += 1)
    for (let y = 0; y < ny; y += 1)
      for (let x = 0; x < nx; x += 1, n += 1) {
        const u = at(0, 0) * x + at(0, 1) * y + at(0, 2) * z + at(0, 3);
        const v = at(1, 0) * x + at(1, 1) * y + at(1, 2) * z + at(1, 3);
        const w = at(2, 0) * x + at(2, 1) * y + at(2, 2) * z + at(2, 3);
        data[n] = sample(values, size, u, v, w);
      }
  return result;
}

/** The outermost samples reach half a sample further out. */
function sample(
  values: Float32Array,
  [mx, my, mz]: readonly [number, number, number],
  u: number,
  v: number,
  w: number,
) {
  const edge = 0.5 + 1e-6;
  if (!(u >= -edge && v >= -edge && w >= -edge)) return 0;
  if (!(u <= mx - 1 + edge && v <= my - 1 + edge && w <= mz - 1 + edge)) return 0;
  const [x, y, z] = [clamped(u, mx), clamped(v, my), clamped(w, mz)];
  const [x0, y0, z0] = [Math.floor(x), Math.floor(y), Math.floor(z)];
  const [x1, y1, z1] = [Math.min(x0 + 1, mx - 1), Math.min(y0 + 1, my - 1), Math.min(z0 + 1, mz - 1)];
  const value = (i: number, j: number, k: number) => values[(k * my + j) * mx + i] ?? 0;
  const row = (j: number, k: number) => value(x0, j, k) * (1 - (x - x0)) + value(x1, j, k) * (x - x0);
  const plane = (k: number) => row(y0, k) * (1 - (y - y0)) + row(y1, k) * (y - y0);
  return plane(z0) * (1 - (z - z0)) + plane(z1) * (z - z0);
}

function clamped(index: number, size: number): number {
  return Math.min(size - 1, Math.max(0, index));
}

function along(matrix: readonly number[], axis: number, place: readonly number[]): number {
  return place.reduce((sum, value, n) => sum + (matrix[4 * axis + n] ?? 0) * value, matrix[4 * axis + 3] ?? 0);
}

/** From voxels of one to voxels of the other. */
function between(from: Volume, to: Volume): readonly number[] | undefined {
  const inverse = inverseOf(to.affine);
  if (inverse === undefined) return undefined;
  return Array.from({ length: 16 }, (_, n) => {
    const [row, column] = [Math.floor(n / 4), n % 4];
    return [0, 1, 2, 3].reduce((sum, k) => sum + (inverse[4 * row + k] ?? 0) * (from.affine[4 * k + column] ?? 0), 0);
  });
}
