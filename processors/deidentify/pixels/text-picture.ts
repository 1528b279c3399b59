/**
 * A frame as the text detector wants to see it: grey values stretched so that both faint and glaring letters stand out,
 * colours as they are.
 */
import type { DecodedFrame } from '../../../pixels/decode.ts';
import type { PixelDescription } from '../../../pixels/description.ts';
import type { Presentation } from '../../../pixels/presentation.ts';
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
