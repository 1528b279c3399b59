/**
 * A picture as the network takes it: large enough that small letters have the size it knows, in tiles that overlap, so that
 * memory does not grow with the picture; upright and turned by a quarter, for it reads lines better than columns.
 */
import type { Picture } from '../../../pixels/render.ts';
import type { Region } from './cleaning.ts';

export interface Tile {
  /** Upper left corner in the enlarged picture. */
  readonly x: number;
  readonly y: number;
  /** Of the tensor: multiples of 32, which the network halves five times. */
  readonly width: number;
  readonly height: number;
  readonly isTurned: boolean;
}

/** Letters of 8 pixels become letters of 16; more finds no more and costs by the square. */
const MAX_ENLARGEMENT = 2;
/** Up to here a picture is enlarged to, and a tile is large. */
const TILE = 1024;
/** A line of text is found whole in one of two tiles up to this length; beyond it in parts. */
const OVERLAP = 192;
const NETWORK_STEP = 32;

/** A picture that is large already has letters that are. */
function enlargementOf({ width, height }: Picture): number {
  return Math.min(MAX_ENLARGEMENT, Math.max(1, TILE / Math.max(width, height)));
}

export function tilesOf(picture: Picture): readonly Tile[] {
  const factor = enlargementOf(picture);
  const across = starts(Math.round(picture.width * factor));
  const down = starts(Math.round(picture.height * factor));
  const step = (size: number) => Math.ceil(size / NETWORK_STEP) * NETWORK_STEP;
  return down.flatMap(({ at: y, size: height }) =>
    across.flatMap(({ at: x, size: width }) => [
      { x, y, width: step(width), height: step(height), isTurned: false },
      { x, y, width: step(height), height: step(width), isTurned: true },
    ]),
  );
}

function starts(size: number): readonly { readonly at: number; readonly size: number }[] {
  if (size <= TILE) return [{ at: 0, size }];
  const count = Math.ceil((size - OVERLAP) / (TILE - OVERLAP));
  return Array.from({ length: count }, (_, n) => ({
    at: Math.round((n * (size - TILE)) / (count - 1)),
    size: TILE,
  }));
}

/** Three planes of −1 … 1 as the network was trained on; what lies outside the picture repeats its edge. */
export function tensorOf(picture: Picture, tile: Tile): Float32Array {
  const { channels, pixels, width, height } = picture;
  const factor = enlargementOf(picture);
  const plane = tile.width * tile.height;
  const tensor = new Float32Array(plane * 3);
  const clampTo = (value: number, size: number) => Math.min(size - 1, Math.max(0, value));
  const sourceRows = tile.isTurned ? tile.width : tile.height;
  const sourceColumns = tile.isTurned ? tile.height : tile.width;
  for (let row = 0; row < sourceRows; row++) {
    const sy = clampTo((tile.y + row + 0.5) / factor - 0.5, height);
    const y0 = Math.floor(sy);
    const y1 = clampTo(y0 + 1, height);
    const fy = sy - y0;
    for (let column = 0; column < sourceColumns; column++) {
      const sx = clampTo((tile.x + column + 0.5) / factor - 0.5, width);
      const x0 = Math.floor(sx);
      const x1 = clampTo(x0 + 1, width);
      const fx = sx - x0;
      // A quarter clockwise: what was the left column, read upwards, is the first row.
      const at = tile.isTurned ? column * tile.width + (tile.width - 1 - row) : row * tile.width + column;
      for (let channel = 0; channel < channels; channel++) {
        const pixel = (y: number, x: number) => pixels[(y * width + x) * channels + channel] ?? 0;
        const upper = pixel(y0, x0) * (1 - fx) + pixel(y0, x1) * fx;
        const lower = pixel(y1, x0) * (1 - fx) + pixel(y1, x1) * fx;
        tensor[channel * plane + at] = ((upper * (1 - fy) + lower * fy) / 255 - 0.5) / 0.5;
      }
    }
  }
  if (channels === 1) {
    tensor.copyWithin(plane, 0, plane);
    tensor.copyWithin(2 * plane, 0, plane);
  }
  return tensor;
}

/** From a rectangle in a tile to whole pixels of the picture, cut to it; `undefined` when it lies outside. */
export function inPicture(box: Region, tile: Tile, picture: Picture): Region | undefined {
  const factor = enlargementOf(picture);
  const upright = tile.isTurned
    ? { x: box.y, y: tile.width - box.x - box.width, width: box.height, height: box.width }
    : box;
  const left = Math.max(0, Math.floor((tile.x + upright.x) / factor) - 1);
  const top = Math.max(0, Math.floor((tile.y + upright.y) / factor) - 1);
  const right = Math.min(picture.width, Math.ceil((tile.x + upright.x + upright.width) / factor) + 1);
  const bottom = Math.min(picture.height, Math.ceil((tile.y + upright.y + upright.height) / factor) + 1);
  return right > left && bottom > top ? { x: left, y: top, width: right - left, height: bottom - top } : undefined;
}
