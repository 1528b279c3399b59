import { expect } from 'chai';
import { bytesAsSource } from '../../../../core/bytes-as-source.ts';
import { readHeader } from '../../../../core/dicom/part10.ts';
import { decodeFrame } from '../../../../pixels/decode.ts';
import { describePixels } from '../../../../pixels/description.ts';
import { framePlaces, readFrameBytes } from '../../../../pixels/frame-places.ts';
import { deidentifyFiles, releasedFile } from '../../../support/deidentified.ts';
import { BIG_ENDIAN, DEFLATED, element, EXPLICIT, IMPLICIT, uint16s } from '../../../support/dicom-samples.ts';
import {
  compressedFile,
  descriptionOf,
  losslessFrames,
  lossyJpeg,
  nativeFile,
  someSamples,
  type ImageLayout,
} from './image-samples.ts';

const REGION = { x: 2, y: 1, width: 4, height: 3 };
const POLICY = {
  pixels: {
    text: 'blank-regions',
    signatures: [{ name: 'test', when: { modality: 'MR' }, regions: [REGION] }],
  },
};
const SIZE = { rows: 10, columns: 12 };
const RLE = '1.2.840.10008.1.2.5';
const JPEG_BASELINE = '1.2.840.10008.1.2.4.50';
const JPEG_LOSSLESS = '1.2.840.10008.1.2.4.70';
const JPEG_LS = '1.2.840.10008.1.2.4.80';
const JPEG_2000 = '1.2.840.10008.1.2.4.90';
const JPEG_2000_LOSSY = '1.2.840.10008.1.2.4.91';
const HTJ2K = '1.2.840.10008.1.2.4.201';

/** Every frame of a file as samples, by the reader everything else uses. */
async function decodedFrames(file: Uint8Array) {
  const source = bytesAsSource(file);
  const header = await readHeader(source);
  const description = describePixels(header.dataSet, header.pixelData?.tag ?? 0);
  const places = await framePlaces(source, header, description);
  const frames: Uint8Array[] = [];
  for (let frame = 0; frame < description.numberOfFrames; frame++) {
    const stored = await readFrameBytes(source, header, description, places, frame);
    frames.push((await decodeFrame(stored, header.transferSyntaxUid, description)).samples);
  }
  return { header, description, frames };
}

/** Pixels that are not what they were, by place. */
async function changedPixels(before: Uint8Array, after: Uint8Array): Promise<readonly ReadonlySet<string>[]> {
  const one = await decodedFrames(before);
  const other = await decodedFrames(after);
  const { columns, samplesPerPixel, bitsAllocated } = one.description;
  const pixelBytes = (samplesPerPixel * bitsAllocated) / 8;
  return one.frames.map((frame, index) => {
    const changed = new Set<string>();
    const now = other.frames[index] ?? new Uint8Array(0);
    for (let at = 0; at < frame.length; at++)
      if (frame[at] !== now[at]) {
        const pixel = Math.floor(at / pixelBytes);
        changed.add(`${String(pixel % columns)},${String(Math.floor(pixel / columns))}`);
      }
    return changed;
  });
}

function placesIn({ x, y, width, height }: typeof REGION): ReadonlySet<string> {
  const places = new Set<string>();
  for (let row = y; row < y + height; row++)
    for (let column = x; column < x + width; column++) places.add(`${String(column)},${String(row)}`);
  return places;
}

describe('blanking the regions of a known device', () => {
  const native: Readonly<Record<string, ImageLayout>> = {
    'unsigned 16 bits': SIZE,
    'signed 12 bits': { ...SIZE, bitsStored: 12, isSigned: true },
    '8 bits': { ...SIZE, bitsAllocated: 8 },
    MONOCHROME1: { ...SIZE, bitsStored: 12, photometricInterpretation: 'MONOCHROME1' },
    'interleaved colour': { ...SIZE, samplesPerPixel: 3, bitsAllocated: 8 },
    'planar colour': { ...SIZE, samplesPerPixel: 3, bitsAllocated: 8, isPlanar: true },
    'colour of 16 bits': { ...SIZE, samplesPerPixel: 3 },
    YBR_FULL: { ...SIZE, samplesPerPixel: 3, bitsAllocated: 8, photometricInterpretation: 'YBR_FULL' },
    'palette indices': { ...SIZE, bitsAllocated: 8, photometricInterpretation: 'PALETTE COLOR' },
    'several frames': { ...SIZE, frames: 5 },
    'an odd number of bytes': { rows: 9, columns: 11, frames: 3, bitsAllocated: 8 },
  };
  for (const [name, layout] of Object.entries(native)) {
    it(`changes those pixels and no other of ${name}`, async () => {
      const description = descriptionOf(layout);
      const value = Buffer.concat(
        Array.from({ length: description.numberOfFrames }, (_, n) => someSamples(description, n)),
      );
      const file = nativeFile(layout, value);

      const { bytes, report } = await releasedFile(file, POLICY);

      for (const changed of await changedPixels(file, bytes)) expect(changed).to.deep.equal(placesIn(REGION));
      expect(report.verification.pixelData).to.equal('cleaned');
      expect(report.pixels.framesBlanked).to.equal(description.numberOfFrames);
    });
  }

  for (const [name, encoding] of Object.entries({ EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED })) {
    it(`keeps the transfer syntax ${name}`, async () => {
      const samples = Buffer.from(someSamples(descriptionOf(SIZE)));
      const file = nativeFile(SIZE, encoding.bigEndian ? samples.swap16() : samples, encoding);

      const { header, bytes } = await releasedFile(file, POLICY);

      expect(header.transferSyntaxUid).to.equal(encoding.transferSyntaxUid);
      expect(await changedPixels(file, bytes)).to.deep.equal([placesIn(REGION)]);
    });
  }

  it('blanks both pixels of a pair that share a colour, and no brightness outside', async () => {
    const layout: ImageLayout = {
      ...SIZE,
      samplesPerPixel: 3,
      bitsAllocated: 8,
      photometricInterpretation: 'YBR_FULL_422',
    };
    const value = Uint8Array.from({ length: SIZE.rows * SIZE.columns * 2 }, (_, n) => 1 + ((n * 7) % 100));
    const file = nativeFile(layout, value);

    const { bytes } = await releasedFile(file, POLICY);

    expect(await changedPixels(file, bytes)).to.deep.equal([placesIn(REGION)]);
  });

  const lossless = { RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000, HTJ2K };
  for (const [name, transferSyntaxUid] of Object.entries(lossless)) {
    it(`compresses ${name} again as it was, grey and colour, several frames`, async () => {
      for (const layout of [
        { ...SIZE, frames: 3, bitsStored: 12 },
        { ...SIZE, samplesPerPixel: 3, bitsAllocated: 8 } as const,
      ]) {
        const file = compressedFile(layout, transferSyntaxUid, await losslessFrames(layout, transferSyntaxUid));

        const { header, bytes } = await releasedFile(file, POLICY);

        expect(header.transferSyntaxUid).to.equal(transferSyntaxUid);
        for (const changed of await changedPixels(file, bytes)) expect(changed).to.deep.equal(placesIn(REGION));
      }
    });
  }

  it('loses nothing more of a lossy image, and says that it lost before', async () => {
    const layout: ImageLayout = {
      ...SIZE,
      samplesPerPixel: 3,
      bitsAllocated: 8,
      photometricInterpretation: 'YBR_FULL_422',
    };
    const file = compressedFile(layout, JPEG_BASELINE, [await lossyJpeg(layout)]);

    const { header, dataSet, bytes } = await releasedFile(file, POLICY);

    expect(header.transferSyntaxUid).to.equal(JPEG_LOSSLESS);
    expect(dataSet.string('PhotometricInterpretation')).to.equal('RGB');
    expect(dataSet.string('LossyImageCompression')).to.equal('01');
    expect(dataSet.string('LossyImageCompressionMethod')).to.equal('ISO_10918_1');
    expect([...((await changedPixels(file, bytes))[0] ?? [])].toSorted()).to.deep.equal(
      [...placesIn(REGION)].toSorted(),
    );
  });

  it('writes another syntax where the codec does not give back what it was given', async () => {
    const layout: ImageLayout = { ...SIZE, bitsAllocated: 8, isSigned: true };
    const file = compressedFile(
      layout,
      JPEG_2000_LOSSY,
      await losslessFrames({ ...SIZE, bitsAllocated: 8 }, JPEG_2000),
    );

    const { header, bytes } = await releasedFile(file, POLICY);

    expect(header.transferSyntaxUid).to.equal(RLE);
    expect(await changedPixels(file, bytes)).to.deep.equal([placesIn(REGION)]);
  });

  it('fills with Pixel Padding Value where there is one', async () => {
    const padding = element('PixelPaddingValue', uint16s([77]), 'US');
    const file = nativeFile(SIZE, someSamples(descriptionOf(SIZE)), EXPLICIT, [padding]);

    const { frames } = await decodedFrames((await releasedFile(file, POLICY)).bytes);

    const at = (REGION.y * SIZE.columns + REGION.x) * 2;
    expect(Buffer.from(frames[0] ?? []).readUInt16LE(at)).to.equal(77);
  });

  it('holds what may show text and is of no device whose regions are known', async () => {
    const screen = element('ImageType', 'DERIVED\\SECONDARY\\SCREEN SAVE');
    const policy = { pixels: { text: 'blank-regions' } };
    const file = nativeFile(SIZE, someSamples(descriptionOf(SIZE)), EXPLICIT, [screen]);

    expect(await deidentifyFiles([file], policy)).to.include({
      outcome: 'held',
      detail: '1 of 1 instances cannot be released: screen save, and of a device whose regions are not known',
    });
  });

  it('claims to be free of text where a device is known, and nothing where it is not', async () => {
    const file = nativeFile(SIZE, someSamples(descriptionOf(SIZE)));

    const known = await releasedFile(file, POLICY);
    const unknown = await releasedFile(file, { pixels: { text: 'blank-regions' } });

    const codes = (dataSet: typeof known.dataSet) =>
      dataSet.items('DeidentificationMethodCodeSequence').map((item) => item.string('CodeValue'));
    expect(known.dataSet.string('BurnedInAnnotation')).to.equal('NO');
    expect(codes(known.dataSet)).to.deep.equal(['113100', '113101']);
    expect(unknown.dataSet.has('BurnedInAnnotation')).to.be.false;
    expect(codes(unknown.dataSet)).to.deep.equal(['113100']);
  });
});

describe('pixel data that cannot be cleaned', () => {
  const frame = someSamples(descriptionOf(SIZE));
  const bits = (value: number) => element('BitsAllocated', uint16s([value]), 'US');
  const stored = (value: number) => [
    element('BitsStored', uint16s([value]), 'US'),
    element('HighBit', uint16s([value - 1]), 'US'),
  ];
  const cases: Readonly<Record<string, readonly [Uint8Array | (() => Promise<Uint8Array>), RegExp]>> = {
    'a frame that is cut off': [nativeFile(SIZE, frame.slice(0, 100)), /shorter than its header says/],
    'more bytes than frames': [nativeFile(SIZE, Buffer.concat([frame, frame])), /longer than its header says/],
    'fewer frames than the header says': [nativeFile({ ...SIZE, frames: 2 }, frame), /shorter than its header says/],
    'single bits': [nativeFile(SIZE, frame, EXPLICIT, [bits(1), ...stored(1)]), /1 bits allocated/],
    '12 bits allocated': [nativeFile(SIZE, frame, EXPLICIT, [bits(12), ...stored(12)]), /bits allocated: 12/],
    '32 bits allocated': [
      nativeFile(SIZE, Buffer.concat([frame, frame]), EXPLICIT, [bits(32), ...stored(32)]),
      /32 bits allocated/,
    ],
    'no rows': [nativeFile(SIZE, frame, EXPLICIT, [element('Rows', uint16s([0]), 'US')]), /no Rows/],
    'more codestreams than frames': [
      async () => {
        const [one = frame] = await losslessFrames(SIZE, JPEG_LS);
        return compressedFile(SIZE, JPEG_LS, [one, one]);
      },
      /more frames than its header says/,
    ],
    'a codestream of another size': [
      async () => compressedFile(SIZE, JPEG_LS, await losslessFrames({ rows: 8, columns: 12 }, JPEG_LS)),
      /by its codestream/,
    ],
    'a damaged frame behind a sound one': [
      async () => {
        const frames = await losslessFrames({ ...SIZE, frames: 2 }, RLE);
        return compressedFile({ ...SIZE, frames: 2 }, RLE, [frames[0] ?? frame, (frames[1] ?? frame).slice(0, -4)]);
      },
      /pixel data changed on the way/,
    ],
  };
  for (const [name, [made, reason]] of Object.entries(cases)) {
    it(`is held: ${name}`, async () => {
      const file = typeof made === 'function' ? await made() : made;

      const result = await deidentifyFiles([file], POLICY);

      expect(result.outcome).to.equal('held');
      expect(result.outcome === 'held' ? result.detail : '').to.match(reason);
    });
  }
});
