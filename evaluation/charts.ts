/** Two drawings as SVG: how each case scored, and whether volumes agree. */
import type { Agreement } from './agreement.ts';
import { number, text } from './markup.ts';

const SIZE = { width: 500, height: 300, left: 58, right: 16, top: 16, bottom: 44 } as const;
const INK = '#57636e';
const DOT = '#1f5fa8';
const BAD = '#b3261e';

export interface Point {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly isBad?: boolean;
}

/** Values in order of size: a line of dots from the worst case to the best, with median and limit. */
export function rankedChart(
  title: string,
  points: readonly { readonly name: string; readonly value: number; readonly isBad: boolean }[],
  lines: { readonly median: number; readonly limit?: number },
): string {
  const inOrder = points.toSorted((a, b) => a.value - b.value);
  const low = Math.max(0, Math.floor(10 * Math.min(...inOrder.map(({ value }) => value), lines.limit ?? 1) - 0.5) / 10);
  const frame = frameOf([0, Math.max(1, inOrder.length)], [low, 1]);
  const dots = inOrder.map(({ name, value, isBad }, n) =>
    dot(frame, { name: `${name}: ${number(value, 3)}`, x: n + 0.5, y: value, isBad }),
  );
  return svg(title, [
    ...axis(frame, 'y', ticksOf(low, 1), 'Dice', 1 - low > 0.4 ? 1 : 2),
    label(SIZE.left + (SIZE.width - SIZE.left - SIZE.right) / 2, SIZE.height - 12, 'cases, worst to best', 'middle'),
    across(frame, lines.median, `median ${number(lines.median, 3)}`, INK, '', 'above'),
    ...(lines.limit === undefined
      ? []
      : [across(frame, lines.limit, `registered ${String(lines.limit)}`, BAD, '', 'below')]),
    ...dots,
  ]);
}

/** Difference of volumes against their mean, with bias, limits and, where there are any, their intervals. */
export function agreementChart(title: string, points: readonly Point[], agreement: Agreement): string {
  const { biasMm3, lowerMm3, upperMm3, intervals } = agreement;
  const xs = points.map(({ x }) => x);
  const ys = [
    ...points.map(({ y }) => y),
    lowerMm3,
    upperMm3,
    intervals?.lowerMm3.low ?? 0,
    intervals?.upperMm3.high ?? 0,
    0,
  ];
  const frame = frameOf(padded(Math.min(...xs), Math.max(...xs)), padded(Math.min(...ys), Math.max(...ys)));
  const bands = intervals === undefined ? [] : [intervals.biasMm3, intervals.lowerMm3, intervals.upperMm3];
  const decimals = decimalsFor(frame.y[1] - frame.y[0]);
  return svg(title, [
    ...bands.map(({ low, high }) => band(frame, low, high)),
    ...axis(frame, 'y', ticksOf(...frame.y), 'predicted − reference, mm³', decimals),
    ...axis(frame, 'x', ticksOf(...frame.x), 'mean of both, mm³', decimalsFor(frame.x[1] - frame.x[0])),
    across(frame, upperMm3, `+1.96 SD ${number(upperMm3, decimals)}`, INK, '5 4'),
    across(frame, biasMm3, `bias ${number(biasMm3, decimals)}`, INK),
    across(frame, lowerMm3, `−1.96 SD ${number(lowerMm3, decimals)}`, INK, '5 4'),
    ...points.map((point) => dot(frame, point)),
  ]);
}

interface Frame {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  readonly toX: (value: number) => number;
  readonly toY: (value: number) => number;
}

function frameOf(x: readonly [number, number], y: readonly [number, number]): Frame {
  const wide = SIZE.width - SIZE.left - SIZE.right;
  const high = SIZE.height - SIZE.top - SIZE.bottom;
  return {
    x,
    y,
    toX: (value) => SIZE.left + ((value - x[0]) / (x[1] - x[0])) * wide,
    toY: (value) => SIZE.top + (1 - (value - y[0]) / (y[1] - y[0])) * high,
  };
}

function padded(low: number, high: number): readonly [number, number] {
  const margin = 0.08 * (high - low) || Math.max(1, Math.abs(high)) * 0.08;
  return [low - margin, high + margin];
}

/** Round numbers, some five of them. */
function ticksOf(low: number, high: number): readonly number[] {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? rough;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, n) => (first + n) * step);
}

function decimalsFor(range: number): number {
  return range >= 20 ? 0 : range >= 2 ? 1 : range >= 0.2 ? 2 : 3;
}

function axis(
  frame: Frame,
  which: 'x' | 'y',
  ticks: readonly number[],
  name: string,
  decimals: number,
): readonly string[] {
  const bottom = SIZE.height - SIZE.bottom;
  const middle = SIZE.left + (SIZE.width - SIZE.left - SIZE.right) / 2;
  if (which === 'x')
    return [
      ...ticks.map((tick) => label(frame.toX(tick), bottom + 16, number(tick, decimals), 'middle')),
      label(middle, SIZE.height - 10, name, 'middle'),
    ];
  const centre = SIZE.top + (bottom - SIZE.top) / 2;
  return [
    ...ticks.flatMap((tick) => [
      line(SIZE.left, frame.toY(tick), SIZE.width - SIZE.right, frame.toY(tick), '#e6eaee'),
      label(SIZE.left - 6, frame.toY(tick) + 4, number(tick, decimals), 'end'),
    ]),
    `<text transform="translate(14 ${shown(centre)}) rotate(-90)" text-anchor="middle">${text(name)}</text>`,
  ];
}

/** @param place - of its words: at the right end, or at the left one above or below the line */
function across(
  frame: Frame,
  value: number,
  words: string,
  colour: string,
  dashes = '',
  place: 'right' | 'above' | 'below' = 'right',
): string {
  const y = frame.toY(value);
  const isRight = place === 'right';
  const x = isRight ? SIZE.width - SIZE.right - 2 : SIZE.left + 4;
  const down = place === 'below' ? 14 : -5;
  return `${line(SIZE.left, y, SIZE.width - SIZE.right, y, colour, dashes)}<text x="${shown(x)}" y="${shown(y + down)}" text-anchor="${isRight ? 'end' : 'start'}" style="fill:${colour}">${text(words)}</text>`;
}

function band(frame: Frame, low: number, high: number): string {
  const top = frame.toY(high);
  return `<rect x="${String(SIZE.left)}" y="${shown(top)}" width="${String(SIZE.width - SIZE.left - SIZE.right)}" height="${shown(Math.max(1, frame.toY(low) - top))}" fill="${DOT}" opacity="0.1"/>`;
}

function dot(frame: Frame, { name, x, y, isBad }: Point): string {
  return `<circle cx="${shown(frame.toX(x))}" cy="${shown(frame.toY(y))}" r="4" fill="${isBad === true ? BAD : DOT}" fill-opacity="0.75"><title>${text(name)}</title></circle>`;
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string, dashes = ''): string {
  return `<line x1="${shown(x1)}" y1="${shown(y1)}" x2="${shown(x2)}" y2="${shown(y2)}" stroke="${colour}"${dashes === '' ? '' : ` stroke-dasharray="${dashes}"`}/>`;
}

function label(x: number, y: number, words: string, anchor: 'middle' | 'end'): string {
  return `<text x="${shown(x)}" y="${shown(y)}" text-anchor="${anchor}">${text(words)}</text>`;
}

function svg(title: string, parts: readonly string[]): string {
  return `<svg viewBox="0 0 ${String(SIZE.width)} ${String(SIZE.height)}" role="img" aria-label="${text(title)}">
${parts.join('\n')}
</svg>`;
}

function shown(value: number): string {
  return value.toFixed(1);
}
