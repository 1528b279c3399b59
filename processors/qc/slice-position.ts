/**
 * Slice position accuracy in the ACR phantom: crossed wedges of 45° at its top make two dark bars side by side, as long as each
 * other where the slice is in its place (ACR Large Phantom Guidance, section 5).
 */
import type { Plane } from './grid.ts';
import type { Disc } from './phantom.ts';
import { median } from './statistics.ts';

/** From the top of the phantom, in mm: where bars are surely dark, and where nothing of them is left. */
const BAR = { dark: 12, end: 55, search: 15 } as const;
/** From the line between both bars: what of each is looked at. */
const BAND = { from: 1.5, to: 5 } as const;
/** Both bars together, in mm. */
const WIDTH = { least: 8, most: 20 } as const;

/**
 * How much longer the right bar is than the left one, in mm: twice what the slice is off its place.
 *
 * @returns `undefined` where there are no such bars
 */
export function barLengthDifference(
  plane: Plane,
  disc: Pick<Disc, 'mask' | 'centre' | 'top'>,
  pixel: { readonly x: number; readonly y: number },
): number | undefined {
  const { pixels, columns, rows } = plane;
  const at = (x: number, y: number) => pixels[y * columns + x] ?? 0;
  const inside: number[] = [];
  for (let i = 0; i < pixels.length; i++) if (disc.mask[i] === 1) inside.push(pixels[i] ?? 0);
  const half = median(inside) / 2;
  const cx = Math.round(disc.centre[0]);
  const y0 = Math.round(disc.top + BAR.dark / pixel.y);
  const reach = Math.round(BAR.search / pixel.x);
  const dark: number[] = [];
  for (let x = cx - reach; x <= cx + reach; x++) if (at(x, y0) < half) dark.push(x);
  const [first, last] = [dark[0], dark.at(-1)];
  if (first === undefined || last === undefined || last - first + 1 !== dark.length) return undefined;
  const width = dark.length * pixel.x;
  if (width < WIDTH.least || width > WIDTH.most) return undefined;
  const middle = (first + last) / 2;
  const endOf = (side: -1 | 1): number | undefined => {
    const [from, to] = [middle + side * (BAND.from / pixel.x), middle + side * (BAND.to / pixel.x)];
    const [left, right] = [Math.round(Math.min(from, to)), Math.round(Math.max(from, to))];
    const value = (y: number) => {
      let sum = 0;
      for (let x = left; x <= right; x++) sum += at(x, y);
      return sum / (right - left + 1);
    };
    const limit = Math.min(rows - 1, Math.round(disc.top + BAR.end / pixel.y));
    for (let y = y0 + 1; y <= limit; y++) {
      const [before, now] = [value(y - 1), value(y)];
      if (now >= half) return before >= half ? undefined : y - (now - half) / (now - before);
    }
    return undefined;
  };
  const [left, right] = [endOf(-1), endOf(1)];
  return left === undefined || right === undefined ? undefined : (right - left) * pixel.y;
}
