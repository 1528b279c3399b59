/** Where the voxels of a NIfTI file lie, which of its three descriptions says so, and what in them is missing or contradicts. */
import { determinant } from './nifti-grid.ts';
import type { NiftiHeader } from './nifti-header.ts';
import { SPACE_UNITS_MM } from './nifti-types.ts';
import { type Finding, finding, type FindingCode, type Triple } from './volume.ts';

export interface NiftiGeometry {
  readonly spacingMm: Triple;
  /** Row-major, RAS, in millimetres. */
  readonly affine: readonly number[];
  readonly findings: readonly Finding[];
}

/** A kilometre: what is beyond is no place, and no size of a voxel. */
const MAX_MM = 1e6;
/** Of a length: by how much two descriptions of a voxel's size may differ. */
const SAME_SIZE = 0.01;
/** Of the smallest side of a voxel: by how much two descriptions may put a corner of the picture apart. */
const SAME_PLACE = 0.5;
/** Nothing that fits a scanner is smaller or larger across. */
const PLAUSIBLE_MM = { least: 1, most: 3_000 } as const;

const AXES = [0, 1, 2] as const;
type Matrix = readonly number[];

/**
 * nifti1.h, methods 3, 2 and 1 of orientation, in this order of trust; a method whose matrix is none is passed by. The size
 * of voxels is that of the matrix that is used, so that lengths, volumes and places are of one description.
 *
 * @param size - columns, rows, slices
 */
export function geometryOf(header: NiftiHeader, size: Triple): NiftiGeometry {
  const findings: Finding[] = [];
  const add = (code: FindingCode, detail: string) => findings.push(finding(code, '', detail));
  const unitMm = SPACE_UNITS_MM[header.units & 7];
  if (unitMm === undefined) add('unit-missing', 'millimetres are taken');
  const unit = unitMm ?? 1;
  const stated = AXES.map((axis) => (header.pixdim[axis + 1] ?? 0) * unit);
  const said = stated.map((mm) => (isSize(Math.abs(mm)) ? Math.abs(mm) : undefined));
  // Pictures of one slice often leave out how thick it is.
  const isThicknessAssumed = size[2] === 1 && said[2] === undefined;
  const known = isThicknessAssumed ? [said[0], said[1], 1] : said;

  const sform = header.sformCode > 0 ? usable([...header.sform.map((one) => one * unit), 0, 0, 0, 1]) : undefined;
  // The quaternion turns voxels of the stated size: without one it is no description.
  const qform =
    header.qformCode > 0 && known.every((mm) => mm !== undefined) ? qformOf(header, known, unit) : undefined;
  if (header.sformCode > 0 && sform === undefined) add('geometry-damaged', 'the sform is no matrix, and passed by');
  if (sform !== undefined && qform !== undefined) addContradiction(header, sform, qform, size, add);

  const matrix = sform ?? qform;
  if (matrix === undefined) {
    add('orientation-missing', 'columns, rows and slices are taken to run to the right, to the front and up');
    const spacing = known.map((mm) => mm ?? 1);
    addSizes(header, known, isThicknessAssumed, add);
    return inPlace(spacing, plain(spacing), size, findings, add);
  }
  const spacing = AXES.map((column) => columnLength(matrix, column));
  if (sform !== undefined) addDifferences(header, known, spacing, size, add);
  else addSizes(header, known, isThicknessAssumed, add);
  return inPlace(spacing, matrix, size, findings, add);
}

function inPlace(
  spacing: readonly number[],
  affine: Matrix,
  size: Triple,
  findings: readonly Finding[],
  add: (code: FindingCode, detail: string) => void,
): NiftiGeometry {
  const [x = 1, y = 1, z = 1] = spacing;
  const across = Math.max(x * size[0], y * size[1], z * size[2]);
  if (across < PLAUSIBLE_MM.least || across > PLAUSIBLE_MM.most)
    add('size-implausible', `${format(across)} mm across; is its unit right?`);
  return { spacingMm: [x, y, z], affine, findings };
}

/** What the sizes of voxels are, where nothing else says it. */
function addSizes(
  { pixdim }: NiftiHeader,
  known: readonly (number | undefined)[],
  isThicknessAssumed: boolean,
  add: (code: FindingCode, detail: string) => void,
): void {
  const said = `pixdim is ${pixdim.slice(1, 4).map(format).join(' × ')}`;
  if (known.includes(undefined)) add('spacing-unknown', `${said}; no length and no volume can be trusted`);
  else if (isThicknessAssumed) add('spacing-missing', 'a thickness of 1 mm is assumed');
  else if (AXES.some((axis) => (pixdim[axis + 1] ?? 0) < 0)) add('spacing-damaged', `${said}; the sign is left out`);
}

/** The matrix says the size of voxels too: where the other description is none, or another. */
function addDifferences(
  { pixdim }: NiftiHeader,
  known: readonly (number | undefined)[],
  spacing: readonly number[],
  size: Triple,
  add: (code: FindingCode, detail: string) => void,
): void {
  const [ours, theirs] = [spacing.map(format).join(' × '), pixdim.slice(1, 4).map(format).join(' × ')];
  const isOther = (axis: 0 | 1 | 2) =>
    Math.abs((known[axis] ?? 0) - (spacing[axis] ?? 0)) > SAME_SIZE * (spacing[axis] ?? 0);
  const asked = AXES.filter((axis) => size[axis] > 1);
  if (asked.some((axis) => known[axis] === undefined || (pixdim[axis + 1] ?? 0) < 0))
    add('spacing-damaged', `pixdim is ${theirs}; the sform’s ${ours} mm are taken`);
  else if (asked.some(isOther))
    add('spacing-contradicts', `${ours} mm in the sform, ${theirs} in pixdim; the sform is taken`);
}

/** Two matrices for two spaces (a scanner and an atlas) may differ; which side is left may not. */
function addContradiction(
  { sformCode, qformCode }: NiftiHeader,
  sform: Matrix,
  qform: Matrix,
  size: Triple,
  add: (code: FindingCode, detail: string) => void,
): void {
  if (determinant(sform) * determinant(qform) < 0) {
    add('orientation-contradicts', 'sform and qform have different sides for left and right; the sform is taken');
    return;
  }
  const apart = cornersApart(sform, qform, size);
  const smallest = Math.min(...AXES.map((column) => columnLength(sform, column)));
  if (sformCode === qformCode && apart > SAME_PLACE * smallest)
    add('orientation-contradicts', `sform and qform put the picture ${format(apart)} mm apart; the sform is taken`);
}

function cornersApart(a: Matrix, b: Matrix, [nx, ny, nz]: Triple): number {
  const corners = [0, nx - 1].flatMap((x) => [0, ny - 1].flatMap((y) => [0, nz - 1].map((z) => [x, y, z, 1])));
  const distance = (corner: readonly number[]) =>
    Math.hypot(
      ...AXES.map((row) =>
        corner.reduce((sum, value, k) => sum + value * ((a[4 * row + k] ?? 0) - (b[4 * row + k] ?? 0)), 0),
      ),
    );
  return Math.max(...corners.map(distance));
}

/** nifti1.h, method 2. */
function qformOf(
  { quaternion, pixdim }: NiftiHeader,
  [sx = 1, sy = 1, sz = 1]: readonly (number | undefined)[],
  unit: number,
): Matrix | undefined {
  const [qb = 0, qc = 0, qd = 0, ...offsets] = quaternion;
  // Where rounding made the three longer than one together, they are a half turn.
  const by = 1 / Math.max(1, Math.hypot(qb, qc, qd));
  const [b, c, d] = [qb * by, qc * by, qd * by];
  const a = Math.sqrt(Math.max(0, 1 - b * b - c * c - d * d));
  const [x = 0, y = 0, z = 0] = offsets.map((one) => one * unit);
  const qz = ((pixdim[0] ?? 1) < 0 ? -1 : 1) * sz;
  return usable([
    (a * a + b * b - c * c - d * d) * sx, 2 * (b * c - a * d) * sy, 2 * (b * d + a * c) * qz, x,
    2 * (b * c + a * d) * sx, (a * a + c * c - b * b - d * d) * sy, 2 * (c * d - a * b) * qz, y,
    2 * (b * d - a * c) * sx, 2 * (c * d + a * b) * sy, (a * a + d * d - b * b - c * c) * qz, z,
    0, 0, 0, 1,
  ]); // prettier-ignore
}

const plain = ([x = 1, y = 1, z = 1]: readonly number[]): Matrix => [x, 0, 0, 0, 0, y, 0, 0, 0, 0, z, 0, 0, 0, 0, 1];
const columnLength = (m: Matrix, column: number): number => Math.hypot(...AXES.map((row) => m[4 * row + column] ?? 0));
const isSize = (mm: number): boolean => mm > 0 && mm <= MAX_MM;
const format = (value: number): string => String(Number(value.toPrecision(4)));

/** A matrix, or nothing where it puts voxels nowhere. */
function usable(matrix: Matrix): Matrix | undefined {
  const isPlace = matrix.every((one) => Math.abs(one) <= MAX_MM);
  return isPlace && Math.abs(determinant(matrix)) > 1e-12 ? matrix : undefined;
}
