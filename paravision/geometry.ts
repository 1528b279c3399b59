/**
 * Where the planes of a reconstruction stand. VisuCoreOrientation holds the directions of columns, rows and planes as its
 * rows, VisuCorePosition the centre of the first voxel, both in the patient system of DICOM (R→L, A→P, F→H) whatever the
 * subject position: ParaVision has turned them already, and whoever applies VisuSubjectPosition once more turns them twice.
 * Of a quadruped the axes are those of PS3.3 Section C.7.6.2.1.1: left, dorsal, cranial.
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

  /** @throws {HubError} `paravision.parameters-unreadable` when orientation or position is missing or none */
  constructor(parameters: Parameters, order: FrameOrder, grid: Grid) {
    this.#grid = grid;
    this.#order = order;
    this.#orientations = required(parameters, 'VisuCoreOrientation', 9);
    this.#positions = required(parameters, 'VisuCorePosition', 3);
    for (let at = 0; at < this.#orientations.length; at += 9) {
      const x = vectorAt(this.#orientations, at);
      const y = vectorAt(this.#orientations, at + 3);
      const z = vectorAt(this.#orientations, at + 6);
      const errors = [dot(x, y), dot(x, z), dot(y, z), lengthOf(x) - 1, lengthOf(y) - 1, lengthOf(z) - 1];
      if (!errors.every((error) => Math.abs(error) <= ORIENTATION_TOLERANCE))
        throw parameters.wrong('VisuCoreOrientation', 'VisuCoreOrientation is not an orientation');
    }
    if (!this.#positions.every((mm) => Math.abs(mm) <= MAX_MM))
      throw parameters.wrong('VisuCorePosition', 'VisuCorePosition is not a position');
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

function required(parameters: Parameters, name: string, multiple: number): readonly number[] {
  const numbers = parameters.numbers(name);
  if (numbers === undefined || numbers.length === 0 || numbers.length % multiple !== 0)
    throw parameters.wrong(name, `${name} is missing or incomplete`);
  return numbers;
}
