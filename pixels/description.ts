/** What a header says of its pixel data (PS3.3 Section C.7.6.3), checked once, so that everything behind it may trust it. */
import type { DataSet } from '../core/dicom/data-set.ts';
import { TAG } from '../core/dicom/tags.ts';
import { HubError } from '../core/errors.ts';

export interface PixelDescription {
  readonly rows: number;
  readonly columns: number;
  readonly samplesPerPixel: 1 | 3;
  readonly bitsAllocated: 1 | 8 | 16 | 32 | 64;
  readonly bitsStored: number;
  readonly highBit: number;
  readonly isSigned: boolean;
  /** Float Pixel Data and Double Float Pixel Data hold IEEE 754 numbers. */
  readonly isFloat: boolean;
  /** Samples one behind another, or planes one behind another. */
  readonly isPlanar: boolean;
  readonly photometricInterpretation: string;
  readonly numberOfFrames: number;
}

/** A frame is decoded in memory, several at a time: 8192 × 8192 pixels of 16 bit, in colour of 8 bit more. */
export const MAX_FRAME_BYTES = 256 * 1024 * 1024;
const BITS_ALLOCATED: readonly number[] = [1, 8, 16, 32, 64];

/** @param tag - of the pixel data element @throws {HubError} `pixels.unsupported`, `pixels.damaged`, `pixels.too-large` */
export function describePixels(dataSet: DataSet, tag: number): PixelDescription {
  const isFloat = tag !== TAG.PixelData;
  const samplesPerPixel = dataSet.number('SamplesPerPixel') ?? 1;
  const bitsAllocated = dataSet.number('BitsAllocated') ?? (tag === TAG.DoubleFloatPixelData ? 64 : isFloat ? 32 : 16);
  const bitsStored = isFloat ? bitsAllocated : (dataSet.number('BitsStored') ?? bitsAllocated);
  const highBit = isFloat ? bitsAllocated - 1 : (dataSet.number('HighBit') ?? bitsStored - 1);
  const rows = dataSet.number('Rows') ?? 0;
  const columns = dataSet.number('Columns') ?? 0;
  const numberOfFrames = dataSet.number('NumberOfFrames') ?? 1;
  if (samplesPerPixel !== 1 && samplesPerPixel !== 3) throw unsupported('samples per pixel', samplesPerPixel);
  if (!isBitsAllocated(bitsAllocated)) throw unsupported('bits allocated', bitsAllocated);
  if (samplesPerPixel === 3 && bitsAllocated !== 8 && bitsAllocated !== 16)
    throw unsupported('bits allocated of colour', bitsAllocated);
  if (!isCount(rows) || !isCount(columns)) throw damaged('the header has no Rows or no Columns');
  if (!isCount(numberOfFrames)) throw damaged('Number of Frames is no number of frames');
  if (bitsStored < 1 || bitsStored > bitsAllocated || highBit < bitsStored - 1 || highBit >= bitsAllocated)
    throw damaged('Bits Allocated, Bits Stored and High Bit contradict each other');
  if (!isFloat && bitsAllocated === 64) throw unsupported('bits allocated', bitsAllocated);
  const description: PixelDescription = {
    rows,
    columns,
    samplesPerPixel,
    bitsAllocated,
    bitsStored,
    highBit,
    isSigned: dataSet.number('PixelRepresentation') === 1,
    isFloat,
    isPlanar: samplesPerPixel === 3 && dataSet.number('PlanarConfiguration') === 1,
    photometricInterpretation:
      dataSet.string('PhotometricInterpretation') ?? (samplesPerPixel === 3 ? 'RGB' : 'MONOCHROME2'),
    numberOfFrames,
  };
  if (nativeFrameBytes(description) > MAX_FRAME_BYTES)
    throw new HubError('pixels.too-large', { detail: `a frame of ${rows} × ${columns} pixels` });
  return description;
}

/** Bytes of one frame with nothing compressed; of single bits as if each frame began at a byte. */
export function nativeFrameBytes(description: PixelDescription): number {
  const { rows, columns, samplesPerPixel, bitsAllocated } = description;
  return Math.ceil((rows * columns * samplesPerPixel * bitsAllocated) / 8);
}

/** As stored natively: PS3.3 Section C.7.6.3.1.2, YBR_FULL_422 has two samples a pixel even where nothing is compressed. */
export function storedNativeFrameBits(description: PixelDescription): number {
  const { rows, columns, bitsAllocated } = description;
  const samples = isSubsampled(description) ? 2 : description.samplesPerPixel;
  return rows * columns * samples * bitsAllocated;
}

export function isSubsampled({ photometricInterpretation, samplesPerPixel }: PixelDescription): boolean {
  return samplesPerPixel === 3 && photometricInterpretation.endsWith('_422');
}

export function damaged(detail: string): HubError {
  return new HubError('pixels.damaged', { detail });
}

function unsupported(what: string, value: number): HubError {
  return new HubError('pixels.unsupported', { detail: `${what}: ${value}` });
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value < 2 ** 31;
}

function isBitsAllocated(value: number): value is PixelDescription['bitsAllocated'] {
  return BITS_ALLOCATED.includes(value);
}
