/** Images of any layout and transfer syntax, a few pixels large, with every sample known. */
import { encodeProven } from '../../../../pixels/encode.ts';
import type { PixelDescription } from '../../../../pixels/description.ts';
import { nativeCodecs } from '../../../../pixels/native-codecs.ts';
import { encapsulated, element, EXPLICIT, identity, sampleFile, uint16s } from '../../../support/dicom-samples.ts';
import type { SampleElement, SampleEncoding } from '../../../support/dicom-samples.ts';

export interface ImageLayout {
  readonly rows: number;
  readonly columns: number;
  readonly frames?: number;
  readonly samplesPerPixel?: 1 | 3;
  readonly bitsAllocated?: 8 | 16;
  readonly bitsStored?: number;
  readonly isSigned?: boolean;
  readonly isPlanar?: boolean;
  readonly photometricInterpretation?: string;
}

export function descriptionOf(layout: ImageLayout): PixelDescription {
  const bitsAllocated = layout.bitsAllocated ?? 16;
  const bitsStored = layout.bitsStored ?? bitsAllocated;
  const samplesPerPixel = layout.samplesPerPixel ?? 1;
  return {
    rows: layout.rows,
    columns: layout.columns,
    samplesPerPixel,
    bitsAllocated,
    bitsStored,
    highBit: bitsStored - 1,
    isSigned: layout.isSigned ?? false,
    isFloat: false,
    isPlanar: layout.isPlanar ?? false,
    photometricInterpretation: layout.photometricInterpretation ?? (samplesPerPixel === 3 ? 'RGB' : 'MONOCHROME2'),
    numberOfFrames: layout.frames ?? 1,
  };
}

/** Little endian samples of a frame, never 0, never the same in two frames. */
export function someSamples(description: PixelDescription, frame = 0): Uint8Array {
  const { rows, columns, samplesPerPixel, bitsAllocated, bitsStored, isSigned } = description;
  const bytes = new Uint8Array((rows * columns * samplesPerPixel * bitsAllocated) / 8);
  const view = new DataView(bytes.buffer);
  const range = 2 ** bitsStored - 1;
  for (let n = 0; n < rows * columns * samplesPerPixel; n++) {
    const value = 1 + ((n * 37 + frame * 101) % range) - (isSigned ? 2 ** (bitsStored - 1) : 0);
    if (bitsAllocated === 8) view.setUint8(n, value & 0xff);
    else view.setUint16(n * 2, value & 0xffff, true);
  }
  return bytes;
}

/** Attributes of the Image Pixel Module and whoever the image is of. */
function imageElements(
  layout: ImageLayout,
  extra: readonly SampleElement[] = [],
  bigEndian = false,
): readonly SampleElement[] {
  const description = descriptionOf(layout);
  const short = (keyword: string, value: number) => element(keyword, uint16s([value], bigEndian), 'US');
  const own = [
    ...identity(),
    short('SamplesPerPixel', description.samplesPerPixel),
    element('PhotometricInterpretation', description.photometricInterpretation),
    ...(description.samplesPerPixel === 3 ? [short('PlanarConfiguration', description.isPlanar ? 1 : 0)] : []),
    ...(layout.frames === undefined ? [] : [element('NumberOfFrames', String(layout.frames))]),
    short('Rows', description.rows),
    short('Columns', description.columns),
    short('BitsAllocated', description.bitsAllocated),
    short('BitsStored', description.bitsStored),
    short('HighBit', description.highBit),
    short('PixelRepresentation', description.isSigned ? 1 : 0),
  ];
  const replaced = new Set(extra.map(({ tag }) => tag));
  return [...own.filter(({ tag }) => !replaced.has(tag)), ...extra];
}

/** @param value - of (7FE0,0010), as stored */
export function nativeFile(
  layout: ImageLayout,
  value: Uint8Array,
  encoding: SampleEncoding = EXPLICIT,
  extra: readonly SampleElement[] = [],
): Uint8Array {
  const pixelData = element('PixelData', value, layout.bitsAllocated === 8 && encoding.explicit ? 'OB' : 'OW');
  return sampleFile([...imageElements(layout, extra, encoding.bigEndian), pixelData], encoding);
}

/** @param frames - each compressed already */
export function compressedFile(
  layout: ImageLayout,
  transferSyntaxUid: string,
  frames: readonly Uint8Array[],
  extra: readonly SampleElement[] = [],
): Uint8Array {
  const even = frames.map((frame) => (frame.length % 2 === 0 ? frame : Buffer.concat([frame, Uint8Array.of(0)])));
  return Buffer.concat([
    sampleFile(imageElements(layout, extra), { ...EXPLICIT, transferSyntaxUid }),
    encapsulated(even),
  ]);
}

export async function losslessFrames(layout: ImageLayout, transferSyntaxUid: string): Promise<readonly Uint8Array[]> {
  const description = descriptionOf(layout);
  const frames: Uint8Array[] = [];
  for (let frame = 0; frame < description.numberOfFrames; frame++) {
    const encoded = await encodeProven(someSamples(description, frame), transferSyntaxUid, description);
    if (encoded === undefined) throw new TypeError('the codec has no such frame');
    frames.push(encoded.bytes);
  }
  return frames;
}

/** JPEG baseline of 8 bits, as ultrasound and screens come. */
export async function lossyJpeg(layout: ImageLayout, frame = 0): Promise<Uint8Array> {
  const description = descriptionOf(layout);
  const { Context, NativeCodecs } = await nativeCodecs();
  const context = new Context({
    width: description.columns,
    height: description.rows,
    bitsAllocated: 8,
    bitsStored: 8,
    samplesPerPixel: description.samplesPerPixel,
    pixelRepresentation: 0,
    planarConfiguration: 0,
    photometricInterpretation: 'RGB',
    decodedBuffer: someSamples(description, frame),
  });
  return Uint8Array.from(NativeCodecs.encodeJpeg(context, { lossy: true, quality: 90 }).getEncodedBuffer() ?? []);
}
