/**
 * Signal to noise without a mask, as Aswendt et al. measure it (doi 10.1162/imag_a_00317), from the published
 * description. Its peculiarities are kept, for the numbers to be comparable: see each function.
 */
import type { Triple } from '../volumes/volume.ts';
import { decibels, type Grid, type Plane, planeOf } from './grid.ts';
import { mean, standardDeviation } from './statistics.ts';

/** Fine bins of the intensity histogram that stands for the pixels in the kernel density estimate: at most, and a kernel width. */
const FINE_BINS = 16_384;
const FINE_BINS_A_WIDTH = 64;
/** A Gaussian kernel beyond so many widths adds nothing to a float. */
const KERNEL_REACH = 8;

/**
 * SNR after Chang et al. (2005): the noise is the most frequent grey value of a kernel density estimate. In dB, mean of
 * the four central slices.
 *
 * @returns `undefined` where the histogram's maximum is in its first bin: all skull-stripped and many small EPI scans
 */
export function snrChang(volume: Grid): number | undefined {
  const slices = volume.dims[2];
  const middle = Math.floor(slices / 2);
  const first = slices <= 4 ? 0 : middle - 2;
  const last = slices <= 4 ? slices - 1 : middle + 1;
  const values: number[] = [];
  for (let slice = first; slice <= last; slice++) {
    const value = snrChangOfSlice(planeOf(volume, slice));
    if (value !== undefined) values.push(value);
  }
  return values.length === 0 ? undefined : mean(values);
}

function snrChangOfSlice({ pixels }: Plane): number | undefined {
  const { low, high, average } = extent(pixels);
  if (!(high > 0) || low === high) return undefined;
  const bins = Math.ceil(Math.sqrt(pixels.length));
  const histogram = new Float64Array(bins);
  for (const pixel of pixels) {
    const bin = Math.min(bins - 1, Math.floor(((pixel - low) / (high - low)) * bins));
    histogram[bin] = (histogram[bin] ?? 0) + 1;
  }
  const roughNoise = indexOfMaximum(histogram) / bins;
  const width = 1.06 * pixels.length ** -0.2 * roughNoise;
  if (width === 0) return undefined;
  const peak = indexOfMaximum(density(pixels, high, width, bins));
  const noise = (low + (peak * (high - low)) / bins) / 10;
  const value = decibels(average / noise);
  return Number.isFinite(value) ? value : undefined;
}

/** Gaussian kernel density of `pixels / high` at `points` places from 0 to 1, but for a constant factor. */
function density(pixels: Float32Array, high: number, width: number, points: number): Float64Array {
  const bins = Math.min(FINE_BINS, Math.ceil(FINE_BINS_A_WIDTH / width));
  const fine = new Float64Array(bins + 1);
  for (const pixel of pixels) {
    // Each pixel is shared between its two neighbouring bins, which makes the binning exact to the second order.
    const place = Math.max(0, (pixel / high) * bins);
    const bin = Math.min(bins - 1, Math.floor(place));
    const share = place - bin;
    fine[bin] = (fine[bin] ?? 0) + 1 - share;
    fine[bin + 1] = (fine[bin + 1] ?? 0) + share;
  }
  const reach = Math.ceil(KERNEL_REACH * width * bins);
  return Float64Array.from({ length: points }, (_, point) => {
    const centre = (point / Math.max(1, points - 1)) * bins;
    const from = Math.max(0, Math.ceil(centre) - reach);
    const to = Math.min(bins, Math.floor(centre) + reach);
    let sum = 0;
    for (let bin = from; bin <= to; bin++) {
      const count = fine[bin] ?? 0;
      if (count === 0) continue;
      const distance = (bin - centre) / bins / width;
      sum += count * Math.exp(-0.5 * distance * distance);
    }
    return sum;
  });
}

/**
 * Mean of a sphere around the centre of mass over the standard deviation of the eight corners, in dB. The Rayleigh
 * factor of 0.655 is left out: about 3.7 dB more than the true SNR.
 *
 * @returns `undefined` where the corners are empty, as in skull-stripped scans
 */
export function snrNormal(volume: Grid): number | undefined {
  const { dims } = volume;
  const radius = Math.min(Math.floor((0.1 * (dims[0] + dims[1] + dims[2])) / 3), dims[2]);
  const centre = centreOfMass(volume);
  if (centre === undefined) return undefined;
  const signal = mean(inSphere(volume, centre, radius));
  const noise = standardDeviation(corners(volume));
  const value = decibels(signal / noise);
  return Number.isFinite(value) ? value : undefined;
}

/** Whole voxel at the centre of mass. */
export function centreOfMass({ data, dims: [nx, ny, nz] }: Grid): Triple | undefined {
  let mass = 0;
  let x = 0;
  let y = 0;
  let z = 0;
  for (let k = 0, voxel = 0; k < nz; k++)
    for (let j = 0; j < ny; j++)
      for (let i = 0; i < nx; i++, voxel++) {
        const value = data[voxel] ?? 0;
        mass += value;
        x += value * i;
        y += value * j;
        z += value * k;
      }
  return mass > 0 ? [Math.trunc(x / mass), Math.trunc(y / mass), Math.trunc(z / mass)] : undefined;
}

export function inSphere({ data, dims: [nx, ny, nz] }: Grid, [cx, cy, cz]: Triple, radius: number): number[] {
  const values: number[] = [];
  for (let k = Math.max(0, cz - radius); k <= Math.min(nz - 1, cz + radius); k++)
    for (let j = Math.max(0, cy - radius); j <= Math.min(ny - 1, cy + radius); j++)
      for (let i = Math.max(0, cx - radius); i <= Math.min(nx - 1, cx + radius); i++)
        if (Math.hypot(i - cx, j - cy, k - cz) <= radius) values.push(data[i + nx * (j + ny * k)] ?? 0);
  return values;
}

/** Eight blocks of 15 % of each side. */
function corners({ data, dims: [nx, ny, nz] }: Grid): Float64Array {
  const ends = (size: number): number[] => {
    const block = Math.ceil(0.15 * size);
    return [
      ...Array.from({ length: block }, (_, i) => i),
      ...Array.from({ length: block }, (_, i) => size - block + i),
    ];
  };
  const [xs, ys, zs] = [ends(nx), ends(ny), ends(nz)];
  const values = new Float64Array(xs.length * ys.length * zs.length);
  let n = 0;
  for (const k of zs) for (const j of ys) for (const i of xs) values[n++] = data[i + nx * (j + ny * k)] ?? 0;
  return values;
}

export function extent(values: Float32Array): { low: number; high: number; average: number } {
  let low = Infinity;
  let high = -Infinity;
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    if (value < low) low = value;
    if (value > high) high = value;
    sum += value;
  }
  return { low, high, average: sum / values.length };
}

/** The first one, if several are alike. */
function indexOfMaximum(values: Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i;
  return best;
}
