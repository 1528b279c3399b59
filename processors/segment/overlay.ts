/** A page of slices with the outline of a mask, for a person who asks "did it find the brain?". */
import { encode } from 'fast-png';
import type { Volume } from '../volumes/volume.ts';

/** Slices shown at most; with more, evenly chosen among those the mask touches. */
const MAX_TILES = 24;
/** A tile's longer side, pixels. */
const TILE = 192;
const OUTLINE = [255, 64, 48] as const;

/** @returns a PNG: tiles in reading order, square pixels in millimetres, grey window from the 1st to the 99.5th percentile */
export function overlayPicture(volume: Volume, mask: Uint8Array): Uint8Array {
  const [nx, ny] = volume.dims;
  const [sx, sy] = volume.spacingMm;
  const scale = TILE / Math.max(nx * sx, ny * sy);
  const width = Math.max(1, Math.round(nx * sx * scale));
  const height = Math.max(1, Math.round(ny * sy * scale));
  const slices = chosenSlices(volume, mask);
  const columns = Math.ceil(Math.sqrt((slices.length * height) / width)) || 1;
  const rows = Math.ceil(slices.length / columns);
  const page = { width: columns * width, height: rows * height };
  const data = new Uint8Array(page.width * page.height * 3);
  const [low, high] = greyWindow(volume);
  slices.forEach((z, index) => {
    const left = (index % columns) * width;
    const top = Math.floor(index / columns) * height;
    for (let py = 0; py < height; py += 1) {
      for (let px = 0; px < width; px += 1) {
        const n = voxelAt(volume, px, py, z, width, height);
        const grey = Math.min(255, Math.max(0, Math.round((255 * ((volume.data[n] ?? 0) - low)) / (high - low))));
        // The outline is drawn in picture pixels, so that it is one pixel thin whatever the voxel's size.
        const isEdge =
          mask[n] === 1 &&
          [
            [-1, 0],
            [1, 0],
            [0, -1],
            [0, 1],
          ].some(([dx = 0, dy = 0]) => isOutside(volume, mask, px + dx, py + dy, z, width, height));
        const at = ((top + py) * page.width + left + px) * 3;
        data.set(isEdge ? OUTLINE : [grey, grey, grey], at);
      }
    }
  });
  return encode({ width: page.width, height: page.height, data, channels: 3, depth: 8 });
}

function isOutside(
  volume: Volume,
  mask: Uint8Array,
  px: number,
  py: number,
  z: number,
  width: number,
  height: number,
): boolean {
  if (px < 0 || py < 0 || px >= width || py >= height) return true;
  return mask[voxelAt(volume, px, py, z, width, height)] !== 1;
}

function voxelAt(volume: Volume, px: number, py: number, z: number, width: number, height: number): number {
  const [nx, ny] = volume.dims;
  const x = Math.min(nx - 1, Math.floor((px * nx) / width));
  const y = Math.min(ny - 1, Math.floor((py * ny) / height));
  return (z * ny + y) * nx + x;
}

function chosenSlices(volume: Volume, mask: Uint8Array): readonly number[] {
  const [nx, ny, nz] = volume.dims;
  const plane = nx * ny;
  const all = Array.from({ length: nz }, (_, z) => z);
  const touched = all.filter((z) => mask.subarray(z * plane, (z + 1) * plane).includes(1));
  const candidates = nz <= MAX_TILES || touched.length === 0 ? all : touched;
  if (candidates.length <= MAX_TILES) return candidates;
  return Array.from(
    { length: MAX_TILES },
    (_, i) => candidates[Math.round((i * (candidates.length - 1)) / (MAX_TILES - 1))] ?? 0,
  );
}

function greyWindow(volume: Volume): readonly [number, number] {
  const [nx, ny, nz] = volume.dims;
  const sorted = volume.data.slice(0, nx * ny * nz).sort();
  const at = (fraction: number): number => sorted[Math.floor(fraction * (sorted.length - 1))] ?? 0;
  const low = at(0.01);
  const high = at(0.995);
  return high > low ? [low, high] : [low, low + 1];
}
