/** Charts as SVG, from a table of what is in them: axes, lines, points, bars, limits. No script, no style, no reference. */
import { markup, type Markup } from './markup.ts';

/** Okabe and Ito's colours, which nearly everybody tells apart; dark enough for thin lines on white. */
export const INK = {
  line: '#0072b2',
  other: '#009e73',
  bad: '#c1440e',
  warn: '#b07a00',
  limit: '#7a7a7a',
  text: '#222222',
  faint: '#d9d9d9',
  band: '#eaf2f8',
} as const;
export type Ink = (typeof INK)[keyof typeof INK];

export interface Axis {
  readonly label: string;
  readonly min: number;
  readonly max: number;
  /** Where there is a word; otherwise round numbers are found. */
  readonly ticks?: readonly { readonly at: number; readonly text: string }[];
}

type Point = readonly [x: number, y: number];

export type Layer =
  | { readonly kind: 'line'; readonly points: readonly Point[]; readonly ink: Ink }
  | {
      readonly kind: 'points';
      readonly points: readonly Point[];
      readonly ink: Ink;
      readonly mark: 'dot' | 'ring' | 'cross' | 'diamond';
    }
  | { readonly kind: 'stems'; readonly points: readonly Point[]; readonly ink: Ink }
  /** From `from` to `to` along y for x in the middle; lying: the other way round. */
  | {
      readonly kind: 'bars';
      readonly bars: readonly { readonly from: number; readonly to: number; readonly size: number }[];
      readonly ink: Ink;
      readonly isLying: boolean;
    }
  | { readonly kind: 'band'; readonly from: number; readonly to: number; readonly ink: Ink }
  /** Across the chart at a y. */
  | {
      readonly kind: 'limit';
      readonly at: number;
      readonly ink: Ink;
      readonly text?: string;
      readonly isDashed: boolean;
    };

export interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly layers: readonly Layer[];
  /** Of the whole width, from 0 to 1; panels side by side share a row. */
  readonly place?: { readonly left: number; readonly right: number };
}

export interface Chart {
  readonly width: number;
  /** Of one row of panels. */
  readonly rowHeight: number;
  /** Rows from the top; of panels from the left. */
  readonly rows: readonly (readonly Panel[])[];
  /** What there is to be seen, for those who do not see it. */
  readonly about: string;
}

/** A drawing with what it shows in words. */
export interface Svg {
  readonly svg: Markup;
  readonly about: string;
}

const FONT = 9;
const LEFT = 46;
const RIGHT = 8;
const TOP = 16;
const BOTTOM = 27;

export function draw({ width, rowHeight, rows, about }: Chart): Svg {
  const panels = rows.flatMap((row, place) =>
    row.map((panel) => drawPanel(panel, width, place * rowHeight, rowHeight)),
  );
  return { about, svg: svgOf(width, rows.length * rowHeight, about, panels) };
}

/** The element itself; readers aloud get `about`. */
export function svgOf(width: number, height: number, about: string, parts: readonly Markup[]): Markup {
  return markup`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${about}" font-family="Helvetica, Arial, sans-serif" font-size="${FONT}"><title>${about}</title>${parts}</svg>`;
}

export function text(
  x: number,
  y: number,
  words: string,
  anchor: 'start' | 'middle' | 'end' = 'start',
  ink: Ink = INK.text,
): Markup {
  return markup`<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="${ink}">${words}</text>`;
}

function drawPanel(panel: Panel, width: number, top: number, height: number): Markup {
  const { left = 0, right = 1 } = panel.place ?? {};
  const hasOwnAxis = panel.y.label !== '' || panel.y.ticks === undefined;
  const box = {
    left: left * width + (hasOwnAxis ? LEFT : RIGHT),
    right: right * width - RIGHT,
    top: top + TOP,
    bottom: top + height - BOTTOM,
  };
  const x = scaleOf(panel.x, box.left, box.right);
  const y = scaleOf(panel.y, box.bottom, box.top);
  const parts: Markup[] = [
    markup`<text x="${round(box.left)}" y="${round(top + 10)}" font-weight="bold" fill="${INK.text}">${panel.title}</text>`,
    ...panel.layers.filter(({ kind }) => kind === 'band').map((layer) => drawLayer(layer, box, x, y)),
    ...ticksOf(panel.y).map(({ at, text: words }) => yTick(words, y(at), box)),
    ...ticksOf(panel.x).map(({ at, text: words }) => xTick(words, x(at), box)),
    markup`<path d="M${round(box.left)} ${round(box.top)}V${round(box.bottom)}H${round(box.right)}" fill="none" stroke="${INK.limit}" stroke-width="0.8"/>`,
    ...panel.layers.filter(({ kind }) => kind !== 'band').map((layer) => drawLayer(layer, box, x, y)),
    text((box.left + box.right) / 2, box.bottom + 22, panel.x.label, 'middle'),
  ];
  if (panel.y.label !== '') {
    const at = `${round(left * width + 9)} ${round((box.top + box.bottom) / 2)}`;
    parts.push(
      markup`<text transform="translate(${at}) rotate(-90)" text-anchor="middle" fill="${INK.text}">${panel.y.label}</text>`,
    );
  }
  return markup`<g>${parts}</g>`;
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

function yTick(words: string, y: number, { left, right }: Box): Markup {
  return markup`<path d="M${round(left)} ${round(y)}H${round(right)}" stroke="${INK.faint}" stroke-width="0.5"/>${text(left - 4, y + 3, words, 'end')}`;
}

function xTick(words: string, x: number, { bottom }: Box): Markup {
  return markup`<path d="M${round(x)} ${round(bottom)}v3" stroke="${INK.limit}" stroke-width="0.8"/>${text(x, bottom + 12, words, 'middle')}`;
}

type Scale = (value: number) => number;

/** What is outside of the axis is drawn at its end, so that nothing leaves the chart. */
function scaleOf({ min, max }: Axis, from: number, to: number): Scale {
  const span = max > min ? max - min : 1;
  return (value) => from + (Math.max(min, Math.min(max, value)) - min) * ((to - from) / span);
}

function drawLayer(layer: Layer, box: Box, x: Scale, y: Scale): Markup {
  switch (layer.kind) {
    case 'line':
      return markup`<path d="${pathOf(layer.points, x, y)}" fill="none" stroke="${layer.ink}" stroke-width="1.1" stroke-linejoin="round"/>`;
    case 'points':
      return markup`${layer.points.map(([px, py]) => markOf(layer.mark, x(px), y(py), layer.ink))}`;
    case 'stems':
      return markup`<path d="${layer.points.map(([px, py]) => `M${round(x(px))} ${round(box.bottom)}V${round(y(py))}`).join('')}" stroke="${layer.ink}" stroke-width="1.4"/>`;
    case 'bars':
      return markup`${layer.bars.map(({ from, to, size }) =>
        layer.isLying
          ? rectangle(box.left, y(to), x(size) - box.left, y(from) - y(to) - 0.6, layer.ink)
          : rectangle(x(from), y(size), x(to) - x(from) - 0.6, box.bottom - y(size), layer.ink),
      )}`;
    case 'band':
      return rectangle(box.left, y(layer.to), box.right - box.left, y(layer.from) - y(layer.to), layer.ink);
    case 'limit': {
      const dash = layer.isDashed ? markup` stroke-dasharray="4 3"` : markup``;
      const words =
        layer.text === undefined ? markup`` : text(box.right - 2, y(layer.at) - 2, layer.text, 'end', layer.ink);
      return markup`<path d="M${round(box.left)} ${round(y(layer.at))}H${round(box.right)}" stroke="${layer.ink}" stroke-width="0.9"${dash}/>${words}`;
    }
    default:
      return layer satisfies never;
  }
}

function rectangle(x: number, y: number, width: number, height: number, ink: Ink): Markup {
  return markup`<rect x="${round(x)}" y="${round(y)}" width="${round(Math.max(0, width))}" height="${round(Math.max(0, height))}" fill="${ink}"/>`;
}

/** Gaps where there is no number. */
function pathOf(points: readonly Point[], x: Scale, y: Scale): string {
  let isPenUp = true;
  return points
    .map(([px, py]) => {
      if (!Number.isFinite(py)) {
        isPenUp = true;
        return '';
      }
      const command = isPenUp ? 'M' : 'L';
      isPenUp = false;
      return `${command}${round(x(px))} ${round(y(py))}`;
    })
    .join('');
}

function markOf(mark: 'dot' | 'ring' | 'cross' | 'diamond', x: number, y: number, ink: Ink): Markup {
  const [cx, cy] = [round(x), round(y)];
  switch (mark) {
    case 'dot':
      return markup`<circle cx="${cx}" cy="${cy}" r="2" fill="${ink}"/>`;
    case 'ring':
      return markup`<circle cx="${cx}" cy="${cy}" r="3.2" fill="none" stroke="${ink}" stroke-width="1.3"/>`;
    case 'cross':
      return markup`<path d="M${cx} ${cy}m-3-3l6 6m0-6l-6 6" stroke="${ink}" stroke-width="1.4"/>`;
    case 'diamond':
      return markup`<path d="M${cx} ${cy}m0-4.5l4.5 4.5l-4.5 4.5l-4.5-4.5z" fill="${ink}" stroke="#ffffff" stroke-width="0.7"/>`;
    default:
      return mark satisfies never;
  }
}

/** Lowest and highest of all values with a little room, both ends in it however even they are. */
export function rangeOf(values: readonly number[], floor?: number): { readonly min: number; readonly max: number } {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return { min: 0, max: 1 };
  const low = finite.reduce((a, b) => Math.min(a, b));
  const high = finite.reduce((a, b) => Math.max(a, b));
  const room = high > low ? 0.06 * (high - low) : Math.abs(high) * 0.05 || 1;
  return { min: floor ?? low - room, max: high + room };
}

const WANTED_TICKS = 4;

function ticksOf({ min, max, ticks }: Axis): readonly { readonly at: number; readonly text: string }[] {
  if (ticks !== undefined) return ticks;
  const rough = (max - min) / WANTED_TICKS;
  if (!(rough > 0)) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const first = Math.ceil(min / step - 1e-9);
  const count = Math.floor(max / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => {
    const at = (first + i) * step;
    return {
      at,
      text: Math.abs(at) >= 1e5 || (at !== 0 && Math.abs(at) < 1e-4) ? at.toExponential(1) : at.toFixed(digits),
    };
  });
}

/** A tenth of a pixel is finer than any printer; fewer digits make smaller files. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
