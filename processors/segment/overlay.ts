/** The contact sheet of a volume with the outline of a mask, for a person who asks "did it find the brain?". */
import { encode } from 'fast-png';
import { mosaic } from '../pictures/mosaic.ts';
import type { Volume } from '../volumes/volume.ts';

const OUTLINE = [255, 64, 48] as const;

/** @param mask - 0 and 1 on the volume's grid, x fastest */
export function overlayPicture(volume: Volume, mask: Uint8Array): Uint8Array {
  const { width, height, grey, voxels } = mosaic(volume);
  const isInside = (pixel: number): boolean => mask[voxels[pixel] ?? -1] === 1;
  const data = new Uint8Array(3 * width * height);
  for (let pixel = 0; pixel < grey.length; pixel++) {
    // In pixels of the picture, so that the line is thin whatever the voxel's size. A tile's edge closes the outline.
    const isEdge = isInside(pixel) && [-1, 1, -width, width].some((step) => !isInside(pixel + step));
    const value = grey[pixel] ?? 0;
    data.set(isEdge ? OUTLINE : [value, value, value], 3 * pixel);
  }
  return encode({ width, height, data, channels: 3, depth: 8 });
}
