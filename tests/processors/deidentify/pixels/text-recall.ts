/** How much of the ink of a made picture a detector's rectangles cover; for its test and its benchmark. */
import type { Region } from '../../../../processors/deidentify/pixels/cleaning.ts';
import { textPicture } from '../../../../processors/deidentify/pixels/text-picture.ts';
import type { PixelDescription } from '../../../../pixels/description.ts';
import type { Presentation } from '../../../../pixels/presentation.ts';
import type { Picture } from '../../../../pixels/render.ts';
import type { TextImage } from './text-images.ts';

const PLAIN: Presentation = {
  slope: 1,
  intercept: 0,
  modalityLut: undefined,
  window: undefined,
  voiLut: undefined,
  palette: undefined,
  isInverse: false,
  padding: undefined,
};

/** As the processor sees a frame of 12 bits. */
export function pictureOf({ rows, columns, values }: Pick<TextImage, 'rows' | 'columns' | 'values'>): Picture {
  const samples = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const description: PixelDescription = {
    rows,
    columns,
    samplesPerPixel: 1,
    bitsAllocated: 16,
    bitsStored: 12,
    highBit: 11,
    isSigned: false,
    isFloat: false,
    isPlanar: false,
    photometricInterpretation: 'MONOCHROME2',
    numberOfFrames: 1,
  };
  return textPicture({ samples, photometricInterpretation: 'MONOCHROME2' }, description, PLAIN);
}

export interface Coverage {
  /** Of each line, the share of its ink that is covered. */
  readonly lines: readonly number[];
  readonly ink: number;
  readonly inkCovered: number;
  readonly blanked: number;
  /** Of the blanked pixels, those within a line's height of ink. */
  readonly nearText: number;
}

export function coverage(image: TextImage, regions: readonly Region[]): Coverage {
  const { rows, columns, lines } = image;
  const covered = new Uint8Array(rows * columns);
  for (const { x, y, width, height } of regions)
    for (let row = y; row < y + height; row++) covered.fill(1, row * columns + x, row * columns + x + width);
  const near = new Uint8Array(rows * columns);
  let ink = 0;
  let inkCovered = 0;
  const shares = lines.map((line) => {
    const found = line.ink.filter((at) => covered[at] === 1).length;
    ink += line.ink.length;
    inkCovered += found;
    markAround(near, line.ink, rows, columns);
    return found / line.ink.length;
  });
  const blanked = covered.reduce((sum, value) => sum + value, 0);
  const nearText = covered.reduce((sum, value, at) => sum + (value === 1 && near[at] === 1 ? 1 : 0), 0);
  return { lines: shares, ink, inkCovered, blanked, nearText };
}

/** The rectangle around a line of ink, with half its height on each side. */
function markAround(near: Uint8Array, ink: readonly number[], rows: number, columns: number): void {
  const xs = ink.map((at) => at % columns);
  const ys = ink.map((at) => Math.floor(at / columns));
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const by = Math.min(right - left, bottom - top);
  for (let y = Math.max(0, top - by); y <= Math.min(rows - 1, bottom + by); y++)
    near.fill(1, y * columns + Math.max(0, left - by), y * columns + Math.min(columns, right + by + 1));
}
