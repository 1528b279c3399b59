/**
 * Where the planes of a reconstruction stand. VisuCoreOrientation holds the directions of columns, rows and planes as its
 * rows, VisuCorePosition the centre of the first voxel, both in the patient system of DICOM (R→L, A→P, F→H) whatever the
 * subject position: ParaVision has turned them already, and whoever applies VisuSubjectPosition once more turns them twice.
 * Of a quadruped the axes are those of PS3.3 Section C.7.6.2.1.1: left, dorsal, cranial.
 *
 * Slices that are said to lie beside each other, in their own plane, cannot be what was measured: a package is stacked
 * along its normal (ACQ_slice_offset). Studies whose orientation was changed by hand and whose positions were not are
 * like that. The orientation is what every reader goes by, so it stands; such positions are those along columns, rows and
 * slices of the picture, as the offsets of acqp are, and are turned with it: the package keeps its distances and its place
 * around the magnet's centre. Nothing is turned that can be meant as it is written.
 */
import { HubError } from '../core/errors.ts';
import type { FrameOrder } from './frame-groups.ts';
import type { Parameters } from './parameters.ts';
import { along, cross, dot, lengthOf, type Vector, vectorAt } from './vectors.ts';

export interface Grid {
  readonly columns: number;
  readonly rows: number;
  /** Planes of one ParaVision frame: 1, or those of a 3D frame. */
  readonly planes: number;
  readonly columnSpacingMm: number;
  readonly rowSpacingMm: number;
  readonly thicknessMm: number;
}

export interface Plane {
  /** Centre of the first voxel. */
  readonly position: Vector;
  /** From one column to the next. */
  readonly x: Vector;
  /** From one row to the next. */
  readonly y: Vector;
}

/** One side of a picture. */
const MAX_SIDE = 65_535;
/** A kilometre: more than any magnet is wide. */
const MAX_MM = 1e6;
/** A matrix whose rows are not of length one and at right angles is no orientation. */
const ORIENTATION_TOLERANCE = 1e-3;
const SAME_DIRECTION = 1e-4;
/** Of a step: less of it does not count. */
const STEP_SHARE = 1e-3;
const SAME_PLACE_MM = 1e-6;

/** @throws {HubError} `paravision.unsupported` for spectra and other frames that are no pictures */
export function gridOf(parameters: Parameters): Grid {
  const dimensions = parameters.number('VisuCoreDim');
  const described = parameters.texts('VisuCoreDimDesc');
  if (described.some((one) => one !== 'spatial'))
    throw new HubError('paravision.unsupported', { reason: 'spectroscopy', isNoImage: true });
  if (dimensions !== 2 && dimensions !== 3)
    throw new HubError('paravision.unsupported', { reason: 'its frames have neither two nor three dimensions' });
  const size = required(parameters, 'VisuCoreSize', dimensions);
  const extent = required(parameters, 'VisuCoreExtent', dimensions);
  if (size.some((side) => !Number.isInteger(side) || side < 1 || side > MAX_SIDE))
    throw parameters.wrong('VisuCoreSize', 'VisuCoreSize is not a size');
  if (extent.some((side) => !(side > 0) || side > MAX_MM))
    throw parameters.wrong('VisuCoreExtent', 'VisuCoreExtent is not an extent');
  const units = parameters.texts('VisuCoreUnits');
  if (units.some((unit) => unit !== 'mm' && unit !== ''))
    throw new HubError('paravision.unsupported', { reason: 'its extent is not in millimetres' });
  const [columns = 1, rows = 1, planes = 1] = size;
  const [width = 1, height = 1, depth = 1] = extent;
  const thickness = dimensions === 3 ? depth / planes : parameters.number('VisuCoreFrameThickness');
  if (thickness === undefined || !(thickness > 0) || thickness > MAX_MM)
    throw parameters.wrong('VisuCoreFrameThickness', 'the slice thickness is missing');
  return {
    columns,
    rows,
    planes: dimensions === 3 ? planes : 1,
    columnSpacingMm: width / columns,
    rowSpacingMm: height / rows,
    thicknessMm: thickness,
  };
}

export class Geometry {
  readonly #grid: Grid;
  readonly #order: FrameOrder;
  readonly #orientations: readonly number[];
  readonly #positions: readonly number[];
  /** True where positions contradict the orientation, and were turned with it. */
  readonly isTurned: boolean;

  /** @throws {HubError} `paravision.parameters-unreadable` when orientation or position is missing or none */
  constructor(parameters: Parameters, order: FrameOrder, grid: Grid) {
    this.#grid = grid;
    this.#order = order;
    this.#orientations = required(parameters, 'VisuCoreOrientation', 9);
    const stated = required(parameters, 'VisuCorePosition', 3);
    for (let at = 0; at < this.#orientations.length; at += 9) {
      const x = vectorAt(this.#orientations, at);
      const y = vectorAt(this.#orientations, at + 3);
      const z = vectorAt(this.#orientations, at + 6);
      const errors = [dot(x, y), dot(x, z), dot(y, z), lengthOf(x) - 1, lengthOf(y) - 1, lengthOf(z) - 1];
      if (!errors.every((error) => Math.abs(error) <= ORIENTATION_TOLERANCE))
        throw parameters.wrong('VisuCoreOrientation', 'VisuCoreOrientation is not an orientation');
    }
    if (!stated.every((mm) => Math.abs(mm) <= MAX_MM))
      throw parameters.wrong('VisuCorePosition', 'VisuCorePosition is not a position');
    const turned = grid.planes > 1 ? undefined : turnedPositions(stated, this.#orientations);
    this.isTurned = turned !== undefined;
    this.#positions = turned ?? stated;
  }

  /** @param plane - of a 3D frame, from 0 */
  planeAt(frame: number, plane: number): Plane {
    const orientation = 9 * this.#order.elementOf('VisuCoreOrientation', this.#orientations.length / 9, frame);
    const first = 3 * this.#order.elementOf('VisuCorePosition', this.#positions.length / 3, frame);
    const z = vectorAt(this.#orientations, orientation + 6);
    return {
      position: along(vectorAt(this.#positions, first), z, plane * this.#grid.thicknessMm),
      x: vectorAt(this.#orientations, orientation),
      y: vectorAt(this.#orientations, orientation + 3),
    };
  }
}

/** True when one could be moved onto the other without turning it. */
export function isParallel(one: Plane, other: Plane): boolean {
  const isClose = (a: Vector, b: Vector) => a.every((value, axis) => Math.abs(value - (b[axis] ?? 0)) < SAME_DIRECTION);
  return isClose(one.x, other.x) && isClose(one.y, other.y);
}

/** How far one plane stands behind the other, along their normal. */
export function distanceMm(one: Plane, other: Plane): number {
  return dot(along(other.position, one.position, -1), cross(one.x, one.y));
}

/**
 * Positions of packages that are written along columns, rows and slices of the picture, in the patient system.
 *
 * @returns undefined when there are none
 */
function turnedPositions(positions: readonly number[], orientations: readonly number[]): readonly number[] | undefined {
  const count = positions.length / 3;
  if (orientations.length !== 9 && orientations.length !== 9 * count) return undefined;
  const axesOf = (slice: number) => orientations.slice((9 * slice) % orientations.length).slice(0, 9);
  const isAlike = (one: readonly number[], other: readonly number[]) =>
    one.every((value, n) => Math.abs(value - (other[n] ?? 0)) < SAME_DIRECTION);
  const turned = [...positions];
  let isAny = false;
  for (let start = 0, end = 0; start < count; start = end) {
    const axes = axesOf(start);
    for (end = start + 1; end < count && isAlike(axes, axesOf(end));) end += 1;
    const slices = Array.from({ length: end - start }, (_, n) => vectorAt(positions, 3 * (start + n)));
    if (!areInPicture(slices, vectorAt(axes, 6))) continue;
    isAny = true;
    slices.forEach(([column, row, slice], n) => {
      const inColumns = along([0, 0, 0], vectorAt(axes, 0), column);
      turned.splice(3 * (start + n), 3, ...along(along(inColumns, vectorAt(axes, 3), row), vectorAt(axes, 6), slice));
    });
  }
  return isAny ? turned : undefined;
}

/** True when no step from slice to slice goes along the normal, and each goes along the third number alone. */
function areInPicture(slices: readonly Vector[], normal: Vector): boolean {
  const steps = slices.slice(1).map((slice, n) => along(slice, slices[n] ?? slice, -1));
  return (
    steps.length > 0 &&
    steps.every((step) => {
      const length = lengthOf(step);
      const isSmall = (part: number) => Math.abs(part) < STEP_SHARE * length;
      return length > SAME_PLACE_MM && isSmall(dot(step, normal)) && isSmall(step[0]) && isSmall(step[1]);
    })
  );
}

function required(parameters: Parameters, name: string, multiple: number): readonly number[] {
  const numbers = parameters.numbers(name);
  if (numbers === undefined || numbers.length === 0 || numbers.length % multiple !== 0)
    throw parameters.wrong(name, `${name} is missing or incomplete`);
  return numbers;
}
