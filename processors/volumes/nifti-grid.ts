/** In which order a volume's voxels are written into NIfTI, and where they then are. */
import type { Triple, Volume } from './volume.ts';

/** One axis of what is written. */
export interface WrittenAxis {
  /** Of the volume: 0 columns, 1 rows, 2 slices. */
  readonly from: 0 | 1 | 2;
  readonly isReversed: boolean;
}

export interface NiftiGrid {
  readonly axes: readonly [WrittenAxis, WrittenAxis, WrittenAxis];
  readonly size: Triple;
  readonly spacingMm: Triple;
  /** Row-major, RAS. */
  readonly affine: readonly number[];
  /** False: rows and slices are not the second and the third axis any more. */
  readonly isAsAcquired: boolean;
}

type Head = Pick<Volume, 'dims' | 'spacingMm' | 'affine' | 'slices' | 'header'>;
const AXES = [0, 1, 2] as const;
const ORDERS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const;

/**
 * What came from DICOM is written as dcm2niix does it: rows from the bottom up, so that an axial scan lies in the file
 * as in space; a single volume of a 3D acquisition with its axes turned to the nearest of right, anterior, superior. What
 * came from NIfTI stays as it was.
 */
export function niftiGrid(head: Head): NiftiGrid {
  if (head.slices.length === 0) return gridOf(head, plainAxes(false), true);
  const isVolumetric = head.header.string('MRAcquisitionType') === '3D' && head.dims[3] === 1 && head.dims[2] > 1;
  return isVolumetric ? gridOf(head, nearestAxes(head.affine), false) : gridOf(head, plainAxes(true), true);
}

function plainAxes(isRowReversed: boolean): NiftiGrid['axes'] {
  return [
    { from: 0, isReversed: false },
    { from: 1, isReversed: isRowReversed },
    { from: 2, isReversed: false },
  ];
}

/** The axes whose directions are nearest to right, anterior and superior, each taken once. */
function nearestAxes(lps: readonly number[]): NiftiGrid['axes'] {
  const cosine = (axis: number, row: number) => {
    const long = Math.hypot(...AXES.map((each) => lps[each * 4 + axis] ?? 0));
    return ((row < 2 ? -1 : 1) * (lps[row * 4 + axis] ?? 0)) / long;
  };
  const fit = (order: (typeof ORDERS)[number]) =>
    order.reduce((sum: number, axis, row) => sum + Math.abs(cosine(axis, row)), 0);
  const best = ORDERS.reduce((a, b) => (fit(b) > fit(a) + 1e-9 ? b : a));
  const axis = (row: 0 | 1 | 2): WrittenAxis => ({ from: best[row], isReversed: cosine(best[row], row) < 0 });
  return [axis(0), axis(1), axis(2)];
}

function gridOf(head: Head, axes: NiftiGrid['axes'], isAsAcquired: boolean): NiftiGrid {
  const { dims, spacingMm } = head;
  const ras = head.affine.map((value, index) => (index < 8 && value !== 0 ? -value : value));
  const affine = [...ras];
  for (const row of AXES) {
    let origin = ras[row * 4 + 3] ?? 0;
    for (const column of AXES) {
      const { from, isReversed } = axes[column];
      const step = ras[row * 4 + from] ?? 0;
      affine[row * 4 + column] = isReversed ? 0 - step : step;
      if (isReversed) origin += step * (dims[from] - 1);
    }
    affine[row * 4 + 3] = origin;
  }
  return {
    axes,
    size: [dims[axes[0].from], dims[axes[1].from], dims[axes[2].from]],
    spacingMm: [spacingMm[axes[0].from], spacingMm[axes[1].from], spacingMm[axes[2].from]],
    affine,
    isAsAcquired,
  };
}

/** Of the upper left 3 × 3 of a row-major 4 × 4. */
export function determinant(m: readonly number[]): number {
  const [a = 0, b = 0, c = 0, , d = 0, e = 0, f = 0, , g = 0, h = 0, i = 0] = m;
  return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
}
