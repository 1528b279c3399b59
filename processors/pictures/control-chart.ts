/** A measure over many scans: a control chart, scans in order, with its distribution beside it on the same axis. */
import { median, robustDeviation } from '../qc/statistics.ts';
import { type Axis, type Chart, draw, INK, type Layer, type Panel, rangeOf, type Svg } from './chart.ts';

export interface ControlPoint {
  /** Order or time; only its distances count. */
  readonly x: number;
  readonly value: number;
  /** Limits are taken from accepted ones. */
  readonly isAccepted: boolean;
}

export interface ControlLimits {
  readonly middle: number;
  readonly warnLow?: number;
  readonly warnHigh?: number;
  readonly failLow?: number;
  readonly failHigh?: number;
}

export interface ControlChart {
  readonly title: string;
  readonly unit: string;
  readonly points: readonly ControlPoint[];
  /** This scan, at the end. */
  readonly now?: number;
  readonly limits?: ControlLimits;
  readonly x: Pick<Axis, 'label' | 'ticks'>;
  readonly width: number;
}

const ROW = 118;
const BINS = 15;
/** Where the courses end and the distribution begins. */
const SHARE = 0.74;

/**
 * Around the median of the accepted ones, in robust standard deviations, on the side that is bad.
 *
 * @param resolution - the smallest change that means anything
 */
export function controlLimits(
  values: readonly number[],
  better: 'high' | 'low' | 'same' | 'note',
  resolution: number,
  { warnZ, failZ }: { readonly warnZ: number; readonly failZ: number },
): ControlLimits {
  const middle = median(values);
  const spread = Math.max(robustDeviation(values, middle), resolution);
  if (!(spread > 0) || better === 'note') return { middle };
  const low = { warnLow: middle - warnZ * spread, failLow: middle - failZ * spread };
  const high = { warnHigh: middle + warnZ * spread, failHigh: middle + failZ * spread };
  switch (better) {
    case 'high':
      return { middle, ...low };
    case 'low':
      return { middle, ...high };
    case 'same':
      return { middle, ...low, ...high };
    default:
      return better satisfies never;
  }
}

export function controlChart(asked: ControlChart): Svg {
  const { title, unit, points, now, limits, width } = asked;
  const bounds = boundsOf(limits);
  const values = points.map(({ value }) => value);
  const all = now === undefined ? values : [...values, now];
  // A limit so far off that it would press the points into a line is left to the table.
  const span = rangeOf(all);
  const near = bounds.filter(
    ({ at }) => at > span.min - 1.5 * (span.max - span.min) && at < span.max + 1.5 * (span.max - span.min),
  );
  const range = rangeOf([...all, ...near.map(({ at }) => at)]);
  const last = points.at(-1)?.x ?? 0;
  const first = points[0]?.x ?? 0;
  const step = points.length > 1 ? (last - first) / (points.length - 1) : 1;
  const end = now === undefined ? last : last + Math.max(step, 1e-9);
  const lines = near.map((bound): Layer => ({ kind: 'limit', isDashed: bound.isDashed, at: bound.at, ink: bound.ink }));
  const course: Panel = {
    ...{ title: unit === '' ? title : `${title} (${unit})`, place: { left: 0, right: SHARE } },
    x: { ...asked.x, min: first - 0.5 * step, max: end + 0.5 * step },
    y: { label: '', ...range },
    layers: [
      ...lines,
      { kind: 'points', points: placesOf(points, true), ink: INK.line, mark: 'dot' },
      { kind: 'points', points: placesOf(points, false), ink: INK.bad, mark: 'cross' },
      ...(now === undefined ? [] : [nowLayer(end, now)]),
    ],
  };
  const bars = barsOf(values, range);
  const most = Math.max(1, ...bars.map(({ size }) => size));
  const distribution: Panel = {
    ...{ title: '', place: { left: SHARE, right: 1 } },
    x: {
      label: 'scans',
      min: 0,
      max: most,
      ticks: [
        { at: 0, text: '0' },
        { at: most, text: String(most) },
      ],
    },
    y: { label: '', ...range, ticks: [] },
    layers: [
      { kind: 'bars', bars, ink: '#7a7a7a', isLying: true },
      ...lines,
      ...(now === undefined ? [] : [nowLayer(most * 0.5, now)]),
    ],
  };
  const chart: Chart = { width, rowHeight: ROW, rows: [[course, distribution]], about: inWords(asked) };
  return draw(chart);
}

function nowLayer(x: number, now: number): Layer {
  return { kind: 'points', points: [[x, now]], ink: INK.bad, mark: 'diamond' };
}

function placesOf(points: readonly ControlPoint[], isAccepted: boolean): readonly (readonly [number, number])[] {
  return points.filter((point) => point.isAccepted === isAccepted).map(({ x, value }) => [x, value] as const);
}

function boundsOf(limits: ControlLimits | undefined) {
  if (limits === undefined) return [];
  const { middle, warnLow, warnHigh, failLow, failHigh } = limits;
  return [
    { at: middle, ink: INK.other, isDashed: false },
    ...[warnLow, warnHigh].map((at) => ({ at, ink: INK.warn, isDashed: true })),
    ...[failLow, failHigh].map((at) => ({ at, ink: INK.bad, isDashed: false })),
  ].flatMap(({ at, ...rest }) => (at === undefined ? [] : [{ at, ...rest }]));
}

function barsOf(values: readonly number[], { min, max }: { readonly min: number; readonly max: number }) {
  const width = (max - min) / BINS;
  const sizes = Array.from({ length: BINS }, () => 0);
  for (const value of values) {
    const bin = Math.max(0, Math.min(BINS - 1, Math.floor((value - min) / width)));
    sizes[bin] = (sizes[bin] ?? 0) + 1;
  }
  return sizes.map((size, bin) => ({ from: min + bin * width, to: min + (bin + 1) * width, size }));
}

function inWords({ title, unit, points, now, limits }: ControlChart): string {
  const number = (value: number) => `${Number(value.toPrecision(4))}${unit === '' ? '' : ` ${unit}`}`;
  const here = now === undefined ? '' : `; this scan ${number(now)}`;
  const around = limits === undefined ? '' : `, median ${number(limits.middle)}`;
  return `${title}: ${points.length} scans${around}${here}.`;
}
