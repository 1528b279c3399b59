/** What a NIfTI-1 file is to hold; without it 3 × 2 × 2 voxels of 2 × 3 × 4 mm with no orientation. */
export interface MadeNifti {
  readonly datatype?: number;
  readonly littleEndian?: boolean;
  readonly dims?: readonly number[];
  readonly pixdim?: readonly number[];
  readonly slope?: number;
  readonly intercept?: number;
  readonly units?: number;
  readonly sform?: readonly number[];
  readonly quaternion?: readonly number[];
  readonly codes?: { readonly sform: number; readonly qform: number };
  readonly magic?: string;
  readonly values?: readonly number[];
}
type Writer = (view: DataView, offset: number, value: number, littleEndian: boolean) => void;
const WRITERS: Readonly<Record<number, readonly [number, Writer]>> = {
  2: [1, (view, offset, value) => view.setUint8(offset, value)],
  4: [2, (view, offset, value, le) => view.setInt16(offset, value, le)],
  8: [4, (view, offset, value, le) => view.setInt32(offset, value, le)],
  16: [4, (view, offset, value, le) => view.setFloat32(offset, value, le)],
  64: [8, (view, offset, value, le) => view.setFloat64(offset, value, le)],
  256: [1, (view, offset, value) => view.setInt8(offset, value)],
  512: [2, (view, offset, value, le) => view.setUint16(offset, value, le)],
  768: [4, (view, offset, value, le) => view.setUint32(offset, value, le)],
  1024: [8, (view, offset, value, le) => view.setBigInt64(offset, BigInt(value), le)],
  1280: [8, (view, offset, value, le) => view.setBigUint64(offset, BigInt(value), le)],
};

/** Scalar types there are. */
export const NIFTI_DATATYPES = Object.keys(WRITERS).map(Number);

/** A file as nifti1.h lays it out. */
export function nifti(made: MadeNifti = {}): Buffer {
  const { datatype = 4, littleEndian: le = true, dims = [3, 2, 2], slope = 0, intercept = 0, units = 10 } = made;
  const count = dims.reduce((a, b) => a * b, 1);
  const { values = Array.from({ length: count }, (_, i) => i + 1) } = made;
  const [size, write] = WRITERS[datatype] ?? [4, () => undefined];
  const file = Buffer.alloc(352 + values.length * size);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  view.setInt32(0, 348, le);
  [dims.length, ...dims].forEach((value, i) => view.setInt16(40 + 2 * i, value, le));
  view.setInt16(70, datatype, le);
  (made.pixdim ?? [1, 2, 3, 4, 1.5]).forEach((value, i) => view.setFloat32(76 + 4 * i, value, le));
  [352, slope, intercept].forEach((value, i) => view.setFloat32(108 + 4 * i, value, le));
  view.setUint8(123, units);
  if (made.quaternion !== undefined) {
    view.setInt16(252, made.codes?.qform ?? 1, le);
    made.quaternion.forEach((value, i) => view.setFloat32(256 + 4 * i, value, le));
  }
  if (made.sform !== undefined) {
    view.setInt16(254, made.codes?.sform ?? 1, le);
    made.sform.forEach((value, i) => view.setFloat32(280 + 4 * i, value, le));
  }
  file.write(made.magic ?? 'n+1\0', 344, 'latin1');
  values.forEach((value, i) => write(view, 352 + i * size, value, le));
  return file;
}
