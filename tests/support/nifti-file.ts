import { gunzipSync } from 'node:zlib';

/** A NIfTI-1 file as bytes say it, read without the hub's own reader: little endian, scalar types. */
export interface NiftiFile {
  /** Without the sizes of 1 at the end. */
  readonly dims: readonly number[];
  readonly datatype: number;
  readonly pixdim: readonly number[];
  readonly slope: number;
  readonly intercept: number;
  readonly units: number;
  readonly sliceCode: number;
  readonly dimInfo: number;
  readonly codes: { readonly qform: number; readonly sform: number };
  /** Three rows of four. */
  readonly sform: readonly number[];
  /** As the quaternion says it, in the same form. */
  readonly qform: readonly number[];
  /** What stands in the file, unscaled. */
  readonly stored: Float64Array;
}

type Reader = (view: DataView, index: number) => number;
const READERS: Readonly<Record<number, Reader>> = {
  2: (view, i) => view.getUint8(i),
  4: (view, i) => view.getInt16(i * 2, true),
  8: (view, i) => view.getInt32(i * 4, true),
  16: (view, i) => view.getFloat32(i * 4, true),
  256: (view, i) => view.getInt8(i),
  512: (view, i) => view.getUint16(i * 2, true),
  768: (view, i) => view.getUint32(i * 4, true),
};

export function parseNifti(file: Uint8Array): NiftiFile {
  const bytes = file[0] === 0x1f ? gunzipSync(file) : file;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const int16s = (offset: number, count: number) =>
    Array.from({ length: count }, (_, i) => view.getInt16(offset + 2 * i, true));
  const float32s = (offset: number, count: number) =>
    Array.from({ length: count }, (_, i) => view.getFloat32(offset + 4 * i, true));
  const [dimensions = 0, ...sizes] = int16s(40, 8);
  const dims = sizes.slice(0, dimensions);
  const [datatype = 0] = int16s(70, 1);
  const [start = 0, slope = 0, intercept = 0] = float32s(108, 3);
  const [qform = 0, sform = 0] = int16s(252, 2);
  const read = READERS[datatype];
  if (read === undefined) throw new TypeError(`data type ${datatype}`);
  const voxels = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.byteLength - start);
  const count = dims.reduce((a, b) => a * b, 1);
  const pixdim = float32s(76, 8);
  return {
    dims,
    datatype,
    pixdim,
    slope,
    intercept,
    units: view.getUint8(123),
    sliceCode: view.getUint8(122),
    dimInfo: view.getUint8(39),
    codes: { qform, sform },
    sform: float32s(280, 12),
    qform: matrixOf(float32s(256, 6), pixdim),
    stored: Float64Array.from({ length: count }, (_, i) => read(voxels, i)),
  };
}

/** nifti1.h, method 2. */
function matrixOf(quatern: readonly number[], pixdim: readonly number[]): readonly number[] {
  const [b = 0, c = 0, d = 0, x = 0, y = 0, z = 0] = quatern;
  const [qfac = 1, dx = 1, dy = 1, dz = 1] = pixdim;
  const a = Math.sqrt(Math.max(0, 1 - b * b - c * c - d * d));
  const f = qfac < 0 ? -dz : dz;
  return [
    ...[(a * a + b * b - c * c - d * d) * dx, 2 * (b * c - a * d) * dy, 2 * (b * d + a * c) * f, x],
    ...[2 * (b * c + a * d) * dx, (a * a + c * c - b * b - d * d) * dy, 2 * (c * d - a * b) * f, y],
    ...[2 * (b * d - a * c) * dx, 2 * (c * d + a * b) * dy, (a * a + d * d - c * c - b * b) * f, z],
  ];
}
