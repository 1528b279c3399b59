/** What a NIfTI header says (nifti1.h, nifti2.h), of one file or of a header with its voxels in another; nothing is judged here. */
import { HubError } from '../../core/errors.ts';
import { HEADER_BYTES, MAGIC, NIFTI_2_HEADER_BYTES } from './nifti-types.ts';

/** Fields as they stand in the file. */
export interface NiftiHeader {
  readonly littleEndian: boolean;
  /** True: voxels stand in a file of their own (`.img` beside `.hdr`). */
  readonly isPair: boolean;
  /** How many there are, then seven sizes. */
  readonly dim: readonly number[];
  readonly datatype: number;
  /** Handedness of the qform, then seven distances. */
  readonly pixdim: readonly number[];
  readonly voxelOffset: number;
  /** Before which no voxel can stand. */
  readonly firstOffset: number;
  readonly slope: number;
  readonly intercept: number;
  /** xyzt_units. */
  readonly units: number;
  readonly qformCode: number;
  readonly sformCode: number;
  /** b, c, d of a quaternion, then three offsets. */
  readonly quaternion: readonly number[];
  /** Three rows of four. */
  readonly sform: readonly number[];
}

const MAGIC_OF_PAIR = 'ni1\0';
const MAGIC_2 = 'n+2\0\r\n\u001a\n';
const MAGIC_2_OF_PAIR = 'ni2\0\r\n\u001a\n';

/** Whether a file begins as a header of NIfTI or Analyze 7.5 does; `.hdr` is a name that others use too. */
export function isHeader(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && sizeOf(bytes) !== undefined;
}

/** @throws {HubError} `dataset.unreadable` with a `reason` */
export function readHeader(bytes: Uint8Array): NiftiHeader {
  if (bytes.length < 4) throw unreadable('too short for a NIfTI header');
  const found = sizeOf(bytes);
  if (found === undefined) throw unreadable(bytes.length < HEADER_BYTES ? 'too short for a NIfTI header' : 'not NIfTI');
  if (bytes.length < found.size) throw unreadable('too short for a NIfTI header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return found.size === HEADER_BYTES ? readFirst(view, found.littleEndian) : readSecond(view, found.littleEndian);
}

function sizeOf(bytes: Uint8Array): { readonly size: number; readonly littleEndian: boolean } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const littleEndian of [true, false]) {
    const size = view.getInt32(0, littleEndian);
    if (size === HEADER_BYTES || size === NIFTI_2_HEADER_BYTES) return { size, littleEndian };
  }
  return undefined;
}

function readFirst(view: DataView, littleEndian: boolean): NiftiHeader {
  const magic = textAt(view, 344, 4);
  if (magic !== MAGIC && magic !== MAGIC_OF_PAIR)
    throw unreadable(
      magic === '\0\0\0\0'
        ? 'Analyze 7.5, which does not say where left and right are: convert it to NIfTI'
        : 'not NIfTI',
    );
  const int16 = (offset: number) => view.getInt16(offset, littleEndian);
  const float32s = (offset: number, count: number) =>
    Array.from({ length: count }, (_, i) => view.getFloat32(offset + 4 * i, littleEndian));
  const [voxelOffset = 0, slope = 0, intercept = 0] = float32s(108, 3);
  const isPair = magic === MAGIC_OF_PAIR;
  return {
    ...{ littleEndian, isPair, voxelOffset, slope, intercept },
    dim: Array.from({ length: 8 }, (_, i) => int16(40 + 2 * i)),
    datatype: int16(70),
    pixdim: float32s(76, 8),
    // Four bytes behind the header say whether extensions follow.
    firstOffset: isPair ? 0 : HEADER_BYTES + 4,
    units: view.getUint8(123),
    qformCode: int16(252),
    sformCode: int16(254),
    quaternion: float32s(256, 6),
    sform: float32s(280, 12),
  };
}

function readSecond(view: DataView, littleEndian: boolean): NiftiHeader {
  const magic = textAt(view, 4, 8);
  if (magic !== MAGIC_2 && magic !== MAGIC_2_OF_PAIR) throw unreadable('not NIfTI');
  const int32 = (offset: number) => view.getInt32(offset, littleEndian);
  const int64 = (offset: number) => Number(view.getBigInt64(offset, littleEndian));
  const float64s = (offset: number, count: number) =>
    Array.from({ length: count }, (_, i) => view.getFloat64(offset + 8 * i, littleEndian));
  const [slope = 0, intercept = 0] = float64s(176, 2);
  const isPair = magic === MAGIC_2_OF_PAIR;
  return {
    ...{ littleEndian, isPair, slope, intercept },
    dim: Array.from({ length: 8 }, (_, i) => int64(16 + 8 * i)),
    datatype: view.getInt16(12, littleEndian),
    pixdim: float64s(104, 8),
    voxelOffset: int64(168),
    firstOffset: isPair ? 0 : NIFTI_2_HEADER_BYTES + 4,
    units: int32(500),
    qformCode: int32(344),
    sformCode: int32(348),
    quaternion: float64s(352, 6),
    sform: float64s(400, 12),
  };
}

function textAt(view: DataView, offset: number, length: number): string {
  return String.fromCharCode(...Array.from({ length }, (_, i) => view.getUint8(offset + i)));
}

const unreadable = (reason: string): HubError => new HubError('dataset.unreadable', { reason });
