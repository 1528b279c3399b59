/** Pictures of pixels: greys, a ramp of colours for maps, and a few colours that everybody can tell apart. */
import { drawLetters } from './letters.ts';
import { palettePng } from './palette-png.ts';

type Rgb = [number, number, number];

/** Shades of grey: more than an eye tells apart in a picture of noise, and half of the bytes. */
export const GREYS = 128;
/** Steps of the ramp. */
export const HEATS = 96;

/** Okabe and Ito's, seen alike by nearly everybody, on any grey. */
const COLOURS = {
  orange: [230, 159, 0],
  blue: [86, 180, 233],
  vermilion: [255, 94, 20],
  white: [255, 255, 255],
  black: [0, 0, 0],
  yellow: [255, 224, 64],
  slate: [40, 52, 74],
} as const satisfies Readonly<Record<string, Readonly<Rgb>>>;
export type Colour = keyof typeof COLOURS;
const COLOUR_NAMES = Object.keys(COLOURS);

/** Viridis by nine of its points: as bright as the value is high, and the same to those who see no red. */
const RAMP: readonly Rgb[] = [
  [68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121],
  [109, 205, 89], [253, 231, 37],
]; // prettier-ignore

const PALETTE: Rgb[] = [
  ...Array.from({ length: GREYS }, (_, i): Rgb => {
    const grey = Math.round((i * 255) / (GREYS - 1));
    return [grey, grey, grey];
  }),
  ...Array.from({ length: HEATS }, (_, i) => onRamp(i / (HEATS - 1))),
  ...Object.values(COLOURS).map(([r, g, b]): Rgb => [r, g, b]),
];

function onRamp(share: number): Rgb {
  const place = share * (RAMP.length - 1);
  const low = Math.min(RAMP.length - 2, Math.floor(place));
  const mixed = [0, 1, 2].map((channel) => {
    const from = RAMP[low]?.[channel] ?? 0;
    return Math.round(from + ((RAMP[low + 1]?.[channel] ?? 0) - from) * (place - low));
  });
  return [mixed[0] ?? 0, mixed[1] ?? 0, mixed[2] ?? 0];
}

/** Row by row, one byte a pixel: below `GREYS` a grey, then the ramp, then the colours. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

export function codeOf(colour: Colour): number {
  return GREYS + HEATS + COLOUR_NAMES.indexOf(colour);
}

/** @param share - 0 … 1 of the ramp */
export function heatOf(share: number): number {
  return GREYS + Math.round(Math.max(0, Math.min(1, share)) * (HEATS - 1));
}

export function pngOf(raster: Raster): Uint8Array {
  return palettePng(raster, PALETTE);
}

/** Three bytes a pixel, for formats without a palette. */
export function rgbOf({ pixels }: Raster): Uint8Array {
  const rgb = new Uint8Array(3 * pixels.length);
  pixels.forEach((code, pixel) => rgb.set(PALETTE[code] ?? [0, 0, 0], 3 * pixel));
  return rgb;
}

/** Letters with a dark rim, legible on any grey; what falls off the picture is left out. */
export function write(
  raster: Raster,
  text: string,
  at: { readonly x: number; readonly y: number },
  colour: Colour,
  scale: number,
): void {
  const paint = (x: number, y: number, code: number) => {
    if (x >= 0 && y >= 0 && x < raster.width && y < raster.height) raster.pixels[y * raster.width + x] = code;
  };
  const dark = codeOf('black');
  for (const [dx, dy] of [
    [-1, 0],
    [1, 0],
    [0, -1],
    [0, 1],
    [1, 1],
  ] as const)
    // prettier-ignore
    drawLetters(text, scale, (x, y) => paint(at.x + x + dx, at.y + y + dy, dark));
  drawLetters(text, scale, (x, y) => paint(at.x + x, at.y + y, codeOf(colour)));
}
