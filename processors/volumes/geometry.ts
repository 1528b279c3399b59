/** Place, direction and size of one slice, checked: what is missing or makes no sense is said, not guessed. */
import type { FrameGeometry } from './frame.ts';
import { cross, dot, length, scale, tripleAt } from './vector.ts';
import type { FindingCode, Triple } from './volume.ts';

/** How far from length 1 and from a right angle rounded direction cosines may be. */
const DIRECTION_TOLERANCE = 0.01;

/**
 * @param orientation - six numbers, Image Orientation (Patient)
 * @param pixelSpacing - between rows, between columns
 * @param steps - from this slice to the next, in order of trust
 */
export function geometryOf(
  position: readonly number[],
  orientation: readonly number[],
  pixelSpacing: readonly number[],
  steps: readonly (number | undefined)[],
): FrameGeometry | { readonly code: FindingCode; readonly detail?: string } {
  const origin = tripleAt(position);
  const row = tripleAt(orientation);
  const column = tripleAt(orientation, 3);
  if (origin === undefined || row === undefined || column === undefined) return { code: 'geometry-missing' };
  const [betweenRows, betweenColumns] = pixelSpacing;
  if (betweenRows === undefined || betweenColumns === undefined)
    return { code: 'spacing-missing', detail: 'without pixel spacing there is no size' };
  if (!isLength(betweenRows) || !isLength(betweenColumns))
    return { code: 'geometry-damaged', detail: 'pixel spacing is no length' };
  const isDirection = (one: Triple) => Math.abs(length(one) - 1) <= DIRECTION_TOLERANCE;
  if (!isDirection(row) || !isDirection(column) || Math.abs(dot(row, column)) > DIRECTION_TOLERANCE)
    return { code: 'geometry-damaged', detail: 'orientation is no pair of directions at a right angle' };
  const thicknessMm = steps.find((one) => one !== undefined && isLength(Math.abs(one)));
  const rowDirection = unit(row);
  return {
    position: origin,
    rowDirection,
    columnDirection: unit(column),
    pixelSpacingMm: [betweenColumns, betweenRows],
    // Some makers write the direction of stacking as a sign.
    thicknessMm: Math.abs(thicknessMm ?? 1),
    isThicknessKnown: thicknessMm !== undefined,
  };
}

/** Direction in which slices are stacked when they follow rows and columns by the right-hand rule. */
export function normalOf({ rowDirection, columnDirection }: FrameGeometry): Triple {
  return unit(cross(rowDirection, columnDirection));
}

function unit(vector: Triple): Triple {
  return scale(vector, 1 / length(vector));
}

function isLength(mm: number): boolean {
  return Number.isFinite(mm) && mm > 0;
}
