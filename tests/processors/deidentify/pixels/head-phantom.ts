/**
 * A human head made of ellipsoids: brain with its lobes, cerebellum and stem, fluid, skull, scalp, face with nose and eyes,
 * neck. In millimetres of the patient (x left, y back, z up), so that every voxel knows what it is of.
 */
import type { Volume } from '../../../../processors/volumes/volume.ts';
import { encodePart10, type Attributes } from '../../../../core/dicom/encode.ts';
import { parseDataSet } from '../../../../core/dicom/data-set.ts';
import { seeded } from '../../../support/seeded.ts';

type Point = readonly [number, number, number];

export interface HeadStyle {
  /** Of everything. */
  readonly scale?: number;
  /** Chin to the chest, in degrees. */
  readonly nodDegrees?: number;
  readonly shiftMm?: Point;
  /** Fluid bright and fat dark, as T2 shows it. */
  readonly isT2?: boolean;
  /** Standard deviation, of 1000. */
  readonly noise?: number;
  readonly seed?: number;
}

export interface HeadPhantom {
  isBrain(point: Point): boolean;
  /** Tip of the nose, mouth, chin and both eyelids. */
  readonly landmarks: readonly Point[];
  /** 0 … 1000, without noise. */
  valueAt(point: Point): number;
  /** With noise. */
  sample(point: Point): number;
}

interface Ellipsoid {
  readonly at: Point;
  readonly radii: Point;
}

const BRAIN: readonly Ellipsoid[] = [
  { at: [0, 0, 30], radii: [64, 82, 52] },
  { at: [38, -14, -2], radii: [22, 34, 20] },
  { at: [-38, -14, -2], radii: [22, 34, 20] },
  { at: [0, 45, -14], radii: [48, 32, 24] },
  { at: [0, 14, -25], radii: [13, 13, 32] },
];
const FACE: readonly Ellipsoid[] = [
  { at: [0, -45, -55], radii: [62, 52, 62] },
  { at: [0, -98, -38], radii: [13, 18, 20] },
  { at: [32, -82, -14], radii: [15, 14, 13] },
  { at: [-32, -82, -14], radii: [15, 14, 13] },
];
const NECK_RADIUS = 55;

export function headPhantom(style: HeadStyle = {}): HeadPhantom {
  const { scale = 1, nodDegrees = 0, shiftMm = [0, 0, 0], isT2 = false, noise = 0, seed = 1 } = style;
  const random = seeded(seed);
  const angle = (nodDegrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  // Nodding turns about the ears.
  const inHead = ([x, y, z]: Point): Point => {
    const [u, v, w] = [(x - shiftMm[0]) / scale, (y - shiftMm[1]) / scale, (z - shiftMm[2]) / scale];
    return [u, v * cos + w * sin, -v * sin + w * cos];
  };
  const inPatient = ([x, y, z]: Point): Point => {
    const [v, w] = [y * cos - z * sin, y * sin + z * cos];
    return [x * scale + shiftMm[0], v * scale + shiftMm[1], w * scale + shiftMm[2]];
  };
  const values = isT2
    ? { white: 350, grey: 480, fluid: 900, skull: 40, scalp: 420, muscle: 250, eye: 950 }
    : { white: 620, grey: 480, fluid: 130, skull: 50, scalp: 900, muscle: 420, eye: 180 };
  const valueAt = (point: Point): number => {
    const head = inHead(point);
    const brain = depthIn(BRAIN, head);
    if (brain >= 0) return brain > 7 ? values.white : values.grey;
    if (brain > -3) return values.fluid;
    if (brain > -8) return values.skull;
    const face = depthIn(FACE, head);
    if (brain > -14) return values.scalp;
    if (Math.hypot(head[0] - 32, head[1] + 78, head[2] + 14) < 11) return values.eye;
    if (Math.hypot(head[0] + 32, head[1] + 78, head[2] + 14) < 11) return values.eye;
    if (face >= 4) return sinus(head) ? 20 : values.muscle;
    if (face >= 0) return values.scalp;
    const neck = NECK_RADIUS - Math.hypot(head[0], head[1] - 20);
    if (head[2] < -30 && neck >= 0) return neck > 5 ? values.muscle : values.scalp;
    return 0;
  };
  return {
    isBrain: (point) => depthIn(BRAIN, inHead(point)) >= 0,
    landmarks: (
      [
        [0, -112, -38],
        [0, -94, -66],
        [0, -82, -100],
        [32, -94, -14],
        [-32, -94, -14],
      ] as const
    ).map(inPatient),
    valueAt,
    sample: (point) => {
      const value = valueAt(point);
      if (noise === 0) return value;
      const gauss = () => noise * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
      return Math.hypot(value + gauss(), gauss());
    },
  };
}

function sinus([x, y, z]: Point): boolean {
  return Math.abs(x) < 18 && y > -75 && y < -20 && z > -60 && z < -25;
}

/** Millimetres inside the surface of any of them, negative outside; nearly. */
function depthIn(shapes: readonly Ellipsoid[], [x, y, z]: Point): number {
  return Math.max(
    ...shapes.map(({ at, radii }) => {
      const [u, v, w] = [x - at[0], y - at[1], z - at[2]];
      const share = Math.hypot(u / radii[0], v / radii[1], w / radii[2]);
      const distance = Math.hypot(u, v, w);
      return share === 0 ? Math.min(...radii) : distance / share - distance;
    }),
  );
}

export interface Grid {
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
  /** Of the first voxel. */
  readonly origin: Point;
  /** From voxel to voxel along a row, down a column, from slice to slice. */
  readonly steps: readonly [Point, Point, Point];
}

/** 3 mm, from chin to vertex, sagittal: as volumes of heads are taken. */
export const SAGITTAL: Grid = {
  columns: 84,
  rows: 84,
  slices: 62,
  origin: [-93, -130, 115],
  steps: [
    [0, 3, 0],
    [0, 0, -3],
    [3, 0, 0],
  ],
};
export const AXIAL: Grid = {
  columns: 64,
  rows: 84,
  slices: 84,
  origin: [-96, -130, -137],
  steps: [
    [3, 0, 0],
    [0, 3, 0],
    [0, 0, 3],
  ],
};

export function placeIn({ origin, steps }: Grid, column: number, row: number, slice: number): Point {
  const along = (axis: 0 | 1 | 2) =>
    origin[axis] + column * steps[0][axis] + row * steps[1][axis] + slice * steps[2][axis];
  return [along(0), along(1), along(2)];
}

export function volumeOf(phantom: Pick<HeadPhantom, 'sample'>, grid: Grid): Volume {
  const data = new Float32Array(grid.columns * grid.rows * grid.slices);
  let at = 0;
  for (let slice = 0; slice < grid.slices; slice++)
    for (let row = 0; row < grid.rows; row++)
      for (let column = 0; column < grid.columns; column++)
        data[at++] = phantom.sample(placeIn(grid, column, row, slice));
  const { origin, steps } = grid;
  const line = (axis: 0 | 1 | 2) => [steps[0][axis], steps[1][axis], steps[2][axis], origin[axis]];
  return {
    studyInstanceUid: '1.2.999.1',
    seriesInstanceUid: '1.2.999.2',
    dims: [grid.columns, grid.rows, grid.slices, 1],
    spacingMm: [Math.hypot(...steps[0]), Math.hypot(...steps[1]), Math.hypot(...steps[2])],
    data,
    affine: [...line(0), ...line(1), ...line(2), 0, 0, 0, 1],
    isRegular: true,
    slices: [],
    header: parseDataSet(new Uint8Array(0), '1.2.840.10008.1.2.1'),
    kind: 'anatomical',
  };
}

function common(grid: Grid, series: string): Attributes {
  return {
    StudyInstanceUID: '1.2.999.1',
    SeriesInstanceUID: series,
    FrameOfReferenceUID: '1.2.999.9',
    PatientID: 'P-1',
    PatientName: 'Planted^Name',
    Modality: 'MR',
    BodyPartExamined: 'HEAD',
    ImageType: ['ORIGINAL', 'PRIMARY', 'M', 'ND'],
    Rows: grid.rows,
    Columns: grid.columns,
    BitsAllocated: 16,
    BitsStored: 12,
    HighBit: 11,
    PixelRepresentation: 0,
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
  };
}

function orientation({ steps }: Grid): readonly number[] {
  const unit = (step: Point) => step.map((value) => value / Math.hypot(...step));
  return [...unit(steps[0]), ...unit(steps[1])];
}

function sliceValues(phantom: Pick<HeadPhantom, 'sample'>, grid: Grid, slice: number): Uint8Array {
  const values = new Uint16Array(grid.columns * grid.rows);
  for (let row = 0; row < grid.rows; row++)
    for (let column = 0; column < grid.columns; column++)
      // One more than nothing, so that a blanked pixel shows.
      values[row * grid.columns + column] = 1 + Math.min(4000, phantom.sample(placeIn(grid, column, row, slice)));
  return new Uint8Array(values.buffer);
}

/** One instance a slice. */
export function classicSeries(
  phantom: Pick<HeadPhantom, 'sample'>,
  grid: Grid,
  series = '1.2.999.2',
  over: Attributes = {},
): readonly Uint8Array[] {
  return Array.from({ length: grid.slices }, (_, slice) =>
    encodePart10({
      ...common(grid, series),
      SOPClassUID: '1.2.840.10008.5.1.4.1.1.4',
      SOPInstanceUID: `${series}.${String(slice + 1)}`,
      InstanceNumber: String(slice + 1),
      ImagePositionPatient: placeIn(grid, 0, 0, slice).map(String),
      ImageOrientationPatient: orientation(grid).map(String),
      PixelSpacing: [String(Math.hypot(...grid.steps[1])), String(Math.hypot(...grid.steps[0]))],
      SliceThickness: String(Math.hypot(...grid.steps[2])),
      PixelData: { vr: 'OW', value: sliceValues(phantom, grid, slice) },
      ...over,
    }),
  );
}

/** All slices in one instance, with functional groups. */
export function enhancedInstance(phantom: Pick<HeadPhantom, 'sample'>, grid: Grid, series = '1.2.999.3'): Uint8Array {
  const frames = Array.from({ length: grid.slices }, (_, slice) => slice);
  return encodePart10({
    ...common(grid, series),
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.4.1',
    SOPInstanceUID: `${series}.1`,
    NumberOfFrames: String(grid.slices),
    SharedFunctionalGroupsSequence: [
      {
        PlaneOrientationSequence: [{ ImageOrientationPatient: orientation(grid).map(String) }],
        PixelMeasuresSequence: [
          {
            PixelSpacing: [String(Math.hypot(...grid.steps[1])), String(Math.hypot(...grid.steps[0]))],
            SliceThickness: String(Math.hypot(...grid.steps[2])),
          },
        ],
      },
    ],
    PerFrameFunctionalGroupsSequence: frames.map((slice) => ({
      PlanePositionSequence: [{ ImagePositionPatient: placeIn(grid, 0, 0, slice).map(String) }],
    })),
    PixelData: { vr: 'OW', value: Buffer.concat(frames.map((slice) => sliceValues(phantom, grid, slice))) },
  });
}
