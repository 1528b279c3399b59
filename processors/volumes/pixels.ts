/** Stored values of one frame: integers of 8, 16 and 32 bit of either sign and IEEE 754 numbers, decoded and in little endian. */
import type { StoredAs } from './volume.ts';

export interface PixelFormat {
  readonly rows: number;
  readonly columns: number;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly highBit: number;
  readonly isSigned: boolean;
  readonly isFloat: boolean;
}

/** What values are read into. */
export type Numbers = Float32Array | Uint8Array | Int8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;

export function isReadable(format: PixelFormat): boolean {
  const { rows, columns, bitsAllocated, bitsStored, highBit, isFloat } = format;
  if (!(rows > 0) || !(columns > 0)) return false;
  if (isFloat) return bitsAllocated === 32 || bitsAllocated === 64;
  return (
    (bitsAllocated === 8 || bitsAllocated === 16 || bitsAllocated === 32) &&
    bitsStored >= 1 &&
    bitsStored <= bitsAllocated &&
    highBit >= bitsStored - 1 &&
    highBit < bitsAllocated
  );
}

/** The smallest integers that hold all stored values; signed ones where they do, for most tools expect them. */
export function integersFor({ bitsAllocated, bitsStored, isSigned }: PixelFormat): StoredAs['type'] {
  if (bitsAllocated === 8) return isSigned ? 'int8' : 'uint8';
  if (bitsStored < 16 || (bitsStored === 16 && isSigned)) return 'int16';
  if (bitsStored === 16) return 'uint16';
  return bitsStored < 32 || isSigned ? 'int32' : 'uint32';
}

/**
 * Reads one frame into `target` as `stored × slope + intercept`.
 *
 * @param bytes - of the whole frame, not retained
 */
export function readFrame(
  bytes: Uint8Array,
  format: PixelFormat,
  slope: number,
  intercept: number,
  target: Numbers,
): void {
  if (format.bitsAllocated === 16 && !format.isFloat) {
    readWords(wordsOf(bytes, target.length), format, slope, intercept, target);
    return;
  }
  const read = readerOf(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), format);
  for (let i = 0; i < target.length; i++) target[i] = read(i) * slope + intercept;
}

/** Nearly all of what a scanner stores: a loop of its own, for it is run once a voxel. */
function readWords(words: Uint16Array, format: PixelFormat, slope: number, intercept: number, target: Numbers): void {
  const left = 31 - format.highBit;
  const right = 32 - format.bitsStored;
  if (format.isSigned)
    for (let i = 0; i < target.length; i++) target[i] = (((words[i] ?? 0) << left) >> right) * slope + intercept;
  else for (let i = 0; i < target.length; i++) target[i] = (((words[i] ?? 0) << left) >>> right) * slope + intercept;
}

/** Where they lie if they begin at an even place, else copied; every processor that this runs on is little-endian. */
function wordsOf(bytes: Uint8Array, count: number): Uint16Array {
  // Fewer than that is damage that the caller was to find.
  if (bytes.byteLength < 2 * count) throw new RangeError('a frame is shorter than its pixels');
  const { buffer, byteOffset } = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(buffer, byteOffset, count);
}

function readerOf(view: DataView, format: PixelFormat): (index: number) => number {
  const { bitsAllocated, isFloat, isSigned } = format;
  if (isFloat) return bitsAllocated === 64 ? (i) => view.getFloat64(i * 8, true) : (i) => view.getFloat32(i * 4, true);
  // PS3.5 Section 8.1.1: what stands outside Bits Stored may be anything (old overlays); both shifts drop it, the second extends the sign.
  const left = 31 - format.highBit;
  const right = 32 - format.bitsStored;
  const stored = bitsAllocated === 8 ? (i: number) => view.getUint8(i) : (i: number) => view.getUint32(i * 4, true);
  return isSigned ? (i) => (stored(i) << left) >> right : (i) => (stored(i) << left) >>> right;
}
