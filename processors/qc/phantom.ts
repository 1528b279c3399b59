/** Measures of a uniform phantom after the American College of Radiology, and of the NEMA standard for signal to noise. */
import type { Grid, Plane } from './grid.ts';
import { otsu } from './head-mask.ts';
import { filledBySlice, largestPiece } from './morphology.ts';
import { mean, median, sorted } from './statistics.ts';

/** Where a phantom stands in a slice. */
export interface Disc {
  readonly mask: Uint8Array;
  readonly centre: readonly [number, number];
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** @returns `undefined` where there is nothing round enough to be a phantom */
export function discOf({ pixels, columns, rows }: Plane): Disc | undefined {
  let high = 0;
  for (const pixel of pixels) if (pixel > high) high = pixel;
  if (!(high > 0)) return undefined;
  const histogram = new Float64Array(256);
  for (const pixel of pixels) {
    const bin = Math.min(255, Math.floor((Math.max(0, pixel) / high) * 256));
    histogram[bin] = (histogram[bin] ?? 0) + 1;
  }
  const threshold = (otsu(histogram) / 256) * high;
  const dims = [columns, rows, 1] as const;
  const bright = Uint8Array.from(pixels, (value) => (value > threshold ? 1 : 0));
  const mask = filledBySlice(largestPiece(bright, dims), dims);
  let [left, right, top, bottom, area, sx, sy] = [columns, -1, rows, -1, 0, 0, 0];
  for (let y = 0, pixel = 0; y < rows; y++)
    for (let x = 0; x < columns; x++, pixel++) {
      if (mask[pixel] !== 1) continue;
      area++;
      sx += x;
      sy += y;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  // A tube fills three quarters of its frame (π/4); a head or a cut picture more, a tangle less.
  const frame = (right - left + 1) * (bottom - top + 1);
  if (area < 200 || area / frame < 0.6) return undefined;
  return { mask, centre: [sx / area, sy / area], left, right, top, bottom };
}

/** Radii of the regions in millimetres: 200 cm² and 1 cm² in the ACR phantom. */
const ACR = { large: 80, small: Math.sqrt(100 / Math.PI), radius: 95 } as const;

interface Pixel {
  readonly x: number;
  readonly y: number;
}

/** Scaled to phantoms of another size: a preclinical tube has the same shares of its radius. */
function scaleOf({ left, right, top, bottom }: Disc, pixel: Pixel): number {
  const radiusMm = Math.min((right - left + 1) * pixel.x, (bottom - top + 1) * pixel.y) / 2;
  return Math.abs(radiusMm - ACR.radius) < 10 ? 1 : radiusMm / ACR.radius;
}

/**
 * Percent integral uniformity: 100 (1 − (max − min) / (max + min)) of the means of 1 cm² regions, everywhere within
 * 200 cm² around the middle of the phantom.
 */
export function integralUniformity(plane: Plane, disc: Disc, pixel: Pixel): number {
  const scale = scaleOf(disc, pixel);
  const large = Math.ceil((ACR.large * scale) / pixel.x);
  const small = Math.ceil((ACR.small * scale) / pixel.x);
  const [cx, cy] = [(disc.left + disc.right) / 2, (disc.top + disc.bottom) / 2];
  const offsets: number[] = [];
  for (let dy = -small; dy <= small; dy++)
    for (let dx = -small; dx <= small; dx++)
      if (dx * dx + dy * dy <= small * small) offsets.push(dy * plane.columns + dx);
  let low = Infinity;
  let high = -Infinity;
  for (let y = small; y < plane.rows - small; y++)
    for (let x = small; x < plane.columns - small; x++) {
      if (Math.hypot(x - cx, y - cy) + small > large) continue;
      let sum = 0;
      for (const offset of offsets) sum += plane.pixels[y * plane.columns + x + offset] ?? 0;
      const average = sum / offsets.length;
      if (average < low) low = average;
      if (average > high) high = average;
    }
  return 100 * (1 - (high - low) / (high + low));
}

/**
 * Percent signal ghosting: 100 |(top + bottom) − (left + right)| / (2 · signal), of regions in the air half way between
 * the phantom and each side of the picture, four times as long as wide.
 */
export function signalGhosting(plane: Plane, disc: Disc, pixel: Pixel): number | undefined {
  const { columns, rows } = plane;
  const gaps = { left: disc.left, right: columns - 1 - disc.right, top: disc.top, bottom: rows - 1 - disc.bottom };
  const width = Math.min(...Object.values(gaps));
  // Less than six pixels of air hold the phantom's own edge.
  if (width < 6) return undefined;
  const scale = scaleOf(disc, pixel);
  const short = Math.max(1, Math.min((10 * scale) / pixel.x, width / 2 - 2));
  const long = 4 * short;
  const [cx, cy] = [Math.round(disc.centre[0]), Math.round(disc.centre[1])];
  const region = (x: number, y: number, isUpright: boolean): number => {
    const values: number[] = [];
    const [rx, ry] = isUpright ? [short, long] : [long, short];
    for (let j = Math.max(0, Math.floor(y - ry)); j <= Math.min(rows - 1, y + ry); j++)
      for (let i = Math.max(0, Math.floor(x - rx)); i <= Math.min(columns - 1, x + rx); i++)
        if (((i - x) / rx) ** 2 + ((j - y) / ry) ** 2 <= 1) values.push(plane.pixels[j * columns + i] ?? 0);
    return mean(values);
  };
  const top = region(cx, gaps.top / 2, false);
  const bottom = region(cx, disc.bottom + gaps.bottom / 2, false);
  const left = region(gaps.left / 2, cy, true);
  const right = region(disc.right + gaps.right / 2, cy, true);
  const signal: number[] = [];
  const radius = (ACR.large * scale) / pixel.x;
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++)
      if (Math.hypot(x - cx, y - cy) <= radius) signal.push(plane.pixels[y * columns + x] ?? 0);
  return (100 * Math.abs(top + bottom - (left + right))) / (2 * mean(signal));
}

/** Five squares of 20 × 20 pixels: the middle and half way to the edge, scaled with the picture. */
function squares({ pixels, columns, rows }: Plane, [cx, cy]: readonly [number, number]): readonly Float64Array[] {
  const scale = Math.min(columns, rows) / 256;
  const half = Math.max(3, Math.round(10 * scale));
  const away = Math.round(40 * scale);
  return [
    [0, 0],
    [-away, -away],
    [-away, away],
    [away, -away],
    [away, away],
  ].map(([dx = 0, dy = 0]) => {
    const values: number[] = [];
    const [x0, y0] = [Math.floor(cx) + dx, Math.floor(cy) + dy];
    for (let y = y0 - half; y < y0 + half; y++)
      for (let x = x0 - half; x < x0 + half; x++) values.push(pixels[y * columns + x] ?? 0);
    return Float64Array.from(values);
  });
}

function sampleDeviation(values: Float64Array): number {
  const average = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - average) ** 2, 0) / (values.length - 1));
}

/** NEMA MS 1, method 1: two scans of the same; the noise is the deviation of their difference over √2. */
export function snrBySubtraction(first: Plane, second: Plane, { centre }: Disc): number {
  const difference = {
    ...first,
    pixels: Float32Array.from(first.pixels, (value, i) => value - (second.pixels[i] ?? 0)),
  };
  const signal = squares(first, centre).map(mean);
  const noise = squares(difference, centre).map((values) => sampleDeviation(values) / Math.SQRT2);
  return mean(signal.map((value, i) => value / (noise[i] ?? 0)));
}

/** Of the box that the picture is smoothed by, in pixels of 256. */
const BOX = 9;

/** McCann et al. 2013: the noise is what a moving average takes out of a single picture. */
export function snrBySmoothing(plane: Plane, { centre }: Disc): number {
  const size = Math.max(3, 2 * Math.round((BOX * Math.min(plane.columns, plane.rows)) / 512) + 1);
  const smooth = boxed(plane, size);
  const noise = { ...plane, pixels: Float32Array.from(plane.pixels, (value, i) => value - (smooth[i] ?? 0)) };
  const deviations = squares(noise, centre).map(sampleDeviation);
  return mean(squares(plane, centre).map((values, i) => mean(values) / (deviations[i] ?? 0)));
}

function boxed({ pixels, columns, rows }: Plane, size: number): Float64Array {
  const half = size >> 1;
  const pass = (values: Float64Array, length: number, stride: number, lines: number, lineStride: number) => {
    const result = new Float64Array(values.length);
    for (let line = 0; line < lines; line++)
      for (let at = 0; at < length; at++) {
        let sum = 0;
        for (let by = -half; by <= half; by++) {
          const place = at + by;
          if (place >= 0 && place < length) sum += values[line * lineStride + place * stride] ?? 0;
        }
        result[line * lineStride + at * stride] = sum / size;
      }
    return result;
  };
  return pass(pass(Float64Array.from(pixels), columns, 1, rows, columns), rows, columns, columns, 1);
}

/** Across the phantom through its middle, in millimetres: between the half heights of its edges. */
export function diameters(
  plane: Plane,
  disc: Disc,
  pixel: Pixel,
): { readonly horizontal: number; readonly vertical: number } {
  const { pixels, columns, rows } = plane;
  const [cx, cy] = [Math.round(disc.centre[0]), Math.round(disc.centre[1])];
  const inner: number[] = [];
  for (let i = 0; i < pixels.length; i++) if (disc.mask[i] === 1) inner.push(pixels[i] ?? 0);
  const half = median(inner) / 2;
  const width = (length: number, at: (place: number) => number, from: number, to: number): number => {
    const crossing = (start: number, step: 1 | -1): number => {
      let place = start;
      while (place >= 0 && place < length && at(place) < half) place += step;
      const [outside, within] = [at(place - step), at(place)];
      return within === outside ? place : place - (step * (within - half)) / (within - outside);
    };
    return crossing(Math.min(length - 1, to + 3), -1) - crossing(Math.max(0, from - 3), 1);
  };
  return {
    horizontal: width(columns, (x) => pixels[cy * columns + x] ?? 0, disc.left, disc.right) * pixel.x,
    vertical: width(rows, (y) => pixels[y * columns + cx] ?? 0, disc.top, disc.bottom) * pixel.y,
  };
}

/** Of the ramps: one to ten. */
const RAMP = 10;

/**
 * Slice thickness from the two crossed ramps in slice 1 of the ACR phantom: 0.2 · top · bottom / (top + bottom), each
 * length the full width at half maximum of its profile.
 *
 * @returns `undefined` where there are no ramps
 */
export function sliceThickness(plane: Plane, disc: Disc, pixel: Pixel): number | undefined {
  const { pixels, columns } = plane;
  const [cx, cy] = [Math.round(disc.centre[0]), Math.round(disc.centre[1])];
  const at = (x: number, y: number) => pixels[Math.round(y) * columns + x] ?? 0;
  // The dark slot around the middle that the ramps shine in.
  const outer = disc.mask.length;
  const values: number[] = [];
  for (let i = 0; i < outer; i++) if (disc.mask[i] === 1) values.push(pixels[i] ?? 0);
  const bright = sorted(values)[Math.floor(values.length * 0.7)] ?? 0;
  const reach = Math.round(30 / pixel.y);
  const probe = cx - Math.round(45 / pixel.x);
  const dark = (y: number) => at(probe, y) < 0.5 * bright;
  const rows = Array.from({ length: 2 * reach }, (_, i) => cy - reach + i).filter(dark);
  const [top, bottom] = longestRun(rows);
  if (top === undefined || bottom === undefined || bottom - top < 4) return undefined;
  const height = bottom - top + 1;
  const lengths = [0.25, 0.75].map((share) => {
    const middle = Math.round(top + share * height - 0.5);
    const left = cx - Math.round(70 / pixel.x);
    const right = cx + Math.round(70 / pixel.x);
    const profile: number[] = [];
    for (let x = Math.max(0, left); x <= Math.min(columns - 1, right); x++)
      profile.push((at(x, middle - 1) + at(x, middle) + at(x, middle + 1)) / 3);
    return halfWidth(profile) * pixel.x;
  });
  const [a = 0, b = 0] = lengths;
  const thickness = ((2 / RAMP) * a * b) / (a + b);
  return Number.isFinite(thickness) && thickness > 0 ? thickness : undefined;
}

function longestRun(places: readonly number[]): readonly [number | undefined, number | undefined] {
  let best: readonly number[] = [];
  let current: number[] = [];
  for (const place of places) {
    current = current.length > 0 && place === (current.at(-1) ?? 0) + 1 ? [...current, place] : [place];
    if (current.length > best.length) best = current;
  }
  return [best[0], best.at(-1)];
}

/** Of the hill in a profile, above its own floor. */
function halfWidth(profile: readonly number[]): number {
  const ordered = sorted(profile);
  const floor = ordered[Math.floor(profile.length * 0.1)] ?? 0;
  // The plateau, not a single bright pixel.
  const half = (floor + (ordered[Math.floor(profile.length * 0.95)] ?? 0)) / 2;
  const isAbove = profile.map((value) => value > half);
  const runs = longestRun(isAbove.flatMap((above, i) => (above ? [i] : [])));
  const [from, to] = runs;
  if (from === undefined || to === undefined) return Number.NaN;
  const between = (inner: number, outer: number) => {
    const [a, b] = [profile[inner] ?? 0, profile[outer] ?? 0];
    return a === b ? 0 : (a - half) / (a - b);
  };
  return to - from + between(from, from - 1) + between(to, to + 1);
}

/** The slice that a uniform phantom is judged on: the seventh of eleven, else the middle one. */
export function uniformSlice(grid: Grid): number {
  return grid.dims[2] === 11 ? 6 : Math.floor(grid.dims[2] / 2);
}
