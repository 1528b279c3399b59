/**
 * Pictures of at most 256 colours as PNG (ISO/IEC 15948), packed by the zlib of Node: pictures of noise are most of what a
 * quality report weighs, and a library that packs in JavaScript takes four times as long for them.
 */
import { crc32, deflateSync } from 'node:zlib';

export interface PalettePicture {
  readonly width: number;
  readonly height: number;
  /** Row by row, one index into the palette a pixel. */
  readonly pixels: Uint8Array;
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const BIT_DEPTH = 8;
/** Section 11.2.1: indexed-colour. */
const INDEXED = 3;
/** Beyond it noise gets no smaller. */
const LEVEL = 4;

/** @param palette - red, green and blue of each index */
export function palettePng(picture: PalettePicture, palette: readonly (readonly number[])[]): Uint8Array {
  const { width, height } = picture;
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, BIT_DEPTH);
  header.setUint8(9, INDEXED);
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', new Uint8Array(header.buffer)),
    chunk('PLTE', Uint8Array.from(palette.flat())),
    chunk('IDAT', deflateSync(scanlines(picture), { level: LEVEL })),
    chunk('IEND', new Uint8Array()),
  ]);
}

/** Section 12.7: indices are not filtered, which a 0 before each row says. */
function scanlines({ width, height, pixels }: PalettePicture): Uint8Array {
  const lines = new Uint8Array((width + 1) * height);
  for (let y = 0; y < height; y++) lines.set(pixels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  return lines;
}

/** Section 5.3: length, type, data, and a checksum of type and data. */
function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(data.length + 12);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, data.length + 8)), data.length + 8);
  return bytes;
}
