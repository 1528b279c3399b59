import { expect } from 'chai';
import { parseDataSet } from '../../core/dicom/data-set.ts';
import { decodeFrame } from '../../pixels/decode.ts';
import type { PixelDescription } from '../../pixels/description.ts';
import { nativeCodecs } from '../../pixels/native-codecs.ts';
import { presentationOf } from '../../pixels/presentation.ts';
import { renderFrame } from '../../pixels/render.ts';
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

  const codecs = {
    'JPEG-LS': { encode: 'encodeJpegLs', transferSyntaxUid: JPEG_LS },
    'JPEG 2000': { encode: 'encodeJpeg2000', transferSyntaxUid: '1.2.840.10008.1.2.4.90' },
    HTJ2K: { encode: 'encodeHtJpeg2000', transferSyntaxUid: '1.2.840.10008.1.2.4.201' },
  } as const;
  for (const [name, { encode, transferSyntaxUid }] of Object.entries(codecs)) {
    it(`leaves the colour space that ${name} does not transform`, async () => {
      const { Context, NativeCodecs } = await nativeCodecs();
      const colour = { ...DESCRIPTION, bitsAllocated: 8, bitsStored: 8, highBit: 7, samplesPerPixel: 3 } as const;
      const description = { ...colour, photometricInterpretation: 'YBR_FULL' };
      const red = Uint8Array.from({ length: SIZE * SIZE * 3 }, (_, n) => [76, 85, 255][n % 3] ?? 0);
      const context = new Context({
        ...{ width: SIZE, height: SIZE, bitsAllocated: 8, bitsStored: 8, samplesPerPixel: 3, planarConfiguration: 0 },
        ...{ pixelRepresentation: 0, photometricInterpretation: 'YBR_FULL', decodedBuffer: red },
      });
      const frame = Uint8Array.from(NativeCodecs[encode](context).getEncodedBuffer() ?? []);
      const presentation = presentationOf(parseDataSet(new Uint8Array(0), '1.2.840.10008.1.2.1'), 0);

      const decoded = await decodeFrame(frame, transferSyntaxUid, description);

      const { pixels } = renderFrame(decoded, description, presentation, undefined);
      expect(decoded.photometricInterpretation).to.equal('YBR_FULL');
      expect([...pixels.subarray(0, 3)].map((value) => Math.round(value / 16))).to.deep.equal([16, 0, 0]);
    });
  }

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
