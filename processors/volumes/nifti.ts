/** Reads NIfTI-1 (nifti1.h), plain or gzip: what research tools leave lying beside the DICOM. */
import { gunzipSync } from 'node:zlib';
import { DataSet } from '../../core/dicom/data-set.ts';
import { HubError } from '../../core/errors.ts';
import type { Triple, Volume } from './volume.ts';

const HEADER_BYTES = 348;
const MAX_BYTES = 2 ** 31;

type Reader = (view: DataView, offset: number, littleEndian: boolean) => number;
/** By `datatype`. Complex and RGB are no magnitude images. */
const DATATYPES: Readonly<Record<number, { readonly bytes: number; readonly read: Reader }>> = {
  2: { bytes: 1, read: (view, offset) => view.getUint8(offset) },
  4: { bytes: 2, read: (view, offset, le) => view.getInt16(offset, le) },
  8: { bytes: 4, read: (view, offset, le) => view.getInt32(offset, le) },
  16: { bytes: 4, read: (view, offset, le) => view.getFloat32(offset, le) },
  64: { bytes: 8, read: (view, offset, le) => view.getFloat64(offset, le) },
  256: { bytes: 1, read: (view, offset) => view.getInt8(offset) },
  512: { bytes: 2, read: (view, offset, le) => view.getUint16(offset, le) },
  768: { bytes: 4, read: (view, offset, le) => view.getUint32(offset, le) },
};

/**
 * A volume on the grid as stored, axes in the file's order.
 *
 * @throws {HubError} `dataset.unreadable` with a `reason`
 */
export function readNifti(file: Uint8Array): Volume {
  const bytes = file[0] === 0x1f && file[1] === 0x8b ? unzip(file) : file;
  if (bytes.length < HEADER_BYTES) throw unreadable('too short for a NIfTI header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const littleEndian = view.getInt32(0, true) === HEADER_BYTES;
  if (!littleEndian && view.getInt32(0, false) !== HEADER_BYTES) throw unreadable('not NIfTI-1');
  const int16 = (offset: number) => view.getInt16(offset, littleEndian);
  const float32 = (offset: number) => view.getFloat32(offset, littleEndian);

  const size = (axis: number) => (axis <= int16(40) ? Math.max(1, int16(40 + 2 * axis)) : 1);
  const dims = [size(1), size(2), size(3), size(4) * size(5) * size(6) * size(7)] as const;
  const spacingMm: Triple = [Math.abs(float32(80)) || 1, Math.abs(float32(84)) || 1, Math.abs(float32(88)) || 1];
  const type = DATATYPES[int16(70)];
  if (type === undefined) throw unreadable(`data type ${int16(70)} is not read`);
  const start = Math.max(HEADER_BYTES, Math.round(float32(108)));
  const count = dims[0] * dims[1] * dims[2] * dims[3];
  if (start + count * type.bytes > bytes.length) throw unreadable('fewer voxels than the header says');

  // nifti1.h: a slope of 0 means that the values are not scaled.
  const slope = float32(112);
  const intercept = slope === 0 || !Number.isFinite(slope) ? 0 : float32(116);
  const factor = slope === 0 || !Number.isFinite(slope) ? 1 : slope;
  const data = new Float32Array(count);
  for (let i = 0; i < count; i++) data[i] = type.read(view, start + i * type.bytes, littleEndian) * factor + intercept;

  return {
    studyInstanceUid: '',
    seriesInstanceUid: '',
    dims,
    spacingMm,
    data,
    affine: toLps(orientation(view, littleEndian, spacingMm)),
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
  };
}

/** nifti1.h, methods 3, 2 and 1 of orientation, in this order of trust. Row-major, RAS. */
function orientation(view: DataView, littleEndian: boolean, spacing: Triple): readonly number[] {
  const float32 = (offset: number) => view.getFloat32(offset, littleEndian);
  if (view.getInt16(254, littleEndian) > 0)
    return [...Array.from({ length: 12 }, (_, i) => float32(280 + 4 * i)), 0, 0, 0, 1];
  const [sx, sy, sz] = spacing;
  if (view.getInt16(252, littleEndian) <= 0) return [sx, 0, 0, 0, 0, sy, 0, 0, 0, 0, sz, 0, 0, 0, 0, 1];
  const [b, c, d] = [float32(256), float32(260), float32(264)];
  const a = Math.sqrt(Math.max(0, 1 - b * b - c * c - d * d));
  const qz = (float32(76) < 0 ? -1 : 1) * sz;
  return [
    (a * a + b * b - c * c - d * d) * sx, 2 * (b * c - a * d) * sy, 2 * (b * d + a * c) * qz, float32(268),
    2 * (b * c + a * d) * sx, (a * a + c * c - b * b - d * d) * sy, 2 * (c * d - a * b) * qz, float32(272),
    2 * (b * d - a * c) * sx, 2 * (c * d + a * b) * sy, (a * a + d * d - b * b - c * c) * qz, float32(276),
    0, 0, 0, 1,
  ]; // prettier-ignore
}

/** Right and anterior become left and posterior. */
function toLps(ras: readonly number[]): readonly number[] {
  return ras.map((value, index) => (index < 8 && value !== 0 ? -value : value));
}

function unzip(file: Uint8Array): Uint8Array {
  try {
    return gunzipSync(file, { maxOutputLength: MAX_BYTES });
  } catch (error) {
    throw new HubError('dataset.unreadable', { reason: 'gzip is damaged' }, error);
  }
}

const unreadable = (reason: string): HubError => new HubError('dataset.unreadable', { reason });
