import { expect } from 'chai';
import { HubError } from '../../../../core/errors.ts';
import { bytesAsSource } from '../../../../core/bytes-as-source.ts';
import { readHeader } from '../../../../core/dicom/part10.ts';
import { createPixelCleaner } from '../../../../processors/deidentify/pixels/cleaner.ts';
import { openTextDetector, type TextDetector } from '../../../../processors/deidentify/pixels/text-detector.ts';
import { compilePlan } from '../../../../processors/deidentify/plan.ts';
import { policySchema } from '../../../../processors/deidentify/policy.ts';
import { deidentifyFiles, releasedFile } from '../../../support/deidentified.ts';
import { element } from '../../../support/dicom-samples.ts';
import { compressedFile, lossyJpeg, nativeFile } from './image-samples.ts';
import { backgroundSlice, textImage, type TextImage, type TextStyle } from './text-images.ts';
import { coverage, pictureOf } from './text-recall.ts';

const CLEAN = { options: ['clean-pixel-data'] };
const STYLE: TextStyle = {
  font: 'sans',
  sizePx: 14,
  contrast: 1.5,
  isInverted: false,
  turns: 0,
  isBitmap: false,
};
const signal = new AbortController().signal;

function fileOf(frames: readonly Pick<TextImage, 'rows' | 'columns' | 'values'>[], bitsStored = 12): Uint8Array {
  const [first] = frames;
  const layout = { rows: first?.rows ?? 0, columns: first?.columns ?? 0, bitsStored, frames: frames.length };
  return nativeFile(layout, Buffer.concat(frames.map(({ values }) => new Uint8Array(values.buffer))));
}

/** Values of the first frame of an output of 16 bits. */
async function valuesOf(file: Uint8Array, frame: number, pixels: number): Promise<Uint16Array> {
  const source = bytesAsSource(file);
  const { pixelData } = await readHeader(source);
  const bytes = await source.read((pixelData?.offset ?? 0) + frame * pixels * 2, pixels * 2);
  return new Uint16Array(bytes.buffer);
}

describe('detecting burned-in text', function () {
  this.timeout(300_000);
  let detector: TextDetector;
  before(async () => {
    detector = await openTextDetector(signal);
  });
  after(async () => {
    await detector.close();
  });

  it('covers nineteen lines of twenty, upright and turned, faint and glaring, light and dark', async () => {
    const styles: readonly TextStyle[] = [
      STYLE,
      { ...STYLE, turns: 1, font: 'mono', sizePx: 12 },
      { ...STYLE, turns: 3, contrast: 2, isBitmap: true },
      { ...STYLE, sizePx: 10, isBitmap: true, contrast: 2 },
      { ...STYLE, isInverted: true, font: 'serif' },
      { ...STYLE, sizePx: 24, contrast: 1, font: 'bold' },
      { ...STYLE, sizePx: 16, contrast: 0.8, font: 'condensed', isInverted: true },
    ];
    let [found, all] = [0, 0];
    for (const [index, style] of styles.entries()) {
      const image = textImage(100 + index, 256, style);
      for (const share of coverage(image, await detector.find(pictureOf(image))).lines) {
        all += 1;
        if (share >= 0.95) found += 1;
      }
    }

    expect(all).to.be.at.least(18);
    expect(found / all).to.be.at.least(0.95);
  });

  it('finds nothing where nothing is written', async () => {
    for (let seed = 500; seed < 506; seed++) {
      const picture = pictureOf({ rows: 256, columns: 256, values: backgroundSlice(seed, 256) });
      expect(await detector.find(picture)).to.deep.equal([]);
    }
  });

  it('finds lines anywhere in a picture larger than a tile', async () => {
    const image = textImage(7, 1600, { ...STYLE, sizePx: 24 }, 6);

    const { lines } = coverage(image, await detector.find(pictureOf(image)));

    expect(lines.length).to.equal(6);
    for (const share of lines) expect(share).to.be.at.least(0.95);
  });

  it('fails with a reason when its process is ended in the middle', async () => {
    const controller = new AbortController();
    const mortal = await openTextDetector(controller.signal);
    const work = mortal.find(pictureOf(textImage(7, 512, STYLE))).catch((error: unknown) => error);
    controller.abort();

    expect(await work)
      .to.be.instanceOf(HubError)
      .and.include({ code: 'processor.failed' });
    await mortal.close();
  });
});

describe('cleaning pixel data of text', function () {
  this.timeout(300_000);
  const image = textImage(5, 256, STYLE);

  it('blanks what it finds, touches nothing else, and says so', async () => {
    const file = fileOf([image]);

    const { bytes, dataSet, report } = await releasedFile(file, CLEAN);

    const after = await valuesOf(bytes, 0, 256 * 256);
    for (const { ink } of image.lines)
      expect(ink.filter((at) => after[at] !== 0).length / ink.length).to.be.below(0.02);
    const changed = image.values.reduce((sum, value, at) => sum + (after[at] === value ? 0 : 1), 0);
    expect(changed).to.be.below(0.25 * image.values.length);
    expect(image.values.every((value, at) => after[at] === value || after[at] === 0)).to.be.true;
    expect(dataSet.string('BurnedInAnnotation')).to.equal('NO');
    expect(report.pixels).to.include({ instancesFreeOfText: 1, framesBlanked: 1 });
    expect(report.pixels.textsFound).to.be.at.least(3);
  });

  it('leaves an image without text as it is, byte by byte, and says that it was looked at', async () => {
    const file = fileOf([{ rows: 128, columns: 128, values: backgroundSlice(3, 128) }]);

    const { bytes, dataSet, report } = await releasedFile(file, CLEAN);

    expect(Buffer.compare(Buffer.from(bytes).subarray(-128 * 128 * 2), file.subarray(-128 * 128 * 2))).to.equal(0);
    expect(report.verification.pixelData).to.equal('unchanged');
    expect(dataSet.string('BurnedInAnnotation')).to.equal('NO');
  });

  it('blanks an overlay that two frames show in all frames, and other text where it stands', async () => {
    const plain = backgroundSlice(5, 256);
    const frames = [image, image, { ...image, values: plain }];

    const { bytes } = await releasedFile(fileOf(frames), CLEAN);

    const last = await valuesOf(bytes, 2, 256 * 256);
    for (const { ink } of image.lines) expect(ink.every((at) => last[at] === 0)).to.be.true;
  });

  it('releases a screen save that a policy without cleaning would hold', async () => {
    const screen = element('ImageType', 'DERIVED\\SECONDARY\\SCREEN SAVE');
    const layout = { rows: 256, columns: 256, bitsStored: 12 };
    const file = nativeFile(layout, new Uint8Array(image.values.buffer), undefined, [screen]);

    expect((await deidentifyFiles([file])).outcome).to.equal('held');
    expect((await deidentifyFiles([file], CLEAN)).outcome).to.equal('released');
  });

  it('holds instead of blanking where the policy wants that', async () => {
    const policy = { ...CLEAN, pixels: { foundText: 'quarantine' } };

    const result = await deidentifyFiles([fileOf([image])], policy);

    expect(result).to.include({ outcome: 'held' });
    expect(result).to.have.property('detail').that.includes('text in the pixels');
  });

  it('cleans compressed colour without a second loss', async () => {
    const layout = { rows: 64, columns: 64, samplesPerPixel: 3, bitsAllocated: 8 } as const;
    const file = compressedFile(layout, '1.2.840.10008.1.2.4.50', [await lossyJpeg(layout)]);

    const { dataSet } = await releasedFile(file, CLEAN);

    expect(dataSet.string('BurnedInAnnotation')).to.equal('NO');
  });

  it('holds with a reason while the detector fails, and goes on with a fresh one', async () => {
    const plan = compilePlan(policySchema.parse({ name: 'test', profile: 'basic', ...CLEAN }));
    let opened = 0;
    const cleaner = createPixelCleaner(plan, async () => {
      opened += 1;
      const isBroken = opened === 1;
      return {
        find: async () => {
          if (isBroken) throw new HubError('processor.timeout', {});
          return [];
        },
        close: async () => {},
      };
    });
    const source = bytesAsSource(fileOf([{ rows: 32, columns: 32, values: backgroundSlice(3, 32) }]));
    const header = await readHeader(source);

    const first = await cleaner.clean({ source, header }, signal);
    const second = await cleaner.clean({ source, header }, signal);
    await cleaner.close();

    expect(first).to.deep.equal({ outcome: 'held', reason: 'text could not be looked for: the detector failed' });
    expect(second.outcome).to.equal('untouched');
    expect(opened).to.equal(2);
  });

  it('holds what still shows text after it was blanked, and what is mostly text', async () => {
    const plan = compilePlan(policySchema.parse({ name: 'test', profile: 'basic', ...CLEAN }));
    const stubborn = async (width: number) => {
      const cleaner = createPixelCleaner(plan, async () => ({
        find: async () => [{ x: 0, y: 0, width, height: width }],
        close: async () => {},
      }));
      const source = bytesAsSource(fileOf([{ rows: 32, columns: 32, values: backgroundSlice(3, 32) }]));
      return cleaner.clean({ source, header: await readHeader(source) }, signal);
    };

    expect(await stubborn(4)).to.include({ reason: 'text is still found where it was blanked' });
    expect(await stubborn(30)).to.include({ reason: 'a frame that is mostly text' });
  });
});
