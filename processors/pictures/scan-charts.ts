/** The charts of one scan: what changed over its repetitions and slices, and how it was diffusion-weighted. */
import type { Measured } from '../qc/measure.ts';
import { planeMeans } from '../qc/grid.ts';
import { median, quantile } from '../qc/statistics.ts';
import type { Volume } from '../volumes/volume.ts';
import { type Chart, draw, INK, type Panel, rangeOf, type Svg } from './chart.ts';
import { diffusionChart } from './diffusion-chart.ts';

export interface ScanChart extends Svg {
  /** Of its file, without the ending. */
  readonly name: 'time-courses' | 'slice-signal' | 'diffusion';
}

const WIDTH = 680;
const ROW = 92;
const LIVING: ReadonlySet<string> = new Set(['anatomical', 'diffusion', 'functional']);

export function chartsOf(volume: Volume, measured: Measured): readonly ScanChart[] {
  const courses = timeCourses(measured);
  const slices = sliceSignal(volume, measured);
  return [
    ...(courses === undefined ? [] : [{ name: 'time-courses' as const, ...draw(courses) }]),
    ...(volume.diffusion === undefined || volume.dims[3] < 2
      ? []
      : [{ name: 'diffusion' as const, ...diffusionChart(volume.diffusion) }]),
    ...(slices === undefined ? [] : [{ name: 'slice-signal' as const, ...draw(slices) }]),
  ];
}

/** Power's threshold for people, else half a voxel in the plane: what the count of moved repetitions goes by. */
function displacementThresholdMm({ measures }: Pick<Measured, 'measures'>): number {
  const { fd_radius_mm: radius, voxel_x_mm: x, voxel_y_mm: y } = measures;
  return (radius ?? 0) >= 50 ? 0.2 : 0.5 * Math.min(x ?? Number.NaN, y ?? Number.NaN);
}

/** As a box plot has it, which FSL's outlier detection goes by. */
function upperFence(values: readonly number[]): number {
  const [q1, q3] = [quantile(Float64Array.from(values), 0.25), quantile(Float64Array.from(values), 0.75)];
  return q3 + 1.5 * (q3 - q1);
}

interface Course {
  readonly title: string;
  readonly label: string;
  readonly values: readonly number[];
  /** Repetition of the first value, from 1. */
  readonly start: number;
  readonly limit?: number;
  readonly limitText?: string;
  readonly floor?: number;
}

function timeCourses(measured: Measured): Chart | undefined {
  const { curves } = measured;
  const first = curves.firstRepetition + 1;
  const average = median(Float64Array.from(curves.globalSignal ?? []));
  const percent = curves.globalSignal?.map((value) => (100 * value) / average);
  const fence = (values: readonly number[]) => ({ limit: upperFence(values), limitText: 'P75 + 1.5 IQR' });
  const courses = [
    curves.framewiseDisplacement && {
      ...{
        title: 'Framewise displacement',
        label: 'mm',
        values: curves.framewiseDisplacement,
        start: first + 1,
        floor: 0,
      },
      ...{ limit: displacementThresholdMm(measured), limitText: 'moved' },
    },
    curves.dvarsStandardized && {
      ...{ title: 'DVARS, standardised (1 is steady)', label: '', values: curves.dvarsStandardized, start: first + 1 },
      ...fence(curves.dvarsStandardized),
    },
    percent && { title: 'Global signal', label: '% of median', values: percent, start: first },
    curves.outlierFraction && {
      ...{ title: 'Share of outlier voxels', label: '%', start: first, floor: 0 },
      ...{ values: curves.outlierFraction.map((share) => 100 * share) },
      ...fence(curves.outlierFraction.map((share) => 100 * share)),
    },
    curves.neighbourCorrelation && {
      ...{
        title: 'Correlation with the neighbour in q-space',
        label: '',
        values: curves.neighbourCorrelation,
        start: 1,
      },
    },
    curves.framewiseDisplacement === undefined &&
      curves.neighbourCorrelation === undefined &&
      curves.mutualInformation && {
        ...{ title: 'Mutual information with the first steady repetition', label: 'nat' },
        ...{ values: curves.mutualInformation, start: first },
      },
  ].filter((course): course is Course => typeof course === 'object' && course.values.length > 1);
  if (courses.length === 0) return undefined;
  const last = Math.max(...courses.map(({ start, values }) => start + values.length - 1));
  const isWeighted = curves.neighbourCorrelation !== undefined;
  const rows = courses.map((course, place): readonly Panel[] => [
    coursePanel(course, last, place === courses.length - 1 ? (isWeighted ? 'weighted repetition' : 'repetition') : ''),
  ]);
  const marked = courses.map((course) => {
    const outliers = outliersOf(course);
    return `${course.title}${course.limit === undefined ? '' : `, ${outliers.length} of ${course.values.length} beyond the limit`}`;
  });
  return { width: WIDTH, rowHeight: ROW, rows, about: `Over the repetitions: ${marked.join('; ')}.` };
}

/** Places and values beyond the limit. */
function outliersOf({
  values,
  start,
  limit = Number.POSITIVE_INFINITY,
}: Course): readonly (readonly [number, number])[] {
  return values.flatMap((value, i) => (value > limit ? [[start + i, value] as const] : []));
}

function coursePanel(course: Course, last: number, label: string): Panel {
  const { title, values, start, limit, limitText, floor } = course;
  const isNear = limit !== undefined && limit <= 2.5 * Math.max(...values);
  return {
    title,
    x: { label, min: 1, max: Math.max(2, last) },
    y: { label: course.label, ...rangeOf([...values, ...(isNear ? [limit] : [])], floor) },
    layers: [
      ...(isNear
        ? [
            {
              kind: 'limit' as const,
              at: limit,
              ink: INK.warn,
              isDashed: true,
              ...(limitText === undefined ? {} : { text: limitText }),
            },
          ]
        : []),
      { kind: 'line', points: values.map((value, i) => [start + i, value] as const), ink: INK.line },
      { kind: 'points', points: outliersOf(course), ink: INK.bad, mark: 'ring' },
    ],
  };
}

/** Mean signal of each slice; of a time series the median over time, and how far it goes. */
function sliceSignal(volume: Volume, measured: Measured): Chart | undefined {
  const { dims, kind } = volume;
  const slices = dims[2];
  if (slices < 3) return undefined;
  const courses = measured.curves.sliceSignal;
  const [first = []] = planeMeans(volume);
  const usual = Array.from({ length: slices }, (_, slice) => {
    const course = courses?.[slice];
    return course === undefined ? (first[slice] ?? 0) : median(Float64Array.from(course));
  });
  // Where the weighting changes, the lowest is the strongest weighting.
  const isSteady = kind !== 'diffusion' && kind !== 'mapping';
  const lows = (isSteady ? courses : undefined)?.map((course) => course.reduce((a, b) => Math.min(a, b))) ?? [];
  const dropped = LIVING.has(kind) ? measured.droppedSlices : [];
  const at = (values: readonly number[]) => values.map((value, slice) => [slice + 1, value] as const);
  const marks = dropped.map((slice) => [slice, lows[slice - 1] ?? usual[slice - 1] ?? 0] as const);
  const title =
    courses === undefined
      ? 'Mean signal of each slice'
      : `Mean signal of each slice: median over time${isSteady ? '; thin: lowest' : ''}`;
  return {
    width: WIDTH,
    rowHeight: ROW + 12,
    about: `${title}. ${dropped.length === 0 ? 'No slice lost signal.' : `Signal is lost in slice ${dropped.join(', ')}.`}`,
    rows: [
      [
        {
          title,
          x: { label: 'slice', min: 1, max: slices },
          y: { label: 'signal', ...rangeOf([...usual, ...lows, 0], 0) },
          layers: [
            { kind: 'line', points: at(lows), ink: INK.limit },
            { kind: 'line', points: at(usual), ink: INK.line },
            { kind: 'points', points: at(usual), ink: INK.line, mark: 'dot' },
            { kind: 'points', points: marks, ink: INK.bad, mark: 'ring' },
          ],
        },
      ],
    ],
  };
}
