/** Contact sheets with what has to be read from them: numbers of slices, sides of the body, outlines of masks, a scale. */
import { sizeOf } from './letters.ts';
import type { Layout, Tile } from './mosaic.ts';
import { codeOf, type Colour, heatOf, HEATS, type Raster, write } from './raster.ts';

const MARGIN = 3;
/** Tiles from which on letters are twice as large. */
const LARGE_TILE = 100;
/** Tiles below which a number would hide the picture. */
const SMALL_TILE = 40;

/** A thin line along the inner edge of a mask; a tile's edge closes it. @param mask - on the grid of one repetition */
export function outline({ width, height, voxels }: Layout, raster: Raster, mask: Uint8Array, colour: Colour): void {
  const code = codeOf(colour);
  const isInside = (pixel: number): boolean => mask[voxels[pixel] ?? -1] === 1;
  for (let pixel = 0; pixel < width * height; pixel++) {
    if (!isInside(pixel)) continue;
    const x = pixel % width;
    const isEdge =
      x === 0 ||
      x === width - 1 ||
      !isInside(pixel - 1) ||
      !isInside(pixel + 1) ||
      !isInside(pixel - width) ||
      !isInside(pixel + width);
    if (isEdge) raster.pixels[pixel] = code;
  }
}

/** Slice numbers, from 1, in each tile; of those in `marked` in another colour and with a frame. */
export function numberSlices({ tiles }: Layout, raster: Raster, marked: ReadonlySet<number>): void {
  for (const tile of tiles) {
    if (Math.min(tile.width, tile.height) < SMALL_TILE) continue;
    const isMarked = marked.has(tile.slice + 1);
    if (isMarked) frame(raster, tile, codeOf('vermilion'));
    const at = { x: tile.left + MARGIN, y: tile.top + MARGIN };
    write(raster, String(tile.slice + 1), at, isMarked ? 'vermilion' : 'white', scaleFor(tile));
  }
}

/** On the four sides of the first tile. */
export function markSides({ tiles: [tile], view: { marks } }: Layout, raster: Raster): void {
  if (tile === undefined || Math.min(tile.width, tile.height) < SMALL_TILE) return;
  const scale = scaleFor(tile);
  const put = (text: string, place: (size: { width: number; height: number }) => { x: number; y: number }) => {
    const { x, y } = place(sizeOf(text, scale));
    write(raster, text, { x: Math.round(tile.left + x), y: Math.round(tile.top + y) }, 'yellow', scale);
  };
  put(marks.left, ({ height }) => ({ x: MARGIN, y: (tile.height - height) / 2 }));
  put(marks.right, ({ width, height }) => ({ x: tile.width - width - MARGIN, y: (tile.height - height) / 2 }));
  put(marks.top, ({ width }) => ({ x: (tile.width - width) / 2, y: MARGIN }));
  put(marks.bottom, ({ width, height }) => ({ x: (tile.width - width) / 2, y: tile.height - height - MARGIN }));
}

const BAR_HEIGHT = 10;
const BAR_SPACE = 16;

/** The same picture with the scale of its colours below it. */
export function withScale(raster: Raster, low: string, high: string): Raster {
  const { width, height } = raster;
  const pixels = new Uint8Array(width * (height + BAR_SPACE));
  pixels.set(raster.pixels);
  const scaled = { width, height: height + BAR_SPACE, pixels };
  const from = sizeOf(low, 1).width + 2 * MARGIN;
  const to = width - sizeOf(high, 1).width - 2 * MARGIN;
  for (let y = 0; y < BAR_HEIGHT; y++)
    for (let x = from; x < to; x++)
      pixels[(height + MARGIN + y) * width + x] = heatOf(Math.floor(((x - from) / (to - from)) * HEATS) / (HEATS - 1));
  write(scaled, low, { x: MARGIN, y: height + MARGIN + 1 }, 'white', 1);
  write(scaled, high, { x: to + MARGIN, y: height + MARGIN + 1 }, 'white', 1);
  return scaled;
}

function scaleFor(tile: Tile): number {
  return Math.min(tile.width, tile.height) >= LARGE_TILE ? 2 : 1;
}

function frame({ width, pixels }: Raster, tile: Tile, code: number): void {
  for (let x = 0; x < tile.width; x++)
    for (const y of [0, 1, tile.height - 2, tile.height - 1]) pixels[(tile.top + y) * width + tile.left + x] = code;
  for (let y = 0; y < tile.height; y++)
    for (const x of [0, 1, tile.width - 2, tile.width - 1]) pixels[(tile.top + y) * width + tile.left + x] = code;
}
