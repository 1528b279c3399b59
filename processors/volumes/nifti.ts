/** Reads NIfTI-1 (nifti1.h), plain or gzip: what research tools leave lying beside the DICOM. */
import { constants, gunzipSync } from 'node:zlib';
import { DataSet } from '../../core/dicom/data-set.ts';
import { HubError } from '../../core/errors.ts';
import { MAX_VOXELS, zeroWhatIsNoNumber } from './assemble.ts';
import {
  HEADER_BYTES,
  MAGIC,
  NIFTI_TYPES,
  type NiftiType,
  SPACE_UNITS_MM,
  TIME_UNITS_MS,
  UNREAD_TYPES,
  VOXEL_OFFSET,
} from './nifti-types.ts';
import { determinant } from './nifti-grid.ts';
import type { StoredAs, Triple, Volume } from './volume.ts';

const NIFTI_2_HEADER_BYTES = 540;
/** Enough to unpack a header from. */
const FIRST_BYTES = 64 * 1024;
/** A kilometre: what is beyond is no place, and no size of a voxel. */
const MAX_MM = 1e6;
/** Extensions and what some tools append. */
const SLACK_BYTES = 64 * 1024 * 1024;

/**
 * A volume on the grid as stored, axes in the file's order; what is no number becomes 0.
 *
 * @throws {HubError} `dataset.unreadable` with a `reason`
 */
export function readNifti(file: Uint8Array): Volume {
  const isGzip = file[0] === 0x1f && file[1] === 0x8b;
  const header = headerOf(isGzip ? firstBytes(file) : file);
  const { dims, type, start } = header;
  const count = dims[0] * dims[1] * dims[2] * dims[3];
  if (count > MAX_VOXELS) throw unreadable(`${dims.join(' × ')} voxels are too many`);
  const end = start + count * type.bytes;
  const bytes = isGzip ? unzip(file, end + SLACK_BYTES) : file;
  if (end > bytes.length) throw unreadable('fewer voxels than the header says');

  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = new Float32Array(count);
  for (let i = 0; i < count; i++)
    data[i] = type.read(view, start + i * type.bytes, header.littleEndian) * header.slope + header.intercept;
  zeroWhatIsNoNumber(data);
  const storedAs: StoredAs | undefined =
    type.stored === undefined ? undefined : { type: type.stored, slope: header.slope, intercept: header.intercept };
  return {
    studyInstanceUid: '',
    seriesInstanceUid: '',
    dims,
    spacingMm: header.spacingMm,
    data,
    affine: toLps(header.affine),
    isRegular: true,
    slices: [],
    header: new DataSet({
      encoding: { explicit: true, bigEndian: false },
      elements: [],
      start: 0,
      end: 0,
      undefinedLength: false,
    }),
    kind: dims[3] >= 10 ? 'functional' : 'anatomical',
    ...(header.repetitionTimeMs === undefined ? {} : { repetitionTimeMs: header.repetitionTimeMs }),
    ...(storedAs === undefined ? {} : { storedAs }),
  };
}

interface Header {
  readonly littleEndian: boolean;
  readonly dims: Volume['dims'];
  readonly spacingMm: Triple;
  /** Row-major, RAS, in millimetres. */
  readonly affine: readonly number[];
  readonly type: NiftiType;
  readonly start: number;
  readonly slope: number;
  readonly intercept: number;
  readonly repetitionTimeMs?: number;
}

function headerOf(bytes: Uint8Array): Header {
  if (bytes.length < HEADER_BYTES) throw unreadable('too short for a NIfTI header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const littleEndian = isLittleEndian(view);
  const int16 = (offset: number) => view.getInt16(offset, littleEndian);
  const float32 = (offset: number) => view.getFloat32(offset, littleEndian);
  const magic = Buffer.from(bytes.subarray(344, 348)).toString('latin1');
  if (magic !== MAGIC) throw unreadable(magic.startsWith('ni1') ? 'its voxels stand in another file' : 'not NIfTI-1');

  const dimensions = int16(40);
  const size = (axis: number) => (axis <= dimensions ? int16(40 + 2 * axis) : 1);
  const sizes = [1, 2, 3, 4, 5, 6, 7].map(size);
  if (dimensions < 1 || dimensions > 7 || sizes.some((one) => one < 1))
    throw unreadable('its dimensions are no dimensions');
  const [x = 1, y = 1, z = 1, ...others] = sizes;
  const code = int16(70);
  const type = NIFTI_TYPES[code];
  if (type === undefined) {
    const kind = UNREAD_TYPES[code];
    throw unreadable(kind === undefined ? `data type ${code} is not known` : `${kind} are not read`);
  }
  const offset = float32(108);
  const start = Number.isFinite(offset) ? Math.max(VOXEL_OFFSET, Math.round(offset)) : VOXEL_OFFSET;

  // nifti1.h: a slope of 0 means that the values are not scaled.
  const isScaled = Number.isFinite(float32(112)) && float32(112) !== 0;
  const intercept = float32(116);
  const units = view.getUint8(123);
  const unitMm = SPACE_UNITS_MM[units & 7] ?? 1;
  const timeUnitMs = TIME_UNITS_MS[units & 0x38];
  const stated = [80, 84, 88].map((at) => Math.abs(float32(at)) * unitMm);
  const affine = affineOf(
    view,
    littleEndian,
    stated.map((one) => one || 1),
    unitMm,
  );
  const spacing = stated.map((mm, axis) =>
    Number.isFinite(mm) && mm > 0 ? mm : Math.hypot(...[0, 4, 8].map((row) => affine[row + axis] ?? 0)),
  );
  const repetitionTimeMs = others[0] !== 1 && timeUnitMs !== undefined ? float32(92) * timeUnitMs : 0;
  return {
    littleEndian,
    dims: [x, y, z, others.reduce((a, b) => a * b, 1)],
    spacingMm: [spacing[0] ?? 1, spacing[1] ?? 1, spacing[2] ?? 1],
    affine,
    type,
    start,
    slope: isScaled ? float32(112) : 1,
    intercept: isScaled && Number.isFinite(intercept) ? intercept : 0,
    ...(repetitionTimeMs > 0 && Number.isFinite(repetitionTimeMs) ? { repetitionTimeMs } : {}),
  };
}

function isLittleEndian(view: DataView): boolean {
  const [little, big] = [view.getInt32(0, true), view.getInt32(0, false)];
  if (little === HEADER_BYTES) return true;
  if (big === HEADER_BYTES) return false;
  throw unreadable(
    little === NIFTI_2_HEADER_BYTES || big === NIFTI_2_HEADER_BYTES ? 'NIfTI-2 is not read' : 'not NIfTI-1',
  );
}

/** nifti1.h, methods 3, 2 and 1 of orientation, in this order of trust; a method whose matrix is none is passed by. Row-major, RAS. */
function affineOf(
  view: DataView,
  littleEndian: boolean,
  spacing: readonly number[],
  unitMm: number,
): readonly number[] {
  const float32 = (offset: number) => view.getFloat32(offset, littleEndian);
  const isUsable = (matrix: readonly number[]) =>
    matrix.every((one) => Math.abs(one) <= MAX_MM) && Math.abs(determinant(matrix)) > 1e-12;
  const [sx = 1, sy = 1, sz = 1] = spacing;
  if (view.getInt16(254, littleEndian) > 0) {
    const sform = [...Array.from({ length: 12 }, (_, i) => float32(280 + 4 * i) * unitMm), 0, 0, 0, 1];
    if (isUsable(sform)) return sform;
  }
  if (view.getInt16(252, littleEndian) > 0) {
    // nifti1.h: where rounding made the three longer than one together, they are a half turn.
    const by = 1 / Math.max(1, Math.hypot(float32(256), float32(260), float32(264)));
    const [b, c, d] = [float32(256) * by, float32(260) * by, float32(264) * by];
    const a = Math.sqrt(Math.max(0, 1 - b * b - c * c - d * d));
    const [x, y, z] = [float32(268) * unitMm, float32(272) * unitMm, float32(276) * unitMm];
    const qz = (float32(76) < 0 ? -1 : 1) * sz;
    const qform = [
      (a * a + b * b - c * c - d * d) * sx, 2 * (b * c - a * d) * sy, 2 * (b * d + a * c) * qz, x,
      2 * (b * c + a * d) * sx, (a * a + c * c - b * b - d * d) * sy, 2 * (c * d - a * b) * qz, y,
      2 * (b * d - a * c) * sx, 2 * (c * d + a * b) * sy, (a * a + d * d - b * b - c * c) * qz, z,
      0, 0, 0, 1,
    ]; // prettier-ignore
    if (isUsable(qform)) return qform;
  }
  const plain = [sx, 0, 0, 0, 0, sy, 0, 0, 0, 0, sz, 0, 0, 0, 0, 1];
  if (!isUsable(plain)) throw unreadable('its voxels have no size');
  return plain;
}

/** Right and anterior become left and posterior. */
function toLps(ras: readonly number[]): readonly number[] {
  return ras.map((value, index) => (index < 8 && value !== 0 ? -value : value));
}

/** As much of the beginning as `FIRST_BYTES` of the file unpack to: how large the rest is, the header says. */
function firstBytes(file: Uint8Array): Uint8Array {
  try {
    return gunzipSync(file.subarray(0, FIRST_BYTES), { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    throw new HubError('dataset.unreadable', { reason: 'gzip is damaged' }, error);
  }
}

function unzip(file: Uint8Array, maxOutputLength: number): Uint8Array {
  try {
    return gunzipSync(file, { maxOutputLength });
  } catch (error) {
    throw new HubError('dataset.unreadable', { reason: 'gzip is damaged or cut off' }, error);
  }
}

const unreadable = (reason: string): HubError => new HubError('dataset.unreadable', { reason });
