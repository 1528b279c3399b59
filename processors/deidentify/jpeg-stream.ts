/** What stands in a JPEG or JPEG-LS stream besides its image: comments, application data, and segments nobody defined. */

/** What encoders write about themselves, and nothing but that. */
const ENCODER_NOTES =
  /^(?:created by |creator: |kakadu|openjpeg|openjph|jasper|lead technologies|leadtools|accusoft|aware|pegasus|pictools|ijg|grok|lavc|intel|dcmtk|offis|hp |charls|matrox)[\w .,:;()/+-]{0,60}$/i;

const NO_IMAGE = 'bytes that are no image in a JPEG stream';

/** ISO/IEC 10918-1 Annex B, 14495-1 Annex C. @returns fixed words, or `undefined` */
export function jpegText(stream: Uint8Array, isLossless: boolean): string | undefined {
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
      if (isInImage || stream[offset] !== 0x00) return NO_IMAGE;
      offset += 1;
      continue;
    }
    // Fill in front of a marker, or padding behind the last one.
    if (offset + 1 >= stream.length) return undefined;
    const marker = stream[offset + 1] ?? 0;
    if (marker === 0xff) {
      offset += 1;
      continue;
    }
    offset += 2;
    if (marker === 0xd8) isInImage = true;
    else if (!isInImage) return NO_IMAGE;
    else if (marker === 0xd9) isInImage = false;
    else if (marker !== 0x01 && !(marker >= 0xd0 && marker <= 0xd7)) {
      const length = ((stream[offset] ?? 0) << 8) | (stream[offset + 1] ?? 0);
      const found = textInSegment(marker, stream.subarray(offset + 2, offset + length), isLossless);
      if (found !== undefined) return found;
      offset += Math.max(2, length);
      isInScan = marker === 0xda;
    }
  }
  return undefined;
}

function textInSegment(marker: number, payload: Uint8Array, isLossless: boolean): string | undefined {
  if (marker === 0xfe) return isEncoderNote(payload) ? undefined : 'a comment in a JPEG stream';
  if (marker >= 0xe0 && marker <= 0xef)
    return isKnownSegment(marker, payload) ? undefined : 'an application segment in a JPEG stream';
  return isSegmentOfImage(marker, payload, isLossless)
    ? undefined
    : 'a segment of a JPEG stream that is none of an image';
}

/** JFIF without thumbnail, Adobe's colour transform, SPIFF and the colour transform of JPEG-LS: short and binary. */
function isKnownSegment(marker: number, payload: Uint8Array): boolean {
  const name = ascii(payload.subarray(0, 5));
  if (marker === 0xe0) return name === 'JFIF\0' && payload.length <= 14;
  if (marker === 0xe8) return name.startsWith('mrfx') || (name === 'SPIFF' && payload.length <= 32);
  return marker === 0xee && name === 'Adobe' && payload.length <= 12;
}

/** Each is as long as its own first bytes say: what is behind that is nothing a decoder reads. */
function isSegmentOfImage(marker: number, payload: Uint8Array, isLossless: boolean): boolean {
  const { length } = payload;
  switch (marker) {
    case 0xc4: // DHT
      return hasTables(payload, (at) => 17 + sumOf(payload.subarray(at + 1, at + 17)));
    case 0xdb: // DQT
      return hasTables(payload, (at) => ((payload[at] ?? 0) >= 0x10 ? 129 : 65));
    case 0xcc: // DAC
      return length <= 64;
    case 0xda: // SOS
      return length === 4 + 2 * (payload[0] ?? 0);
    case 0xdc: // DNL
      return length === 2 || (isLossless && length <= 5);
    case 0xdd: // DRI
      return length === 2 || (isLossless && length <= 4);
    case 0xdf: // EXP
      return length === 1;
    case 0xf8: // LSE: the thresholds, or the size of a large image; tables of a palette are no image of DICOM.
      return isLossless && ((payload[0] === 1 && length === 11) || (payload[0] === 4 && length <= 12));
    default:
      // SOF and DHP; SOF of JPEG-LS.
      if (marker === 0xf7 ? !isLossless : !((marker >= 0xc0 && marker <= 0xcf && marker !== 0xc8) || marker === 0xde))
        return false;
      return length === 6 + 3 * (payload[5] ?? 0);
  }
}

/** @param sizeAt - bytes of the table that begins there, its first one included */
function hasTables(payload: Uint8Array, sizeAt: (offset: number) => number): boolean {
  let offset = 0;
  while (offset < payload.length) offset += sizeAt(offset);
  return offset === payload.length;
}

function sumOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum + byte, 0);
}

/** True for a comment in which an encoder names itself. */
export function isEncoderNote(payload: Uint8Array): boolean {
  return payload.length <= 80 && ENCODER_NOTES.test(ascii(payload).replace(/[\0\s]+$/, ''));
}

function ascii(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
