/**
 * Whether what looks like a line of text can be read: rims of heads, rings of phantoms and folds of a cortex look like
 * letters to a detector and like nothing to a reader. The reader's table of characters is not loaded: it counts
 * characters and says how sure it is, and what stands there is never known.
 */
import type { Picture } from '../../../pixels/render.ts';
import type { Network } from '../../segment/network.ts';
import type { Region } from './cleaning.ts';

/** What the network was trained on: lines of this height, text from left to right. */
const LINE_HEIGHT = 48;
/** A longer line is read narrower than it is, which is enough to see that it is one. */
const MAX_LINE_WIDTH = 960;
const WIDTH_STEP = 32;
/** The network answers a column for so many columns of the line. */
const COLUMNS_A_STEP = 8;
/** Its characters, with "none" as the first. */
const CLASSES = 6625;
/** A single character is a mark of a side, or a ring; two that are read with this certainty may be the end of a name. */
const MIN_CHARACTERS = 2;
const MIN_CERTAINTY = 0.45;
/** Beyond this a line runs along its longer side; else it may run along either. */
const CLEARLY_LONG = 1.5;

type Turn = 'upright' | 'downwards' | 'upwards';

/** @throws {HubError} when the network fails */
export async function isReadable(network: Network, picture: Picture, region: Region): Promise<boolean> {
  for (const turn of turnsOf(region)) {
    const { tensor, width } = lineOf(picture, region, turn);
    const steps = width / COLUMNS_A_STEP;
    const { output } = await network.run(tensor, [1, 3, LINE_HEIGHT, width], [1, steps, CLASSES]);
    if (isText(output, steps)) return true;
  }
  return false;
}

function turnsOf({ width, height }: Region): readonly Turn[] {
  if (width >= CLEARLY_LONG * height) return ['upright'];
  if (height >= CLEARLY_LONG * width) return ['downwards', 'upwards'];
  return ['upright', 'downwards', 'upwards'];
}

/** Three planes of −1 … 1, the line filling the height, grey behind its end. */
function lineOf(
  picture: Picture,
  region: Region,
  turn: Turn,
): { readonly tensor: Float32Array; readonly width: number } {
  const along = turn === 'upright' ? region.width : region.height;
  const across = turn === 'upright' ? region.height : region.width;
  const scale = Math.min(LINE_HEIGHT / across, MAX_LINE_WIDTH / along);
  const filled = Math.max(1, Math.round(along * scale));
  const width = Math.ceil(filled / WIDTH_STEP) * WIDTH_STEP;
  const plane = LINE_HEIGHT * width;
  const tensor = new Float32Array(plane * 3);
  for (let row = 0; row < LINE_HEIGHT; row++)
    for (let column = 0; column < filled; column++) {
      const u = ((column + 0.5) * along) / filled - 0.5;
      const v = ((row + 0.5) * across) / LINE_HEIGHT - 0.5;
      const [x, y] = placeOf(region, turn, u, v);
      for (let channel = 0; channel < 3; channel++)
        tensor[channel * plane + row * width + column] = valueAt(picture, x, y, channel) / 127.5 - 1;
    }
  return { tensor, width };
}

/** From a place along and across the line to one in the picture. */
function placeOf({ x, y, width, height }: Region, turn: Turn, u: number, v: number): readonly [number, number] {
  switch (turn) {
    case 'upright':
      return [x + u, y + v];
    case 'downwards':
      return [x + width - 1 - v, y + u];
    case 'upwards':
      return [x + v, y + height - 1 - u];
    default:
      return turn satisfies never;
  }
}

function valueAt({ pixels, width, height, channels }: Picture, x: number, y: number, channel: number): number {
  const x0 = Math.min(width - 1, Math.max(0, Math.floor(x)));
  const y0 = Math.min(height - 1, Math.max(0, Math.floor(y)));
  const [x1, y1] = [Math.min(width - 1, x0 + 1), Math.min(height - 1, y0 + 1)];
  const [fx, fy] = [Math.min(1, Math.max(0, x - x0)), Math.min(1, Math.max(0, y - y0))];
  const at = (column: number, row: number) =>
    pixels[(row * width + column) * channels + (channels === 1 ? 0 : channel)] ?? 0;
  const upper = at(x0, y0) * (1 - fx) + at(x1, y0) * fx;
  return upper * (1 - fy) + (at(x0, y1) * (1 - fx) + at(x1, y1) * fx) * fy;
}

/** The likeliest class of each step; the same one again is the same character, the first class is none. */
function isText(output: Float32Array, steps: number): boolean {
  let [characters, certainty, before] = [0, 0, 0];
  for (let step = 0; step < steps; step++) {
    let likeliest = 0;
    for (let one = 1; one < CLASSES; one++)
      if ((output[step * CLASSES + one] ?? 0) > (output[step * CLASSES + likeliest] ?? 0)) likeliest = one;
    if (likeliest !== 0 && likeliest !== before) {
      characters += 1;
      certainty += output[step * CLASSES + likeliest] ?? 0;
    }
    before = likeliest;
  }
  return characters >= MIN_CHARACTERS && certainty / characters >= MIN_CERTAINTY;
}
