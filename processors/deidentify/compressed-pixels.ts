/**
 * Compressed pixel data has room for text of its own: comment and application segments, metadata boxes. Pixels are
 * copied untouched, so a stream with anything but pixels in it, other than what encoders are known to sign, is held.
 */

/** What encoders write about themselves, and nothing but that. */
const ENCODER_NOTES =
  /^(?:created by |creator: |kakadu|openjpeg|openjph|jasper|lead technologies|leadtools|accusoft|aware|pegasus|pictools|ijg|grok|lavc|intel|dcmtk|offis|hp |charls|matrox)[\w .,:;()/+-]{0,60}$/i;

/** @param stream - all fragments behind the offset table, one after the other. @returns fixed words, or `undefined` */
export function hiddenText(stream: Uint8Array, transferSyntaxUid: string): string | undefined {
  const family = Number(/^1\.2\.840\.10008\.1\.2\.4\.(\d+)$/.exec(transferSyntaxUid)?.[1] ?? 0);
  if (family >= 50 && family <= 81) return jpegText(stream, family >= 80);
  if ((family >= 90 && family <= 93) || (family >= 201 && family <= 203)) return jpeg2000Text(stream);
  if (family >= 110 && family <= 112) return jpegXlText(stream);
  return undefined;
}

/** True for a fragment that begins an image of its own: JPEG and JPEG-LS, JPEG 2000, JPEG XL. */
export function beginsFrame(fragment: Uint8Array): boolean {
  const mark = uint16(fragment, 0);
  return mark === 0xffd8 || mark === 0xff4f || mark === 0xff0a;
}

/** ISO/IEC 10918-1 Annex B, 14495-1 Annex C. */
function jpegText(stream: Uint8Array, isLossless: boolean): string | undefined {
  let offset = 0;
  let isInScan = false;
  let isInImage = false;
  while (offset < stream.length) {
    if (isInScan) {
      offset = stream.indexOf(0xff, offset);
      if (offset < 0 || offset + 1 >= stream.length) return undefined;
      const next = stream[offset + 1] ?? 0;
      // A stuffed byte, a restart marker, or fill.
      const isData = isLossless ? next < 0x80 : next === 0x00;
      if (isData || (next >= 0xd0 && next <= 0xd7)) offset += 2;
      else if (next === 0xff) offset += 1;
      else isInScan = false;
      continue;
    }
    if (stream[offset] !== 0xff) {
      if (isInImage || stream[offset] !== 0x00) return 'bytes that are no image in a JPEG stream';
      offset += 1;
      continue;
    }
    const marker = stream[offset + 1] ?? 0;
    if (marker === 0xff) {
      offset += 1;
      continue;
    }
    offset += 2;
    if (marker === 0xd8) isInImage = true;
    else if (marker === 0xd9) isInImage = false;
    else if (marker !== 0x01 && !(marker >= 0xd0 && marker <= 0xd7)) {
      const length = ((stream[offset] ?? 0) << 8) | (stream[offset + 1] ?? 0);
      const payload = stream.subarray(offset + 2, offset + length);
      if (marker === 0xfe && !isEncoderNote(payload)) return 'a comment in a JPEG stream';
      if (marker >= 0xe0 && marker <= 0xef && !isKnownSegment(marker, payload))
        return 'an application segment in a JPEG stream';
      offset += Math.max(2, length);
      isInScan = marker === 0xda;
    }
  }
  return undefined;
}

/** JFIF without thumbnail, Adobe's colour transform, SPIFF and the colour transform of JPEG-LS: short and binary. */
function isKnownSegment(marker: number, payload: Uint8Array): boolean {
  const name = ascii(payload.subarray(0, 5));
  if (marker === 0xe0) return name === 'JFIF\0' && payload.length <= 14;
  if (marker === 0xe8) return name.startsWith('mrfx') || (name === 'SPIFF' && payload.length <= 32);
  return marker === 0xee && name === 'Adobe' && payload.length <= 12;
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
    if (marker < 0xff30 || length < 2) return 'bytes that are no image in a JPEG 2000 stream';
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

function isEncoderNote(payload: Uint8Array): boolean {
  return payload.length <= 80 && ENCODER_NOTES.test(ascii(payload).replace(/[\0\s]+$/, ''));
}

function ascii(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function uint16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}
