/**
 * Pictures with text in them, made here: names and dates in several fonts on backgrounds that look like slices of a
 * head, with every pixel of ink known. For the detector's recall and precision, in its test and its benchmark.
 */
import { createRequire } from 'node:module';
import { loadSync, type Font, type PathCommand } from 'opentype.js';
import { seeded } from '../../../support/seeded.ts';

export interface TextStyle {
  readonly font: keyof typeof FONTS;
  /** Height of a line in pixels, from ascender to descender. */
  readonly sizePx: number;
  /** Ink against the brightest tissue: 1 is the same, 0.5 in the middle of the grey values. */
  readonly contrast: number;
  /** Dark letters on a light box. */
  readonly isInverted: boolean;
  /** Quarter turns clockwise. */
  readonly turns: 0 | 1 | 3;
  /** Without grey edges, as consoles write. */
  readonly isBitmap: boolean;
}

export interface TextImage {
  readonly rows: number;
  readonly columns: number;
  /** 0 … 4095. */
  readonly values: Uint16Array;
  /** For each line of text, the pixels its ink is on. */
  readonly lines: readonly { readonly text: string; readonly ink: readonly number[] }[];
}

const FONTS = {
  sans: 'DejaVuSans.ttf',
  bold: 'DejaVuSans-Bold.ttf',
  serif: 'DejaVuSerif.ttf',
  mono: 'DejaVuSansMono.ttf',
  condensed: 'DejaVuSansCondensed.ttf',
} as const;
export const FONT_NAMES: readonly (keyof typeof FONTS)[] = ['sans', 'bold', 'serif', 'mono', 'condensed'];
/** Of 12 bits: what tissue reaches. */
const TISSUE = 1800;
const FULL = 4095;
const SUPERSAMPLING = 4;

const GIVEN = ['AINO', 'Ville', 'MATTI', 'Sofia', 'Jean-Luc', 'ANNA', 'Wolfgang', 'Eeva'];
const FAMILY = ['KANARIALA', 'Virtanen', "O'BRIEN", 'Nieminen', 'MUELLER', 'Lind', 'Garcia', 'Savolainen'];

/** A slice of something round in the air, with noise; nothing written on it. */
export function backgroundSlice(seed: number, rows: number, columns = rows): Uint16Array {
  const random = seeded(seed);
  const values = new Uint16Array(rows * columns);
  const blobs = Array.from({ length: 14 }, () => ({
    x: (0.25 + 0.5 * random()) * columns,
    y: (0.2 + 0.6 * random()) * rows,
    r: (0.03 + 0.12 * random()) * rows,
    v: (random() - 0.4) * 900,
  }));
  const tilt = (random() - 0.5) * 0.6;
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const x = (column / columns - 0.5) / 0.36;
      const y = (row / rows - 0.5) / 0.43;
      const radius = Math.hypot(x + tilt * y * 0.2, y);
      let value = 0;
      if (radius < 1) value = radius > 0.95 ? TISSUE * 0.9 : radius > 0.88 ? 150 : 800;
      if (radius < 0.88)
        for (const { x: bx, y: by, r, v } of blobs) {
          const d = Math.hypot(column - bx, row - by) / r;
          if (d < 1.5) value += v * Math.exp(-2 * d * d);
        }
      // Noise of a magnitude image.
      const real = value + 60 * gaussian(random);
      const imaginary = 60 * gaussian(random);
      values[row * columns + column] = Math.min(TISSUE, Math.max(0, Math.hypot(real, imaginary)));
    }
  return values;
}

/** @param lines - how many; each is at a place of its own, at the edges and over the tissue */
export function textImage(seed: number, size: number, style: TextStyle, lines = 3): TextImage {
  const random = seeded(seed * 7 + 1);
  const values = backgroundSlice(seed, size);
  const written: { text: string; ink: readonly number[] }[] = [];
  const taken: Box[] = [];
  for (let n = 0; n < lines; n++) {
    const text = someText(random);
    const mask = turned(rasterise(text, style), style.turns);
    const place = placeFor(mask, size, taken, random);
    if (place === undefined) continue;
    taken.push(place);
    written.push({ text, ink: draw(values, size, mask, place, style) });
  }
  return { rows: size, columns: size, values, lines: written };
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface Mask {
  readonly width: number;
  readonly height: number;
  /** 0 … 1. */
  readonly ink: Float32Array;
}

function someText(random: () => number): string {
  const pick = (from: readonly string[]) => from[Math.floor(random() * from.length)] ?? '';
  const digits = (n: number) => Array.from({ length: n }, () => Math.floor(random() * 10)).join('');
  switch (Math.floor(random() * 5)) {
    case 0:
      return `${pick(FAMILY)}, ${pick(GIVEN)}`;
    case 1:
      return `${pick(FAMILY)}^${pick(GIVEN)} ${digits(6)}-${digits(3)}X`;
    case 2:
      return `DOB 19${digits(2)}-0${1 + Math.floor(random() * 9)}-1${digits(1)}`;
    case 3:
      return `ID: ${digits(8)}`;
    default:
      return `${digits(2)}.${digits(2)}.20${digits(2)} ${digits(2)}:${digits(2)}`;
  }
}

const fonts = new Map<string, Font>();
function fontOf(name: keyof typeof FONTS): Font {
  const known = fonts.get(name);
  if (known !== undefined) return known;
  const path = createRequire(import.meta.url).resolve(`dejavu-fonts-ttf/ttf/${FONTS[name]}`);
  const font = loadSync(path);
  fonts.set(name, font);
  return font;
}

/** Ink by rule of non-zero winding, over samples finer than pixels. */
function rasterise(text: string, { font: name, sizePx, isBitmap }: TextStyle): Mask {
  const font = fontOf(name);
  const fontSize = (sizePx / (font.ascender - font.descender)) * font.unitsPerEm;
  const baseline = (font.ascender / font.unitsPerEm) * fontSize;
  const width = Math.ceil(font.getAdvanceWidth(text, fontSize)) + 1;
  const height = Math.ceil(sizePx) + 1;
  const edges = edgesOf(font.getPath(text, 0, baseline, fontSize).commands);
  const ink = new Float32Array(width * height);
  for (let sub = 0; sub < height * SUPERSAMPLING; sub++) {
    const y = (sub + 0.5) / SUPERSAMPLING;
    const crossings = edges
      .filter(({ y0, y1 }) => (y0 <= y && y < y1) || (y1 <= y && y < y0))
      .map(({ x0, y0, x1, y1 }) => ({ x: x0 + ((y - y0) / (y1 - y0)) * (x1 - x0), step: y1 > y0 ? 1 : -1 }))
      .toSorted((one, other) => one.x - other.x);
    let winding = 0;
    crossings.forEach(({ x, step }, index) => {
      winding += step;
      const end = crossings[index + 1]?.x ?? x;
      if (winding === 0) return;
      for (let s = Math.ceil(x * SUPERSAMPLING - 0.5); s < Math.ceil(end * SUPERSAMPLING - 0.5); s++) {
        const at = Math.floor(sub / SUPERSAMPLING) * width + Math.floor(s / SUPERSAMPLING);
        if (s >= 0 && s < width * SUPERSAMPLING) ink[at] = (ink[at] ?? 0) + 1 / SUPERSAMPLING ** 2;
      }
    });
  }
  return { width, height, ink: isBitmap ? ink.map((value) => (value >= 0.5 ? 1 : 0)) : ink };
}

interface Edge {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

function edgesOf(commands: readonly PathCommand[]): readonly Edge[] {
  const edges: Edge[] = [];
  let at = { x: 0, y: 0 };
  let start = at;
  const line = (x: number, y: number) => {
    edges.push({ x0: at.x, y0: at.y, x1: x, y1: y });
    at = { x, y };
  };
  for (const command of commands) {
    switch (command.type) {
      case 'M':
        at = { x: command.x, y: command.y };
        start = at;
        break;
      case 'L':
        line(command.x, command.y);
        break;
      case 'Q': {
        const from = at;
        for (let n = 1; n <= 6; n++) {
          const t = n / 6;
          const bend = (a: number, b: number, c: number) => (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t * t * c;
          line(bend(from.x, command.x1, command.x), bend(from.y, command.y1, command.y));
        }
        break;
      }
      case 'Z':
        line(start.x, start.y);
        break;
      case 'C':
        throw new TypeError('a cubic outline is in no TrueType font');
      default:
        command satisfies never;
    }
  }
  return edges;
}

function turned(mask: Mask, turns: TextStyle['turns']): Mask {
  if (turns === 0) return mask;
  const { width, height } = mask;
  const ink = new Float32Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const at = turns === 1 ? x * height + (height - 1 - y) : (width - 1 - x) * height + y;
      ink[at] = mask.ink[y * width + x] ?? 0;
    }
  return { width: height, height: width, ink };
}

function placeFor(mask: Mask, size: number, taken: readonly Box[], random: () => number): Box | undefined {
  for (let attempt = 0; attempt < 60; attempt++) {
    const x = Math.floor(2 + random() * (size - mask.width - 4));
    const y = Math.floor(2 + random() * (size - mask.height - 4));
    if (x < 2 || y < 2) return undefined;
    const box = { x, y, width: mask.width, height: mask.height };
    const gap = 8;
    const isFree = taken.every(
      (other) =>
        x > other.x + other.width + gap ||
        other.x > x + mask.width + gap ||
        y > other.y + other.height + gap ||
        other.y > y + mask.height + gap,
    );
    if (isFree) return box;
  }
  return undefined;
}

function draw(values: Uint16Array, size: number, mask: Mask, place: Box, style: TextStyle): readonly number[] {
  const full = Math.min(FULL, TISSUE * style.contrast * 1.2);
  const ink: number[] = [];
  for (let y = -1; y < mask.height + 1; y++)
    for (let x = -2; x < mask.width + 2; x++) {
      const at = (place.y + y) * size + place.x + x;
      const isInside = x >= 0 && y >= 0 && x < mask.width && y < mask.height;
      const cover = isInside ? Math.min(1, mask.ink[y * mask.width + x] ?? 0) : 0;
      const before = values[at] ?? 0;
      if (style.isInverted) values[at] = full * (1 - cover);
      else values[at] = before * (1 - cover) + full * cover;
      if (cover > 0.4) ink.push(at);
    }
  return ink;
}

function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
