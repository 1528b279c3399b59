/** Stored values of one frame: native 8, 16 and 32 bit of either sign and byte order, and RLE (PS3.5 Annex G). */

export interface PixelFormat {
  readonly rows: number;
  readonly columns: number;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly highBit: number;
  readonly isSigned: boolean;
  readonly isBigEndian: boolean;
}

export function frameSizeBytes(format: PixelFormat): number {
  return format.rows * format.columns * (format.bitsAllocated / 8);
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
 * @param bytes - at least `frameSizeBytes(format)` bytes, not retained
 */
export function readFrame(
  bytes: Uint8Array,
  format: PixelFormat,
  slope: number,
  intercept: number,
  target: Float32Array,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const littleEndian = !format.isBigEndian;
  // PS3.5 Section 8.1.1: what stands outside Bits Stored may be anything (old overlays); both shifts drop it, the second extends the sign.
  const left = 31 - format.highBit;
  const right = 32 - format.bitsStored;
  const read =
    format.bitsAllocated === 8
      ? (i: number) => view.getUint8(i)
      : format.bitsAllocated === 16
        ? (i: number) => view.getUint16(i * 2, littleEndian)
        : (i: number) => view.getUint32(i * 4, littleEndian);
  for (let i = 0; i < target.length; i++) {
    const shifted = read(i) << left;
    target[i] = (format.isSigned ? shifted >> right : shifted >>> right) * slope + intercept;
  }
}

/**
 * Decodes one RLE frame to native little endian bytes.
 *
 * @returns `undefined` when the frame is damaged
 */
export function decodeRle(frame: Uint8Array, format: PixelFormat): Uint8Array | undefined {
  if (frame.length < 64) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const bytesPerPixel = format.bitsAllocated / 8;
  if (view.getUint32(0, true) !== bytesPerPixel) return undefined;
  const pixels = format.rows * format.columns;
  const native = new Uint8Array(pixels * bytesPerPixel);
  for (let segment = 0; segment < bytesPerPixel; segment++) {
    const start = view.getUint32(4 + 4 * segment, true);
    // PS3.5 Annex G.2: the most significant byte of all pixels comes first.
    if (!unpackSegment(frame, start, native, bytesPerPixel - 1 - segment, bytesPerPixel, pixels)) return undefined;
  }
  return native;
}

function unpackSegment(
  frame: Uint8Array,
  start: number,
  native: Uint8Array,
  offset: number,
  stride: number,
  pixels: number,
): boolean {
  let source = start;
  let pixel = 0;
  while (pixel < pixels) {
    const control = frame[source++];
    if (control === undefined) return false;
    if (control === 128) continue;
    const isRun = control > 128;
    const count = Math.min(isRun ? 257 - control : control + 1, pixels - pixel);
    if (source + (isRun ? 1 : count) > frame.length) return false;
    for (let i = 0; i < count; i++) native[(pixel + i) * stride + offset] = frame[isRun ? source : source + i] ?? 0;
    pixel += count;
    source += isRun ? 1 : control + 1;
  }
  return true;
}
