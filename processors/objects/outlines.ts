/** A contact sheet of a scan with the outlines of masks, in colour. */
import { mosaic } from '../pictures/mosaic.ts';
import type { Volume } from '../volumes/volume.ts';
import type { Canvas, Rgb } from './letters.ts';

/** One label may have this colour whatever its manifest says: it is seen on every grey. */
const OUTLINE: Rgb = [255, 64, 48];

export interface OutlinedMask {
  /** 0 and 1 on the volume's grid, x fastest. */
  readonly mask: Uint8Array;
  readonly rgb: Rgb;
}

/** The colour a mask is drawn in; a single one is red. */
export function outlineColour({ rgb }: Pick<OutlinedMask, 'rgb'>, masks: number): Rgb {
  return masks === 1 ? OUTLINE : rgb;
}

/** Outlines of all masks, later ones over earlier ones. */
export function outlined(volume: Volume, masks: readonly OutlinedMask[]): Canvas {
  const { width, height, grey, voxels } = mosaic(volume);
  const data = new Uint8Array(3 * width * height);
  for (let pixel = 0; pixel < grey.length; pixel++) data.fill(grey[pixel] ?? 0, 3 * pixel, 3 * pixel + 3);
  for (const each of masks) {
    const colour = outlineColour(each, masks.length);
    const isInside = (pixel: number): boolean => each.mask[voxels[pixel] ?? -1] === 1;
    for (let pixel = 0; pixel < grey.length; pixel++) {
      // In pixels of the picture, so that the line is thin whatever the voxel's size. A tile's edge closes the outline.
      const isEdge = isInside(pixel) && [-1, 1, -width, width].some((step) => !isInside(pixel + step));
      if (isEdge) data.set(colour, 3 * pixel);
    }
  }
  return { width, height, data };
}
