/** What stands in a frame of RLE Lossless besides its samples (PS3.5 Annex G): decoders stop where the image is full. */

const HEADER_BYTES = 64;
const MOST_SEGMENTS = 15;

/**
 * @param frame - one fragment: of RLE each is a frame (PS3.5 Section A.4.2)
 * @param planeBytes - rows × columns: what a segment decodes to; `undefined` where the header does not say
 * @returns fixed words, or `undefined`
 */
export function rleText(frame: Uint8Array, planeBytes: number | undefined): string | undefined {
  const starts = segmentStarts(frame);
  if (starts === undefined || planeBytes === undefined) return 'bytes that are no image in an RLE stream';
  for (const [index, start] of starts.entries()) {
    const segment = frame.subarray(start, starts[index + 1] ?? frame.length);
    const rest = segment.subarray(encodedBytes(segment, planeBytes));
    // Padding to an even length; 0x80 is a code that says nothing.
    if (!rest.every((byte) => byte === 0 || byte === 0x80)) return 'bytes behind the image in an RLE stream';
  }
  return undefined;
}

/** The RLE header: how many segments, and where they begin, one behind the other; what it does not need is zero. */
function segmentStarts(frame: Uint8Array): readonly number[] | undefined {
  if (frame.length < HEADER_BYTES) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, HEADER_BYTES);
  const count = view.getUint32(0, true);
  if (count === 0 || count > MOST_SEGMENTS) return undefined;
  const words = Array.from({ length: MOST_SEGMENTS }, (_, index) => view.getUint32(4 + 4 * index, true));
  const starts = words.slice(0, count);
  const isInRow = starts.every((start, index) => start >= (starts[index - 1] ?? HEADER_BYTES) && start <= frame.length);
  return starts[0] === HEADER_BYTES && isInRow && words.slice(count).every((word) => word === 0) ? starts : undefined;
}

/** Bytes of a segment that decode to so many samples (PS3.5 Section G.3.2). */
function encodedBytes(segment: Uint8Array, planeBytes: number): number {
  let at = 0;
  let decoded = 0;
  while (at < segment.length && decoded < planeBytes) {
    const code = segment[at] ?? 0;
    if (code < 0x80) {
      decoded += code + 1;
      at += code + 2;
    } else if (code > 0x80) {
      decoded += 257 - code;
      at += 2;
    } else at += 1;
  }
  return at;
}
