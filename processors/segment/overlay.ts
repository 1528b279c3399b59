/** The contact sheet of a volume with the outline of a mask, for a person who asks "did it find the brain?". */
import { encode } from 'fast-png';
import { type OutlinedMask, outlined } from '../objects/outlines.ts';
import type { Volume } from '../volumes/volume.ts';

/** PNG; outlines of all masks, later ones over earlier ones; a single one in red. */
export function overlayPicture(volume: Volume, masks: readonly OutlinedMask[]): Uint8Array {
  return encode({ ...outlined(volume, masks), channels: 3, depth: 8 });
}
