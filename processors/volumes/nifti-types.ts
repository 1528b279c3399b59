/** Data types of NIfTI-1 (nifti1.h), by their codes, and what else both its reader and its writer have to know. */
import type { StoredAs } from './volume.ts';

export const HEADER_BYTES = 348;
export const NIFTI_2_HEADER_BYTES = 540;
/** Where voxels begin when nothing stands between: the header and four bytes that say there are no extensions. */
export const VOXEL_OFFSET = 352;
export const MAGIC = 'n+1\0';

type Reader = (view: DataView, offset: number, littleEndian: boolean) => number;
export interface NiftiType {
  readonly bytes: number;
  readonly read: Reader;
  /** Absent for what is no integer of up to 32 bits. */
  readonly stored?: StoredAs['type'];
}

/** Scalar types; 64-bit integers lose what a float64 cannot hold. */
export const NIFTI_TYPES: Readonly<Record<number, NiftiType>> = {
  2: { bytes: 1, read: (view, offset) => view.getUint8(offset), stored: 'uint8' },
  4: { bytes: 2, read: (view, offset, le) => view.getInt16(offset, le), stored: 'int16' },
  8: { bytes: 4, read: (view, offset, le) => view.getInt32(offset, le), stored: 'int32' },
  16: { bytes: 4, read: (view, offset, le) => view.getFloat32(offset, le) },
  64: { bytes: 8, read: (view, offset, le) => view.getFloat64(offset, le) },
  256: { bytes: 1, read: (view, offset) => view.getInt8(offset), stored: 'int8' },
  512: { bytes: 2, read: (view, offset, le) => view.getUint16(offset, le), stored: 'uint16' },
  768: { bytes: 4, read: (view, offset, le) => view.getUint32(offset, le), stored: 'uint32' },
  1024: { bytes: 8, read: (view, offset, le) => Number(view.getBigInt64(offset, le)) },
  1280: { bytes: 8, read: (view, offset, le) => Number(view.getBigUint64(offset, le)) },
};

/** What is no grid of one number a voxel, for the sentence that says so. */
export const UNREAD_TYPES: Readonly<Record<number, string>> = {
  1: 'single bits',
  32: 'complex numbers',
  128: 'colours',
  1536: '128-bit numbers',
  1792: 'complex numbers',
  2048: 'complex numbers',
  2304: 'colours',
};

/** Code and array of each type that is written. */
export const WRITTEN = {
  uint8: { code: 2, array: Uint8Array },
  int8: { code: 256, array: Int8Array },
  int16: { code: 4, array: Int16Array },
  uint16: { code: 512, array: Uint16Array },
  int32: { code: 8, array: Int32Array },
  uint32: { code: 768, array: Uint32Array },
  float32: { code: 16, array: Float32Array },
} as const;

/** xyzt_units: the low three bits are of space, in millimetres; the next three of time, in milliseconds. */
export const SPACE_UNITS_MM: Readonly<Record<number, number>> = { 1: 1000, 2: 1, 3: 0.001 };
export const TIME_UNITS_MS: Readonly<Record<number, number>> = { 8: 1000, 16: 1, 24: 0.001 };
