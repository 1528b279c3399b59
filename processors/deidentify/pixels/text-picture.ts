/**
 * A frame as the text detector wants to see it: grey values stretched so that both faint and glaring letters stand out,
 * colours as they are.
 */
import type { DecodedFrame } from '../../../pixels/decode.ts';
import type { PixelDescription } from '../../../pixels/description.ts';
import type { Presentation } from '../../../pixels/presentation.ts';
import type { Region } from './cleaning.ts';
import { renderFrame, storedValues, type Picture } from '../../../pixels/render.ts';

/** Shares of the pixels that may be black and white: noise and a few hot pixels, but no letter. */
const BLACK_SHARE = 0.005;
const WHITE_SHARE = 0.999;

export function textPicture(frame: DecodedFrame, description: PixelDescription, presentation: Presentation): Picture {
  if (description.samplesPerPixel === 3 || presentation.palette !== undefined)
    return renderFrame(frame, description, presentation, undefined);
  const values = storedValues(frame.samples, description);
  const [low, high] = spread(values);
  const scale = high > low ? 255 / (high - low) : 0;
  const pixels = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++)
    pixels[i] = Math.min(255, Math.max(0, Math.round(((values[i] ?? 0) - low) * scale)));
  return { width: description.columns, height: description.rows, channels: 1, pixels };
}

/**
 * Paints over what is blanked already, from the pixels around it: a black bar in the middle of tissue looks like a line of
 * text itself.
 */
export function painted(picture: Picture, regions: readonly Region[]): Picture {
  const pixels = Uint8Array.from(picture.pixels);
  const { width, height, channels } = picture;
  const at = (x: number, y: number, channel: number) =>
    x < 0 || y < 0 || x >= width || y >= height ? undefined : pixels[(y * width + x) * channels + channel];
  for (const region of regions) {
    const right = region.x + region.width;
    const bottom = region.y + region.height;
    for (let channel = 0; channel < channels; channel++)
      for (let y = region.y; y < bottom; y++)
        for (let x = region.x; x < right; x++) {
          const across = between(
            at(region.x - 1, y, channel),
            at(right, y, channel),
            x - region.x + 1,
            region.width + 1,
          );
          const down = between(
            at(x, region.y - 1, channel),
            at(x, bottom, channel),
            y - region.y + 1,
            region.height + 1,
          );
          const value = across === undefined ? down : down === undefined ? across : (across + down) / 2;
          pixels[(y * width + x) * channels + channel] = Math.round(value ?? 0);
        }
  }
  return { ...picture, pixels };
}

/** On the way from one to the other; the one there is, where the frame ends. */
function between(from: number | undefined, to: number | undefined, step: number, steps: number): number | undefined {
  if (from === undefined || to === undefined) return from ?? to;
  return from + ((to - from) * step) / steps;
}

/** Of integers of 16 bits, signed or not. */
function spread(values: Float64Array): readonly [number, number] {
  const counts = new Uint32Array(0x18000);
  for (const value of values) {
    const at = value + 0x8000;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  const at = (share: number) => {
    const wanted = share * (values.length - 1);
    let seen = 0;
    for (let index = 0; index < counts.length; index++) {
      seen += counts[index] ?? 0;
      if (seen > wanted) return index - 0x8000;
    }
    return 0xffff;
  };
  const low = at(BLACK_SHARE);
  const high = at(WHITE_SHARE);
  if (high > low) return [low, high];
  // Nearly everything is one value: what little there is else may be letters.
  return [at(0), at(1)];
}
