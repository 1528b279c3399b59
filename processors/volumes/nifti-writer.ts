/** Writes NIfTI-1 (nifti1.h) repetition by repetition, so that a time series is never in memory as a whole. */
import { HubError } from '../../core/errors.ts';
import { determinant, niftiGrid, type NiftiGrid } from './nifti-grid.ts';
import { HEADER_BYTES, MAGIC, VOXEL_OFFSET, WRITTEN } from './nifti-types.ts';
import type { Numbers } from './pixels.ts';
import { encodingAxis } from './phase-encoding.ts';
import { sliceCode } from './slice-code.ts';
import type { StoredAs, Volume } from './volume.ts';

export type VolumeHead = Omit<Volume, 'data'>;

/** Values as they are written: stored integers with a scale, or else the values themselves. */
export interface WrittenAs {
  readonly type: keyof typeof WRITTEN;
  readonly slope: number;
  readonly intercept: number;
}

/** xyzt_units: millimetres and seconds. */
const UNITS = 2 + 8;
/** sform_code and qform_code 1: scanner coordinates. 0: it says nothing. */
const SCANNER = 1;
const UNKNOWN = 0;
/** `dim` is made of 16-bit integers. */
const MAX_SIZE = 32_767;
const CHUNK_BYTES = 1024 * 1024;

/** How a volume's values are written: as they were stored wherever that loses nothing. */
export function writtenAs({ storedAs }: { readonly storedAs?: StoredAs }): WrittenAs {
  return storedAs ?? { type: 'float32', slope: 1, intercept: 0 };
}

/**
 * The bytes of a `.nii`, each chunk the reader's own.
 *
 * @param fill - puts the values of one repetition, as `writtenAs` says, into an array that is used again for the next
 * @throws {HubError} `pixels.too-large` when the format has no room for so many voxels along an axis
 */
export async function* niftiBytes(
  head: VolumeHead,
  fill: (repetition: number, target: Numbers) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  if (head.dims.some((size) => size > MAX_SIZE))
    throw new HubError('pixels.too-large', { detail: `${head.dims.join(' × ')} voxels do not fit into NIfTI-1` });
  const grid = niftiGrid(head);
  const { type } = writtenAs(head);
  yield headerBytes(head, grid);
  const [nx, ny, nz, nt] = head.dims;
  const values = new WRITTEN[type].array(nx * ny * nz);
  for (let t = 0; t < nt; t++) {
    await fill(t, values);
    yield* inOrder(values, head, grid);
  }
}

/** Voxels in the order of the grid, in chunks. */
function* inOrder(values: Numbers, { dims }: VolumeHead, { axes, size }: NiftiGrid): Generator<Uint8Array> {
  const strides = [1, dims[0], dims[0] * dims[1]] as const;
  const [x, y, z] = axes;
  const start = axes.reduce(
    (sum, { from, isReversed }) => sum + (isReversed ? (dims[from] - 1) * strides[from] : 0),
    0,
  );
  const step = ({ from, isReversed }: (typeof axes)[number]) => (isReversed ? -strides[from] : strides[from]);
  const [dx, dy, dz] = [step(x), step(y), step(z)];
  const perChunk = Math.max(1, Math.floor(CHUNK_BYTES / (values.BYTES_PER_ELEMENT * size[0])));
  const lines = size[1] * size[2];
  for (let from = 0; from < lines; from += perChunk) {
    const to = Math.min(lines, from + perChunk);
    const chunk = values.slice(0, (to - from) * size[0]);
    let out = 0;
    for (let line = from; line < to; line++) {
      let at = start + (line % size[1]) * dy + Math.floor(line / size[1]) * dz;
      for (let column = 0; column < size[0]; column++, at += dx) chunk[out++] = values[at] ?? 0;
    }
    // Every machine the hub runs on is little-endian, and so is what it writes.
    yield new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}

function headerBytes(head: VolumeHead, grid: NiftiGrid): Uint8Array {
  const { type, slope, intercept } = writtenAs(head);
  const { code, array } = WRITTEN[type];
  const bytes = new Uint8Array(VOXEL_OFFSET);
  const view = new DataView(bytes.buffer);
  const int16s = (offset: number, values: readonly number[]) => {
    values.forEach((value, index) => {
      view.setInt16(offset + 2 * index, value, true);
    });
  };
  const float32s = (offset: number, values: readonly number[]) => {
    values.forEach((value, index) => {
      view.setFloat32(offset + 4 * index, value, true);
    });
  };
  const nt = head.dims[3];
  const { quaternion, qfac } = rotationOf(grid);
  view.setInt32(0, HEADER_BYTES, true);
  view.setUint8(39, dimInfo(head, grid));
  int16s(40, [nt > 1 ? 4 : 3, ...grid.size, nt, 1, 1, 1]);
  int16s(70, [code, array.BYTES_PER_ELEMENT * 8]);
  float32s(76, [qfac, ...grid.spacingMm, (head.repetitionTimeMs ?? 0) / 1000, 0, 0, 0]);
  float32s(108, [VOXEL_OFFSET, slope, intercept]);
  view.setUint8(123, UNITS);
  const slices = grid.isAsAcquired ? sliceCode(head.sliceTimesMs ?? []) : undefined;
  if (slices !== undefined) {
    int16s(120, [head.dims[2] - 1]);
    view.setUint8(122, slices.code);
    float32s(132, [slices.durationMs / 1000]);
  }
  // A quaternion turns and cannot shear: of slices that lie askew only the sform speaks.
  const isTurned = isOrthogonal(grid);
  int16s(252, [isTurned ? SCANNER : UNKNOWN, SCANNER]);
  float32s(256, [...(isTurned ? quaternion : [0, 0, 0]), ...[3, 7, 11].map((index) => grid.affine[index] ?? 0)]);
  float32s(280, grid.affine.slice(0, 12));
  bytes.set(new TextEncoder().encode(MAGIC), 344);
  return bytes;
}

/** dim_info: which axis is of frequency encoding, of phase encoding and of slices. */
function dimInfo({ header }: VolumeHead, { isAsAcquired }: NiftiGrid): number {
  const axis = isAsAcquired ? encodingAxis(header) : undefined;
  if (axis === undefined) return 0;
  return axis === 'rows' ? 1 | (2 << 2) | (3 << 4) : 2 | (1 << 2) | (3 << 4);
}

/** Of unit vectors: what rounding of direction cosines leaves. */
const ASKEW = 1e-3;

function isOrthogonal({ affine, spacingMm }: NiftiGrid): boolean {
  const unit = (column: number) => [0, 4, 8].map((row) => (affine[row + column] ?? 0) / (spacingMm[column] ?? 1));
  const alike = (one: number, other: number) => {
    const axis = unit(other);
    return Math.abs(unit(one).reduce((sum, value, i) => sum + value * (axis[i] ?? 0), 0));
  };
  return Math.max(alike(0, 1), alike(0, 2), alike(1, 2)) < ASKEW;
}

/** nifti1.h, method 2: a proper rotation as the quaternion's b, c and d, and whether the third axis is turned round. */
function rotationOf({ affine, spacingMm }: NiftiGrid): {
  readonly quaternion: readonly [number, number, number];
  readonly qfac: 1 | -1;
} {
  const qfac = determinant(affine) < 0 ? -1 : 1;
  const r = (row: number, column: number) =>
    ((column === 2 ? qfac : 1) * (affine[row * 4 + column] ?? 0)) / (spacingMm[column] ?? 1);
  const [xx, yy, zz] = [r(0, 0), r(1, 1), r(2, 2)];
  const a = Math.sqrt(Math.max(0, 1 + xx + yy + zz)) / 2;
  if (a > 0.25) {
    const by = 0.25 / a;
    return { quaternion: [by * (r(2, 1) - r(1, 2)), by * (r(0, 2) - r(2, 0)), by * (r(1, 0) - r(0, 1))], qfac };
  }
  // Near a half turn the largest of the three is the one to divide by; a stays positive.
  const [xd, yd, zd] = [1 + xx - yy - zz, 1 + yy - xx - zz, 1 + zz - xx - yy].map((one) => Math.max(0, one));
  const largest = Math.max(xd ?? 0, yd ?? 0, zd ?? 0);
  const main = Math.sqrt(largest) / 2;
  const by = 0.25 / main;
  const [b, c, d, w] =
    largest === xd
      ? [main, by * (r(0, 1) + r(1, 0)), by * (r(0, 2) + r(2, 0)), by * (r(2, 1) - r(1, 2))]
      : largest === yd
        ? [by * (r(0, 1) + r(1, 0)), main, by * (r(1, 2) + r(2, 1)), by * (r(0, 2) - r(2, 0))]
        : [by * (r(0, 2) + r(2, 0)), by * (r(1, 2) + r(2, 1)), main, by * (r(1, 0) - r(0, 1))];
  return { quaternion: w < 0 ? [-b, -c, -d] : [b, c, d], qfac };
}
