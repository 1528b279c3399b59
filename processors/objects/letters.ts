/** Text drawn into pixels: outlines of a TrueType font, filled. Arithmetic alone, so every machine draws the same. */
import { create, type Font } from 'fontkit';
import { type Face, fontFile } from './fonts.ts';

export type Rgb = readonly [number, number, number];

/** 8 bit red, green, blue, row by row. */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface Lettering {
  /** Height of the em square in pixels. */
  readonly size: number;
  readonly face: Face;
  readonly colour: Rgb;
}

/** Samples across a pixel, each way. */
const SAMPLES = 4;
/** Straight pieces a curve is drawn with: letters are some ten pixels high. */
const PIECES = 6;

const fonts = new Map<Face, Font>();

/** @param left - of the first letter; `baseline` - of the line it stands on; what does not fit on the canvas is cut off */
export function drawText(canvas: Canvas, left: number, baseline: number, text: string, lettering: Lettering): void {
  const { size, face, colour } = lettering;
  const font = fontOf(face);
  const scale = size / font.unitsPerEm;
  const { glyphs, positions } = font.layout(text);
  let x = left;
  for (const [index, glyph] of glyphs.entries()) {
    fill(canvas, edgesOf(glyph.path.commands, scale, x, baseline), colour);
    x += (positions[index]?.xAdvance ?? 0) * scale;
  }
}

/** In pixels. */
export function widthOf(text: string, { size, face }: Pick<Lettering, 'size' | 'face'>): number {
  const font = fontOf(face);
  return (font.layout(text).advanceWidth * size) / font.unitsPerEm;
}

function fontOf(face: Face): Font {
  const known = fonts.get(face);
  if (known !== undefined) return known;
  const opened = create(fontFile(face));
  if (!('layout' in opened)) throw new TypeError('a font file holds one font');
  fonts.set(face, opened);
  return opened;
}

interface Edge {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

interface Command {
  readonly command: string;
  readonly args: readonly number[];
}

/** Contours as straight edges in pixels; TrueType has lines and quadratic curves. */
function edgesOf(commands: readonly Command[], scale: number, left: number, baseline: number): readonly Edge[] {
  const edges: Edge[] = [];
  let start = [0, 0];
  let at = [0, 0];
  const lineTo = (x: number, y: number) => {
    const [x0 = 0, y0 = 0] = at;
    edges.push({
      x0: left + x0 * scale,
      y0: baseline - y0 * scale,
      x1: left + x * scale,
      y1: baseline - y * scale,
    });
    at = [x, y];
  };
  for (const { command, args } of commands) {
    const [a = 0, b = 0, x = 0, y = 0] = args;
    if (command === 'moveTo') start = at = [a, b];
    else if (command === 'lineTo') lineTo(a, b);
    else if (command === 'quadraticCurveTo') {
      const [x0 = 0, y0 = 0] = at;
      for (let piece = 1; piece <= PIECES; piece += 1) {
        const t = piece / PIECES;
        const [from, by, to] = [(1 - t) * (1 - t), 2 * t * (1 - t), t * t];
        lineTo(from * x0 + by * a + to * x, from * y0 + by * b + to * y);
      }
    } else if (command === 'closePath') lineTo(start[0] ?? 0, start[1] ?? 0);
  }
  return edges;
}

/** What is inside by the non-zero rule, its edge softened by how much of a pixel it covers. */
function fill({ width, height, data }: Canvas, edges: readonly Edge[], colour: Rgb): void {
  const ys = edges.flatMap(({ y0, y1 }) => [y0, y1]);
  const xs = edges.flatMap(({ x0, x1 }) => [x0, x1]);
  const top = Math.max(0, Math.floor(Math.min(...ys)));
  const bottom = Math.min(height - 1, Math.ceil(Math.max(...ys)));
  const left = Math.max(0, Math.floor(Math.min(...xs)));
  const right = Math.min(width - 1, Math.ceil(Math.max(...xs)));
  for (let y = top; y <= bottom; y += 1) {
    const covered = new Uint8Array(Math.max(0, right - left + 1));
    for (let line = 0; line < SAMPLES; line += 1) {
      const crossings = crossingsAt(edges, y + (line + 0.5) / SAMPLES);
      for (let x = left; x <= right; x += 1)
        for (let column = 0; column < SAMPLES; column += 1)
          if (isInside(crossings, x + (column + 0.5) / SAMPLES)) covered[x - left] = (covered[x - left] ?? 0) + 1;
    }
    for (let x = left; x <= right; x += 1) {
      const share = (covered[x - left] ?? 0) / (SAMPLES * SAMPLES);
      if (share === 0) continue;
      const pixel = 3 * (y * width + x);
      for (const [channel, value] of colour.entries())
        data[pixel + channel] = Math.round((data[pixel + channel] ?? 0) * (1 - share) + value * share);
    }
  }
}

interface Crossing {
  readonly x: number;
  readonly turn: 1 | -1;
}

function crossingsAt(edges: readonly Edge[], y: number): readonly Crossing[] {
  return edges.flatMap(({ x0, y0, x1, y1 }): readonly Crossing[] => {
    if (y0 <= y === y1 <= y) return [];
    return [{ x: x0 + ((y - y0) / (y1 - y0)) * (x1 - x0), turn: y1 > y0 ? 1 : -1 }];
  });
}

function isInside(crossings: readonly Crossing[], x: number): boolean {
  let turns = 0;
  for (const crossing of crossings) if (crossing.x <= x) turns += crossing.turn;
  return turns !== 0;
}
