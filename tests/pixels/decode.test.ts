import { expect } from 'chai';
import { decodeFrame } from '../../pixels/decode.ts';
import type { PixelDescription } from '../../pixels/description.ts';
import { nativeCodecs } from '../../pixels/native-codecs.ts';
import { thrownBy } from '../support/thrown.ts';

const SIZE = 32;
const JPEG_LS = '1.2.840.10008.1.2.4.80';
const DESCRIPTION: PixelDescription = {
  rows: SIZE,
  columns: SIZE,
  samplesPerPixel: 1,
  bitsAllocated: 16,
  bitsStored: 16,
  highBit: 15,
  isSigned: false,
  isFloat: false,
  isPlanar: false,
  photometricInterpretation: 'MONOCHROME2',
  numberOfFrames: 1,
};

describe('decoding a frame', () => {
  const values = Uint16Array.from({ length: SIZE * SIZE }, (_, n) => n * 31);
  let stored: Uint8Array;
  before(async () => {
    const { Context, NativeCodecs } = await nativeCodecs();
    const context = new Context({
      width: SIZE,
      height: SIZE,
      bitsAllocated: 16,
      bitsStored: 16,
      samplesPerPixel: 1,
      pixelRepresentation: 0,
      planarConfiguration: 0,
      photometricInterpretation: 'MONOCHROME2',
      decodedBuffer: new Uint8Array(values.buffer),
    });
    stored = Uint8Array.from(NativeCodecs.encodeJpegLs(context).getEncodedBuffer() ?? []);
  });

  it('goes on in the same thread after a decoder has trapped', async () => {
    const refusal = await thrownBy(decodeFrame(stored.subarray(0, 60), JPEG_LS, DESCRIPTION));
    const { samples } = await decodeFrame(stored, JPEG_LS, DESCRIPTION);

    expect(refusal).to.include({ code: 'pixels.damaged' });
    expect(Buffer.from(samples).equals(Buffer.from(values.buffer))).to.be.true;
  });

  it('refuses native samples that are fewer than the header says', async () => {
    const refusal = await thrownBy(decodeFrame(new Uint8Array(10), '1.2.840.10008.1.2.1', DESCRIPTION));

    expect(refusal).to.include({ code: 'pixels.damaged' });
  });

  it('says which transfer syntax it cannot decode', async () => {
    const refusal = await thrownBy(decodeFrame(stored, '1.2.840.10008.1.2.4.102', DESCRIPTION));

    expect(refusal).to.include({ code: 'pixels.unsupported' });
    expect(refusal.message).to.contain('MPEG-4');
  });
});
