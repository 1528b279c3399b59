/** Small things that are large inside, and data sets whose lengths lie. */
import { constants, deflateRawSync, gzipSync } from 'node:zlib';
import { encodeDataSet } from '../../../core/dicom/encode.ts';
import { mrInstance, type MrInstance } from '../mr-instance.ts';

const BLOCK_BYTES = 8 * 1024 * 1024;
const UNDEFINED = 0xffffffff;
const FOUR_GB = 0xfffffffe;

/** An instance as it goes over the wire or into a file. */
export interface Hostile {
  readonly sopInstanceUid: string;
  readonly dataSet: Uint8Array;
}

/** A deflate stream of the beginning and then zeros, the zeros as one block repeated: it is made as fast as it is sent. */
function deflateBomb(beginning: Uint8Array, inflatedBytes: number): Buffer {
  const flush = { finishFlush: constants.Z_FULL_FLUSH, level: 9 };
  const zeros = deflateRawSync(new Uint8Array(BLOCK_BYTES), flush);
  const blocks = Array.from({ length: Math.ceil(inflatedBytes / BLOCK_BYTES) }, () => zeros);
  return Buffer.concat([deflateRawSync(beginning, flush), ...blocks, deflateRawSync(new Uint8Array(0))]);
}

/** Ten megabytes that are ten gigabytes: a header, and pixel data that never ends. */
export function deflatedInstance(): Hostile {
  const { sopInstanceUid, dataSet } = headerOnly();
  const pixels = Buffer.concat([dataSet, element(0x7fe0, 0x0010, 'OW', FOUR_GB)]);
  return { sopInstanceUid, dataSet: deflateBomb(pixels, 10e9) };
}

/** Eighty members of some kilobytes: 640 MB of blanks, which JSON allows anywhere. */
export function gzipBomb(): Buffer {
  const member = gzipSync(Buffer.alloc(BLOCK_BYTES, 0x20), { level: 9 });
  return Buffer.concat(Array.from({ length: 80 }, () => member));
}

/** Lengths of 4 GB where a data set can have one. */
export const LYING_LENGTHS: Readonly<Record<string, () => Hostile>> = {
  'a data element': () => withTail(element(0x0040, 0xa160, 'UT', FOUR_GB), Buffer.from('short')),
  'a sequence': () => withTail(element(0x0040, 0xa730, 'SQ', FOUR_GB), item(0)),
  'an item': () => withTail(element(0x0040, 0xa730, 'SQ', UNDEFINED), item(FOUR_GB)),
  'native pixel data': () => withTail(element(0x7fe0, 0x0010, 'OW', FOUR_GB), Buffer.alloc(64)),
  'a fragment of pixel data': () => withTail(element(0x7fe0, 0x0010, 'OB', UNDEFINED), item(0), item(FOUR_GB)),
};

/** Sequences in sequences. */
export function nested(depth: number): Hostile {
  const level = Buffer.concat([element(0x0040, 0xa730, 'SQ', UNDEFINED), item(UNDEFINED)]);
  return withTail(...Array.from({ length: depth }, () => level));
}

/** A header of so many empty private elements; a legal one. */
export function manyElements(count: number): Hostile {
  const bytes = Buffer.alloc(count * 8);
  for (let n = 0; n < count; n += 1) {
    bytes.writeUInt16LE(0x0029 + 2 * Math.floor(n / 0xe000), n * 8);
    bytes.writeUInt16LE(0x1000 + (n % 0xe000), n * 8 + 2);
    bytes.write('SH', n * 8 + 4, 'latin1');
  }
  return withTail(bytes);
}

function headerOnly(): MrInstance {
  return mrInstance({ PixelData: undefined });
}

function withTail(...tail: readonly Uint8Array[]): Hostile {
  const { sopInstanceUid, attributes } = headerOnly();
  return { sopInstanceUid, dataSet: Buffer.concat([encodeDataSet(attributes), ...tail]) };
}

/** The header of an element in explicit VR, long form. */
function element(group: number, number: number, vr: string, length: number): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16LE(group);
  header.writeUInt16LE(number, 2);
  header.write(vr, 4, 'latin1');
  header.writeUInt32LE(length, 8);
  return header;
}

function item(length: number): Buffer {
  const header = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0]);
  header.writeUInt32LE(length, 4);
  return header;
}
