/**
 * One frame of any encoding the hub can decode, as native samples. Never on the main thread: a decoder may take seconds
 * and, given hostile bytes, end its thread.
 */
import type { Context } from 'dcmjs-codecs';
import { transferSyntax } from '../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../core/errors.ts';
import { codestreamSize } from './codestream.ts';
import { codecOf, type Codec } from './decodable.ts';
import { damaged, isSubsampled, nativeFrameBytes, type PixelDescription } from './description.ts';
import { codecContext, forgetNativeCodecs, nativeCodecs } from './native-codecs.ts';
import { decodeRle } from './rle.ts';

export interface DecodedFrame {
  /** Little endian, the samples of a pixel one behind another; single bits packed (PS3.5 Section 8.1.1). */
  readonly samples: Uint8Array;
  /** What the samples are now: a codec's colour transformation is undone. */
  readonly photometricInterpretation: string;
}

/**
 * @param stored - one frame as stored: native bytes in the transfer syntax' order, or one compressed frame
 * @throws {HubError} `pixels.damaged`, `pixels.unsupported`
 */
export async function decodeFrame(
  stored: Uint8Array,
  transferSyntaxUid: string,
  description: PixelDescription,
): Promise<DecodedFrame> {
  const { photometricInterpretation } = description;
  const codec = codecOf(transferSyntaxUid);
  if (codec === undefined)
    throw new HubError('pixels.unsupported', { detail: transferSyntax(transferSyntaxUid)?.name ?? 'transfer syntax' });
  if (codec === 'native') {
    const isBigEndian = transferSyntax(transferSyntaxUid)?.bigEndian === true;
    const samples = nativeSamples(stored, description, isBigEndian);
    // Upsampled: each pixel has its own colour now.
    return { samples, photometricInterpretation: isSubsampled(description) ? 'YBR_FULL' : photometricInterpretation };
  }
  if (codec === 'rle') {
    const samples = decodeRle(stored, description);
    if (samples === undefined) throw damaged('RLE segments do not hold what the header says');
    return { samples, photometricInterpretation };
  }
  refuseOtherSize(stored, codec, description);
  const samples = widen(await decodeWith(codec, stored, description), description);
  return { samples, photometricInterpretation: left(codec, description) };
}

/** PS3.5 Section 8.2: only JPEG's decoder makes RGB of YBR_FULL; the others undo the transformation of the codestream alone. */
function left(codec: Codec, { samplesPerPixel, photometricInterpretation }: PixelDescription): string {
  const isUndone = samplesPerPixel === 3 && (codec === 'jpeg' || photometricInterpretation !== 'YBR_FULL');
  return isUndone ? 'RGB' : photometricInterpretation;
}

function nativeSamples(stored: Uint8Array, description: PixelDescription, isBigEndian: boolean): Uint8Array {
  const { bitsAllocated } = description;
  const expected = isSubsampled(description) ? (nativeFrameBytes(description) / 3) * 2 : nativeFrameBytes(description);
  if (stored.length < expected) throw damaged('the pixel data is shorter than Rows, Columns and Bits Allocated say');
  const samples = Buffer.from(stored.subarray(0, expected));
  if (isBigEndian && bitsAllocated === 16) samples.swap16();
  if (isBigEndian && bitsAllocated === 32) samples.swap32();
  if (isBigEndian && bitsAllocated === 64) samples.swap64();
  if (isSubsampled(description)) return upsampled(samples, description);
  return description.isPlanar ? interleaved(samples, description) : samples;
}

/** PS3.3 Section C.7.6.3.1.2: YBR_FULL_422 uncompressed is Y1 Y2 Cb Cr for each two pixels of a row. */
function upsampled(samples: Uint8Array, { rows, columns, bitsAllocated }: PixelDescription): Uint8Array {
  if (bitsAllocated !== 8) throw new HubError('pixels.unsupported', { detail: 'subsampled colour of 16 bits' });
  const full = new Uint8Array(rows * columns * 3);
  for (let pixel = 0; pixel < rows * columns; pixel++) {
    const pair = (pixel >> 1) * 4;
    full[pixel * 3] = samples[pair + (pixel & 1)] ?? 0;
    full[pixel * 3 + 1] = samples[pair + 2] ?? 0;
    full[pixel * 3 + 2] = samples[pair + 3] ?? 0;
  }
  return full;
}

function interleaved(planes: Uint8Array, { rows, columns, bitsAllocated }: PixelDescription): Uint8Array {
  const bytes = bitsAllocated / 8;
  const pixels = rows * columns;
  const samples = new Uint8Array(planes.length);
  for (let sample = 0; sample < 3; sample++)
    for (let pixel = 0; pixel < pixels; pixel++)
      for (let byte = 0; byte < bytes; byte++)
        samples[(pixel * 3 + sample) * bytes + byte] = planes[(sample * pixels + pixel) * bytes + byte] ?? 0;
  return samples;
}

function refuseOtherSize(stored: Uint8Array, codec: Codec, { rows, columns, samplesPerPixel }: PixelDescription): void {
  const size = codestreamSize(stored);
  if (size === undefined) throw damaged(`a frame is no ${codec} codestream`);
  if (size.rows !== rows || size.columns !== columns)
    throw damaged(
      `a frame is ${size.rows} × ${size.columns} pixels by its codestream, ${rows} × ${columns} by its header`,
    );
  if (size.components !== samplesPerPixel)
    throw damaged(`a frame has ${size.components} components by its codestream, ${samplesPerPixel} by its header`);
}

async function decodeWith(
  codec: Exclude<Codec, 'native' | 'rle'>,
  stored: Uint8Array,
  description: PixelDescription,
): Promise<Uint8Array> {
  const codecs = await nativeCodecs();
  const context = codecContext(codecs, description, { encodedBuffer: stored });
  let decoded: Uint8Array | undefined;
  try {
    decoded = DECODERS[codec](codecs.NativeCodecs, context).getDecodedBuffer();
  } catch (error) {
    await forgetNativeCodecs();
    // Its sentence may quote the file; the codec's name says enough.
    throw new HubError('pixels.damaged', { detail: `the ${codec} decoder refuses a frame` }, error);
  }
  if (decoded === undefined) throw damaged(`the ${codec} decoder answers nothing`);
  // A view into the decoder's own memory would change with the next frame.
  return Uint8Array.from(decoded);
}

type Decoders = Awaited<ReturnType<typeof nativeCodecs>>['NativeCodecs'];
const DECODERS: Readonly<Record<Exclude<Codec, 'native' | 'rle'>, (decoders: Decoders, context: Context) => Context>> =
  {
    jpeg: (decoders, context) => decoders.decodeJpeg(context, { convertColorspaceToRgb: true }),
    'jpeg-ls': (decoders, context) => decoders.decodeJpegLs(context),
    'jpeg-2000': (decoders, context) => decoders.decodeJpeg2000(context),
    htj2k: (decoders, context) => decoders.decodeHtJpeg2000(context),
  };

/** A codestream of 8 bits under a header of 16 bits allocated comes out in bytes. */
function widen(samples: Uint8Array, description: PixelDescription): Uint8Array {
  const expected = nativeFrameBytes(description);
  if (samples.length === expected) return samples;
  if (description.bitsAllocated === 16 && samples.length * 2 === expected) {
    const wide = new Uint8Array(expected);
    const view = new DataView(wide.buffer);
    samples.forEach((value, n) => view.setInt16(n * 2, description.isSigned ? (value << 24) >> 24 : value, true));
    return wide;
  }
  throw damaged('a frame decodes to another length than its header says');
}
