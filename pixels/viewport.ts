/** The part of a picture that was asked for, in the size that was asked for (PS3.18 Section 8.3.5.1.3). */
import type { Picture } from './render.ts';

export interface Viewport {
  readonly width: number;
  readonly height: number;
  /** Of the source, in pixels; a negative width or height turns the picture over. Absent: all of it. */
  readonly region?: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
}

export const MAX_VIEWPORT = 4_096;

/** The region, as large as fits into the viewport with its shape kept. */
export function fit(picture: Picture, viewport: Viewport | undefined): Picture {
  if (viewport === undefined) return picture;
  const region = clip(viewport.region ?? { x: 0, y: 0, width: picture.width, height: picture.height }, picture);
  const scale = Math.min(viewport.width / region.width, viewport.height / region.height);
  const width = Math.max(1, Math.round(region.width * scale));
  const height = Math.max(1, Math.round(region.height * scale));
  const { channels } = picture;
  const across = taps(region.x, region.width, width, viewport.region !== undefined && viewport.region.width < 0);
  const down = taps(region.y, region.height, height, viewport.region !== undefined && viewport.region.height < 0);
  // One direction after the other, the first into numbers that are not rounded yet.
  const narrow = new Float32Array(width * picture.height * channels);
  for (let row = region.y; row < region.y + region.height; row++)
    for (let column = 0; column < width; column++)
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (const { index, weight } of across[column] ?? [])
          sum += (picture.pixels[(row * picture.width + index) * channels + channel] ?? 0) * weight;
        narrow[(row * width + column) * channels + channel] = sum;
      }
  const pixels = new Uint8Array(width * height * channels);
  for (let row = 0; row < height; row++)
    for (let at = 0; at < width * channels; at++) {
      let sum = 0;
      for (const { index, weight } of down[row] ?? []) sum += (narrow[index * width * channels + at] ?? 0) * weight;
      pixels[row * width * channels + at] = Math.round(sum);
    }
  return { width, height, channels, pixels };
}

interface Tap {
  readonly index: number;
  readonly weight: number;
}

/** For each pixel of the result the source pixels under it: their mean where it shrinks, between two where it grows. */
function taps(start: number, length: number, size: number, isTurned: boolean): readonly (readonly Tap[])[] {
  const ratio = length / size;
  const reach = Math.max(1, ratio);
  return Array.from({ length: size }, (_, n) => {
    const centre = ((isTurned ? size - 1 - n : n) + 0.5) * ratio;
    const found: Tap[] = [];
    for (let i = Math.floor(centre - reach); i <= Math.ceil(centre + reach); i++) {
      const weight = 1 - Math.abs(i + 0.5 - centre) / reach;
      if (weight > 0) found.push({ index: start + Math.min(length - 1, Math.max(0, i)), weight });
    }
    const total = found.reduce((sum, { weight }) => sum + weight, 0);
    return found.map(({ index, weight }) => ({ index, weight: weight / total }));
  });
}

function clip(region: NonNullable<Viewport['region']>, { width, height }: Picture) {
  const x = Math.min(width - 1, Math.max(0, Math.round(region.x)));
  const y = Math.min(height - 1, Math.max(0, Math.round(region.y)));
  return {
    x,
    y,
    width: Math.max(1, Math.min(width - x, Math.round(Math.abs(region.width)))),
    height: Math.max(1, Math.min(height - y, Math.round(Math.abs(region.height)))),
  };
}
