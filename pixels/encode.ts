/**
 * One frame of native samples, compressed without loss. Where a codec does not give back what it was given (colour of 16
 * bits in JPEG 2000, say) nobody is told a lie: `encodeProven` decodes what it wrote and compares.
 */
import type { Context } from 'dcmjs-codecs';
import { HubError } from '../core/errors.ts';
import { decodeFrame } from './decode.ts';
import { codecOf, type Codec } from './decodable.ts';
import type { PixelDescription } from './description.ts';
import { codecContext, forgetNativeCodecs, nativeCodecs } from './native-codecs.ts';
import { encodeRle } from './rle-encode.ts';

export const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';

/** The lossless transfer syntax of each codec that whoever reads the codec's other ones reads too (PS3.5 Section A.4). */
const LOSSLESS: Readonly<Record<Exclude<Codec, 'native'>, string>> = {
  rle: '1.2.840.10008.1.2.5',
  jpeg: '1.2.840.10008.1.2.4.70',
  'jpeg-ls': '1.2.840.10008.1.2.4.80',
  'jpeg-2000': '1.2.840.10008.1.2.4.90',
  htj2k: '1.2.840.10008.1.2.4.201',
};

/** Transfer syntaxes a changed frame may be written in, best first: the last one always holds. */
export function losslessSyntaxes(transferSyntaxUid: string): readonly string[] {
  const codec = codecOf(transferSyntaxUid);
  if (codec === undefined || codec === 'native') return [EXPLICIT_LITTLE_ENDIAN];
  return [...new Set([LOSSLESS[codec], LOSSLESS.rle]), EXPLICIT_LITTLE_ENDIAN];
}

export interface EncodedFrame {
  readonly bytes: Uint8Array;
  /** What Photometric Interpretation has to say of it. */
  readonly photometricInterpretation: string;
}

/**
 * @param samples - little endian, the samples of a pixel one behind another; not changed
 * @param description - of these samples: its photometric interpretation is theirs
 * @returns `undefined` when what was written does not decode to `samples`, bit by bit
 */
export async function encodeProven(
  samples: Uint8Array,
  transferSyntaxUid: string,
  description: PixelDescription,
): Promise<EncodedFrame | undefined> {
  const bytes = await encode(samples, transferSyntaxUid, description);
  if (bytes === undefined) return undefined;
  const photometricInterpretation = photometricOf(bytes, transferSyntaxUid, description);
  const stored = { ...description, isPlanar: false, photometricInterpretation };
  try {
    const again = await decodeFrame(bytes, transferSyntaxUid, stored);
    const isSame = Buffer.compare(again.samples, samples) === 0;
    return isSame ? { bytes, photometricInterpretation } : undefined;
  } catch (error) {
    // A codec that cannot read what it wrote is no codec for this frame.
    if (error instanceof HubError && error.code.startsWith('pixels.')) return undefined;
    throw error;
  }
}

async function encode(
  samples: Uint8Array,
  transferSyntaxUid: string,
  description: PixelDescription,
): Promise<Uint8Array | undefined> {
  const codec = codecOf(transferSyntaxUid);
  if (codec === undefined) return undefined;
  if (codec === 'native') return samples;
  if (description.bitsAllocated !== 8 && description.bitsAllocated !== 16) return undefined;
  if (codec === 'rle') return encodeRle(samples, description);
  const codecs = await nativeCodecs();
  const context = codecContext(codecs, description, { decodedBuffer: Uint8Array.from(samples) });
  try {
    const encoded = ENCODERS[codec](codecs.NativeCodecs, context).getEncodedBuffer();
    // A view into the encoder's own memory would change with the next frame.
    return encoded === undefined ? undefined : Uint8Array.from(encoded);
  } catch {
    // It trapped: another syntax is tried, with fresh memory.
    await forgetNativeCodecs();
    return undefined;
  }
}

type Encoders = Awaited<ReturnType<typeof nativeCodecs>>['NativeCodecs'];
const ENCODERS: Readonly<Record<Exclude<Codec, 'native' | 'rle'>, (encoders: Encoders, context: Context) => Context>> =
  {
    // PS3.5 Section A.4.2: process 14, selection value 1.
    jpeg: (encoders, context) => encoders.encodeJpeg(context, { lossy: false, predictor: 1, pointTransform: 0 }),
    'jpeg-ls': (encoders, context) => encoders.encodeJpegLs(context, { lossy: false }),
    'jpeg-2000': (encoders, context) => encoders.encodeJpeg2000(context, { lossy: false }),
    htj2k: (encoders, context) => encoders.encodeHtJpeg2000(context, { lossy: false }),
  };

const COD = Uint8Array.of(0xff, 0x52);
/** From the COD marker to the byte of the multiple component transformation (ISO/IEC 15444-1 Table A.12). */
const COD_TO_TRANSFORMATION = 8;

/** PS3.5 Section 8.2.4: what the codestream transformed is YBR_RCT in the header, and RGB once decoded. */
function photometricOf(bytes: Uint8Array, transferSyntaxUid: string, description: PixelDescription): string {
  const { photometricInterpretation, samplesPerPixel } = description;
  const codec = codecOf(transferSyntaxUid);
  if (samplesPerPixel !== 3 || photometricInterpretation !== 'RGB') return photometricInterpretation;
  if (codec !== 'jpeg-2000' && codec !== 'htj2k') return photometricInterpretation;
  const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(COD);
  return at >= 0 && bytes[at + COD_TO_TRANSFORMATION] === 1 ? 'YBR_RCT' : photometricInterpretation;
}
