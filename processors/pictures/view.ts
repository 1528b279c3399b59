/** How a volume's slices are turned for a person to look at, and the letters that say so. */
import type { Volume } from '../volumes/volume.ts';

type Axis = 0 | 1 | 2;

/** Axes of the voxel grid as they lie in the picture. */
export interface View {
  readonly through: Axis;
  readonly across: Axis;
  readonly down: Axis;
  /** The axis runs against the picture. */
  readonly isAcrossTurned: boolean;
  readonly isDownTurned: boolean;
  /** What is on which side (PS3.3 Section C.7.6.1.1.1). */
  readonly marks: { readonly left: string; readonly right: string; readonly top: string; readonly bottom: string };
}

/** Where the axes of the patient system lead to, and where they come from (PS3.3 Section C.7.6.2.1.1). */
const BIPED = ['L', 'R', 'P', 'A', 'H', 'F'] as const;
const QUADRUPED = ['LE', 'RT', 'D', 'V', 'CR', 'CD'] as const;
/** Slices are further apart than pixels by so much. */
const THICKER = 1.25;

/**
 * As radiology looks: the left of the patient on the right, anterior (of an animal on its feet dorsal) and head at the
 * top. DICOM is mostly stored so; NIfTI is not, and its slices need not lie along the third axis.
 */
export function viewOf({ affine, spacingMm, dims, header }: Volume): View {
  const through = throughAxis(spacingMm, dims);
  const [a, b] = ([0, 1, 2] as const).filter((axis) => axis !== through);
  const leads = ([0, 1, 2] as const).map((axis) => leadOf(affine, axis));
  const first = a ?? 0;
  const second = b ?? 1;
  // Left and right lie across where they are in the plane, head and foot up and down.
  const isSwapped = (leads[first]?.axis ?? 0) > (leads[second]?.axis ?? 0);
  const [across, down] = isSwapped ? [second, first] : [first, second];
  const horizontal = leads[across] ?? { axis: 0, isNegative: false };
  const vertical = leads[down] ?? { axis: 1, isNegative: false };
  const isQuadruped = header.string('AnatomicalOrientationType') === 'QUADRUPED';
  const words = isQuadruped ? QUADRUPED : BIPED;
  const end = (axis: number, isPositive: boolean) => words[axis * 2 + (isPositive ? 0 : 1)] ?? '';
  // Across: to the left, or to posterior. Down: to posterior, which is ventral in an animal, or to the feet.
  const wantsNegativeAcross = horizontal.axis === 2 || (isQuadruped && horizontal.axis === 1);
  const wantsNegativeDown = vertical.axis === 2 || (isQuadruped && vertical.axis === 1);
  return {
    through,
    across,
    down,
    isAcrossTurned: horizontal.isNegative !== wantsNegativeAcross,
    isDownTurned: vertical.isNegative !== wantsNegativeDown,
    marks: {
      left: end(horizontal.axis, wantsNegativeAcross),
      right: end(horizontal.axis, !wantsNegativeAcross),
      top: end(vertical.axis, wantsNegativeDown),
      bottom: end(vertical.axis, !wantsNegativeDown),
    },
  };
}

/** The third, unless there are fewer and thicker slices along another one. */
function throughAxis([x, y, z]: Volume['spacingMm'], [nx, ny, nz]: Volume['dims']): Axis {
  if (ny < nz && y > THICKER * Math.max(x, z)) return 1;
  if (nx < nz && x > THICKER * Math.max(y, z)) return 0;
  return 2;
}

/** The axis of the patient system that an axis of the grid mostly runs along. */
function leadOf(affine: readonly number[], column: Axis): { readonly axis: number; readonly isNegative: boolean } {
  const vector = [0, 4, 8].map((row) => affine[row + column] ?? 0);
  const sizes = vector.map(Math.abs);
  const axis = sizes.indexOf(Math.max(...sizes));
  return { axis, isNegative: (vector[axis] ?? 0) < 0 };
}
