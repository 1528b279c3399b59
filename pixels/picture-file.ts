/** A picture as a file that every browser shows. Runs in a pixel worker only. */
import { encode } from 'fast-png';
import { HubError } from '../core/errors.ts';
import type { PictureType } from './jobs.ts';
import { nativeCodecs } from './native-codecs.ts';
import type { Picture } from './render.ts';

export async function pictureFile(picture: Picture, type: PictureType, quality: number): Promise<Uint8Array> {
  const { width, height, channels, pixels } = picture;
  if (type === 'image/png') return encode({ width, height, channels, depth: 8, data: pixels });
  const codecs = await nativeCodecs();
  const context = new codecs.Context({
    width,
    height,
    bitsAllocated: 8,
    bitsStored: 8,
    samplesPerPixel: channels,
    pixelRepresentation: 0,
    planarConfiguration: 0,
    photometricInterpretation: channels === 3 ? 'RGB' : 'MONOCHROME2',
    decodedBuffer: pixels,
  });
  const encoded = codecs.NativeCodecs.encodeJpeg(context, { lossy: true, quality, sampleFactor: 0 }).getEncodedBuffer();
  if (encoded === undefined) throw new HubError('internal.unexpected', { detail: 'the JPEG encoder answers nothing' });
  return Uint8Array.from(encoded);
}
