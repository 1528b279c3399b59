/**
 * Compressed pixel data has room for text of its own: comment and application segments, metadata boxes. Pixels are
 * copied untouched, so a stream with anything but pixels in it, other than what encoders are known to sign, is held.
 */
import { isEncoderNote, jpegText } from './jpeg-stream.ts';
import { rleText } from './rle-frame.ts';

const RLE = '1.2.840.10008.1.2.5';

/** ISO/IEC 15444-1 Table A.2, 15444-2 Table A.2, 15444-15: what may stand in front of the data of an image. */
const JPEG_2000_MARKERS = new Set([
  ...[0xff50, 0xff51, 0xff52, 0xff53, 0xff55, 0xff56, 0xff57, 0xff58, 0xff59, 0xff5c, 0xff5d, 0xff5e, 0xff5f],
  ...[0xff60, 0xff61, 0xff63, 0xff64, 0xff74, 0xff75, 0xff76, 0xff77, 0xff78, 0xff90],
]);

/**
 * @param stream - of one frame, its fragments one after the other
 * @param planeBytes - rows × columns; `undefined` where the header does not say
 * @returns fixed words, or `undefined`
 */
export function hiddenText(stream: Uint8Array, transferSyntaxUid: string, planeBytes?: number): string | undefined {
  if (stream.length === 0) return undefined;
  if (transferSyntaxUid === RLE) return rleText(stream, planeBytes);
  const family = Number(/^1\.2\.840\.10008\.1\.2\.4\.(\d+)$/.exec(transferSyntaxUid)?.[1] ?? 0);
  if (family >= 50 && family <= 81) return jpegText(stream, family >= 80);
  if ((family >= 90 && family <= 93) || (family >= 201 && family <= 203)) return jpeg2000Text(stream);
  if (family >= 110 && family <= 112) return jpegXlText(stream);
  return 'compressed pixel data that cannot be looked through';
}

/**
 * The Basic Offset Table says where frames begin (PS3.5 Section A.4): numbers that rise, within the stream.
 *
 * @param streamBytes - of all fragments behind it, with their item headers
 */
export function isOffsetTable(table: Uint8Array, streamBytes: number): boolean {
  if (table.length % 4 !== 0) return false;
  const view = new DataView(table.buffer, table.byteOffset, table.length);
  for (let at = 0; at < table.length; at += 4) if (view.getUint32(at, true) > streamBytes) return false;
  return true;
}

/** True for a fragment that begins an image of its own: JPEG and JPEG-LS, JPEG 2000, JPEG XL; of RLE each does. */
export function beginsFrame(fragment: Uint8Array, transferSyntaxUid: string): boolean {
  if (transferSyntaxUid === RLE) return true;
  const mark = uint16(fragment, 0);
  return mark === 0xffd8 || mark === 0xff4f || mark === 0xff0a;
}

/** ISO/IEC 15444-1 Annex A and I. */
function jpeg2000Text(stream: Uint8Array): string | undefined {
  let offset = 0;
  while (offset < stream.length) {
    const word = uint16(stream, offset);
    if (word === 0xff4f) {
      const end = codestreamEnd(stream, offset);
      if (typeof end === 'string') return end;
      offset = end;
    } else if (ascii(stream.subarray(offset + 4, offset + 8)) === 'jP  ')
      return 'a JPEG 2000 file inside the pixel data';
    else if (stream[offset] === 0) offset += 1;
    else return 'bytes that are no image in a JPEG 2000 stream';
  }
  return undefined;
}

function codestreamEnd(stream: Uint8Array, start: number): number | string {
  let offset = start + 2;
  let tilePartEnd = 0;
  while (offset + 2 <= stream.length) {
    const marker = uint16(stream, offset);
    if (marker === 0xffd9) return offset + 2;
    if (marker === 0xff93) {
      // Start of data: the tile part says how long it is; 0 is up to the end of the codestream.
      offset = tilePartEnd > 0 ? tilePartEnd : lastEndOfCodestream(stream, offset);
      continue;
    }
    const length = uint16(stream, offset + 2);
    if (!JPEG_2000_MARKERS.has(marker) || length < 2) return 'bytes that are no image in a JPEG 2000 stream';
    if (marker === 0xff90) {
      const size = (uint16(stream, offset + 6) * 0x10000 + uint16(stream, offset + 8)) >>> 0;
      tilePartEnd = size === 0 ? 0 : offset + size;
    }
    // After the length: Rcom, 1 for Latin text.
    if (marker === 0xff64 && !isEncoderNote(stream.subarray(offset + 6, offset + 2 + length)))
      return 'a comment in a JPEG 2000 stream';
    offset += 2 + length;
  }
  return 'a JPEG 2000 stream that does not end';
}

function lastEndOfCodestream(stream: Uint8Array, from: number): number {
  const at = Buffer.from(stream.buffer, stream.byteOffset, stream.byteLength).lastIndexOf(Uint8Array.of(0xff, 0xd9));
  return at > from ? at : stream.length;
}

/** ISO/IEC 18181-2: a bare codestream has no room for text; a container does. */
function jpegXlText(stream: Uint8Array): string | undefined {
  return uint16(stream, 0) === 0xff0a ? undefined : 'a JPEG XL container';
}

function ascii(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function uint16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}
