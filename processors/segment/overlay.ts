/** The contact sheet of a volume with the outline of a mask, for a person who asks "did it find the brain?". */
import { encode } from 'fast-png';
import { mosaic } from '../pictures/mosaic.ts';
import type { Volume } from '../volumes/volume.ts';

type Rgb = readonly [number, number, number];

/** One label may have this colour whatever its manifest says: it is seen on every grey. */
const OUTLINE: Rgb = [255, 64, 48];

export interface OverlayMask {
  /** 0 and 1 on the volume's grid, x fastest. */
  readonly mask: Uint8Array;
  readonly rgb: Rgb;
}

/** Outlines of all masks, later ones over earlier ones; a single one in red. */
export function overlayPicture(volume: Volume, masks: readonly OverlayMask[]): Uint8Array {
  const { width, height, grey, voxels } = mosaic(volume);
  const data = new Uint8Array(3 * width * height);
  for (let pixel = 0; pixel < grey.length; pixel++) data.fill(grey[pixel] ?? 0, 3 * pixel, 3 * pixel + 3);
  for (const { mask, rgb } of masks) {
    const colour = masks.length === 1 ? OUTLINE : rgb;
    const isInside = (pixel: number): boolean => mask[voxels[pixel] ?? -1] === 1;
    for (let pixel = 0; pixel < grey.length; pixel++) {
      // In pixels of the picture, so that the line is thin whatever the voxel's size. A tile's edge closes the outline.
      const isEdge = isInside(pixel) && [-1, 1, -width, width].some((step) => !isInside(pixel + step));
      if (isEdge) data.set(colour, 3 * pixel);
    }
  }
  return encode({ width, height, data, channels: 3, depth: 8 });
}
