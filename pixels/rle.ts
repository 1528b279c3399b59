/** RLE Lossless (PS3.5 Annex G). */

interface RleFormat {
  readonly rows: number;
  readonly columns: number;
  readonly bitsAllocated: number;
  readonly samplesPerPixel?: number;
}

/** PS3.5 Section G.5: the number of segments and 15 offsets. */
const HEADER_BYTES = 64;

/**
 * Decodes one RLE frame to native little endian bytes, the samples of a pixel one behind another.
 *
 * @returns `undefined` when the frame is damaged
 */
export function decodeRle(frame: Uint8Array, format: RleFormat): Uint8Array | undefined {
  if (frame.length < HEADER_BYTES) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const samplesPerPixel = format.samplesPerPixel ?? 1;
  const bytesPerSample = format.bitsAllocated / 8;
  const stride = bytesPerSample * samplesPerPixel;
  if (view.getUint32(0, true) !== stride || stride > 15) return undefined;
  const pixels = format.rows * format.columns;
  const native = new Uint8Array(pixels * stride);
  for (let segment = 0; segment < stride; segment++) {
    const start = view.getUint32(4 + 4 * segment, true);
    const sample = Math.floor(segment / bytesPerSample);
    // PS3.5 Section G.2: sample by sample, of each the most significant byte of all pixels first.
    const offset = sample * bytesPerSample + bytesPerSample - 1 - (segment % bytesPerSample);
    if (!unpackSegment(frame, start, native, offset, stride, pixels)) return undefined;
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
