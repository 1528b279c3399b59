/** b-value and direction of one frame, from wherever its maker writes them. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { FrameGeometry, Weighting } from './frame.ts';
import { normalOf } from './geometry.ts';
import { privateNumber, privateNumbers, privateText, type PrivatePlace } from './private-values.ts';
import { csaValues } from './siemens.ts';
import { add, length, scale, tripleAt } from './vector.ts';
import type { Triple } from './volume.ts';

const place = (creator: string, group: number, element: number, vr: string): PrivatePlace => ({
  creator,
  group,
  element,
  vr,
});
const SIEMENS = {
  bValue: place('SIEMENS MR HEADER', 0x0019, 0x0c, 'IS'),
  direction: place('SIEMENS MR HEADER', 0x0019, 0x0e, 'FD'),
} as const;
const PHILIPS = {
  bValue: place('Philips Imaging DD 001', 0x2001, 0x03, 'FL'),
  /** I: averaged over all directions. */
  kind: place('Philips Imaging DD 001', 0x2001, 0x04, 'CS'),
  right: place('Philips MR Imaging DD 001', 0x2005, 0xb0, 'FL'),
  anterior: place('Philips MR Imaging DD 001', 0x2005, 0xb1, 'FL'),
  feet: place('Philips MR Imaging DD 001', 0x2005, 0xb2, 'FL'),
} as const;
const GE = {
  bValue: place('GEMS_PARM_01', 0x0043, 0x39, 'IS'),
  x: place('GEMS_ACQU_01', 0x0019, 0xbb, 'DS'),
  y: place('GEMS_ACQU_01', 0x0019, 0xbc, 'DS'),
  z: place('GEMS_ACQU_01', 0x0019, 0xbd, 'DS'),
} as const;
const UIH = {
  bValue: place('Image Private Header', 0x0065, 0x09, 'FD'),
  direction: place('Image Private Header', 0x0065, 0x37, 'FD'),
} as const;
/** By plane and direction of phase encoding: signs along columns, along rows from the bottom up, across slices. */
const GE_SIGNS: Readonly<Record<'axial' | 'coronal' | 'sagittal', Readonly<Record<'rows' | 'columns', Triple>>>> = {
  axial: { rows: [-1, 1, 1], columns: [-1, 1, 1] },
  coronal: { rows: [-1, -1, 1], columns: [1, 1, 1] },
  sagittal: { rows: [1, -1, -1], columns: [1, -1, -1] },
};
/** GE adds a mark of its own above the b-value: 1000000750 is 750. */
const GE_MARK = 100_000;
/** Below this a vector is none: makers write zeros for b = 0. */
const NO_DIRECTION = 1e-3;

/** Of a classic instance. */
export function weightingOf(dataSet: DataSet, geometry: FrameGeometry): Weighting | undefined {
  const makers = () =>
    fromSiemens(dataSet) ?? fromPhilips(dataSet) ?? fromUih(dataSet, geometry) ?? fromGe(dataSet, geometry);
  const standard = fromStandard(dataSet);
  if (standard === undefined) return makers();
  if (standard.direction !== undefined || standard.bValue === 0) return standard;
  // A b-value alone: the direction may stand where the maker has always had it.
  const direction = makers()?.direction;
  return direction === undefined ? standard : { ...standard, direction };
}

/** Of a frame by its MR Diffusion macro (PS3.3 Section C.8.13.5.9). */
export function macroWeighting(diffusion: DataSet): Weighting | undefined {
  const bValue = diffusion.number('DiffusionBValue');
  if (bValue === undefined || !Number.isFinite(bValue)) return undefined;
  const gradient = diffusion.items('DiffusionGradientDirectionSequence')[0];
  const directionality = diffusion.string('DiffusionDirectionality');
  const stated = tripleAt(gradient?.numbers('DiffusionGradientOrientation') ?? []);
  const matrix = directionality === 'BMATRIX' ? diffusion.items('DiffusionBMatrixSequence')[0] : undefined;
  const direction = stated ?? (matrix === undefined ? undefined : mainAxis(matrix));
  return weighting(bValue, directionality === 'ISOTROPIC' || directionality === 'NONE' ? undefined : direction);
}

/** Attributes of the standard in a classic instance: Philips, UIH, Bruker and Canon write them there. */
function fromStandard(dataSet: DataSet): Weighting | undefined {
  const bValue = dataSet.number('DiffusionBValue');
  if (bValue === undefined || !Number.isFinite(bValue)) return undefined;
  return weighting(bValue, tripleAt(dataSet.numbers('DiffusionGradientOrientation')));
}

function fromSiemens(dataSet: DataSet): Weighting | undefined {
  const csa = (name: string): readonly number[] => csaValues(dataSet, name).map(Number);
  const bValue = privateNumber(dataSet, SIEMENS.bValue) ?? csa('B_value')[0];
  if (bValue === undefined || !Number.isFinite(bValue)) return undefined;
  return weighting(
    bValue,
    tripleAt(privateNumbers(dataSet, SIEMENS.direction)) ?? tripleAt(csa('DiffusionGradientDirection')),
  );
}

function fromPhilips(dataSet: DataSet): Weighting | undefined {
  const bValue = privateNumber(dataSet, PHILIPS.bValue);
  if (bValue === undefined) return undefined;
  const isTrace = privateText(dataSet, PHILIPS.kind) === 'I';
  const vector = [PHILIPS.right, PHILIPS.anterior, PHILIPS.feet].map(
    (one) => privateNumber(dataSet, one) ?? Number.NaN,
  );
  return weighting(bValue, isTrace ? undefined : tripleAt(vector));
}

/** United Imaging's vectors run along rows, columns and slices. */
function fromUih(dataSet: DataSet, geometry: FrameGeometry): Weighting | undefined {
  const bValue = privateNumber(dataSet, UIH.bValue);
  if (bValue === undefined) return undefined;
  const vector = tripleAt(privateNumbers(dataSet, UIH.direction));
  return weighting(bValue, vector === undefined ? undefined : alongPicture(vector, geometry));
}

function alongPicture([x, y, z]: Triple, geometry: FrameGeometry): Triple {
  return add(add(scale(geometry.rowDirection, x), scale(geometry.columnDirection, y)), scale(normalOf(geometry), z));
}

function fromGe(dataSet: DataSet, geometry: FrameGeometry): Weighting | undefined {
  const marked = privateNumber(dataSet, GE.bValue);
  if (marked === undefined) return undefined;
  const vector = tripleAt([GE.x, GE.y, GE.z].map((one) => privateNumber(dataSet, one) ?? Number.NaN));
  const bValue = marked % GE_MARK;
  if (vector === undefined) return { bValue };
  // Shells made by weaker gradients: the vector's length tells by how much.
  const share = length(vector);
  const isAlongColumns = (dataSet.string('InPlanePhaseEncodingDirection') ?? '').startsWith('COL');
  return weighting(
    share > 0.03 && share < 0.97 ? bValue * share * share : bValue,
    fromPictureAxes(vector, isAlongColumns, geometry),
  );
}

/**
 * GE's vectors run along frequency, phase and slice encoding, with signs that depend on the plane; as dcm2niix
 * reads them (geCorrectBvecs), which was found out by scanning.
 */
function fromPictureAxes([x, y, z]: Triple, isAlongColumns: boolean, geometry: FrameGeometry): Triple {
  const normal = normalOf(geometry);
  const [right, up] = isAlongColumns ? [x, y] : [y, -x];
  const [sagittal, coronal, axial] = [Math.abs(normal[0]), Math.abs(normal[1]), Math.abs(normal[2])];
  const plane = axial >= sagittal && axial >= coronal ? 'axial' : coronal >= sagittal ? 'coronal' : 'sagittal';
  const [a, b, c] = GE_SIGNS[plane][isAlongColumns ? 'rows' : 'columns'];
  return alongPicture([a * right, -b * up, c * z], geometry);
}

function weighting(bValue: number, vector: Triple | undefined): Weighting {
  const long = vector === undefined ? 0 : length(vector);
  return vector === undefined || long < NO_DIRECTION || bValue === 0
    ? { bValue }
    : { bValue, direction: scale(vector, 1 / long) };
}

/** The eigenvector of the largest eigenvalue of the symmetric b-matrix, by repeated multiplication. */
function mainAxis(matrix: DataSet): Triple | undefined {
  const b = (name: string): number => matrix.number(`DiffusionBValue${name}`) ?? Number.NaN;
  const [xx, xy, xz, yy, yz, zz] = [b('XX'), b('XY'), b('XZ'), b('YY'), b('YZ'), b('ZZ')];
  if (![xx, xy, xz, yy, yz, zz].every(Number.isFinite)) return undefined;
  // The column of the largest diagonal element is never at a right angle to the axis.
  let axis: Triple = xx >= yy && xx >= zz ? [xx, xy, xz] : yy >= zz ? [xy, yy, yz] : [xz, yz, zz];
  for (let step = 0; step < 100; step++) {
    const [x, y, z] = axis;
    const next: Triple = [xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z];
    const long = length(next);
    if (long === 0) return undefined;
    axis = scale(next, 1 / long);
  }
  return axis;
}
