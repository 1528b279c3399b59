/** Stored values of one frame: 8, 16 and 32 bit of either sign, decoded and in little endian. */

export interface PixelFormat {
  readonly rows: number;
  readonly columns: number;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly highBit: number;
  readonly isSigned: boolean;
}

export function isReadable(format: PixelFormat): boolean {
  const { rows, columns, bitsAllocated, bitsStored, highBit } = format;
  return (
    rows > 0 &&
    columns > 0 &&
    (bitsAllocated === 8 || bitsAllocated === 16 || bitsAllocated === 32) &&
    bitsStored >= 1 &&
    bitsStored <= bitsAllocated &&
    highBit >= bitsStored - 1 &&
    highBit < bitsAllocated
  );
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
  target: Float32Array,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // PS3.5 Section 8.1.1: what stands outside Bits Stored may be anything (old overlays); both shifts drop it, the second extends the sign.
  const left = 31 - format.highBit;
  const right = 32 - format.bitsStored;
  const read =
    format.bitsAllocated === 8
      ? (i: number) => view.getUint8(i)
      : format.bitsAllocated === 16
        ? (i: number) => view.getUint16(i * 2, true)
        : (i: number) => view.getUint32(i * 4, true);
  for (let i = 0; i < target.length; i++) {
    const shifted = read(i) << left;
    target[i] = (format.isSigned ? shifted >> right : shifted >>> right) * slope + intercept;
  }
}
