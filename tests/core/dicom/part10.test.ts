import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import { checkPixelData, fileMeta, readDataSet, readHeader } from '../../../core/dicom/part10.ts';
import { encodePart10 } from '../../../core/dicom/encode.ts';
import { HubError } from '../../../core/errors.ts';
import type { ByteSource } from '../../../core/store.ts';
import {
  ALL_ENCODINGS,
  BIG_ENDIAN,
  DEFLATED,
  element,
  encapsulated,
  EXPLICIT,
  identity,
  pixels,
  sampleFile,
} from '../../support/dicom-samples.ts';
import { skip } from '../../support/skip.ts';

const REAL_DATA = '../shared/mri/dicom';

describe('part 10 header', () => {
  for (const [name, encoding] of Object.entries(ALL_ENCODINGS)) {
    it(`reads ${name} up to the pixel data and finds the pixels`, async () => {
      const file = sampleFile([...identity(), ...pixels([1, 2, 3, 4], encoding === BIG_ENDIAN)], encoding);
      const source = bytesAsSource(file);

      const header = await readHeader(source);

      expect(header.transferSyntaxUid).to.equal(encoding.transferSyntaxUid);
      expect(header.meta.string('MediaStorageSOPInstanceUID')).to.equal('1.2.999.3.1');
      expect(header.dataSet.string('PatientID')).to.equal('RAT-0815-X');
      expect(header.dataSet.has('PixelData')).to.equal(false);
      expect(header.pixelData).to.include({ vr: 'OW', length: 8 });
      expect(header.inflated === undefined).to.equal(encoding !== DEFLATED);
      const bytes = header.inflated ?? file;
      expect(await checkPixelData(source, header)).to.equal(bytes.length);
      expect((await readDataSet(source)).dataSet.numbers('PixelData')).to.deep.equal([1, 2, 3, 4]);
    });
  }

  it('reads no pixels, whatever their size', async () => {
    const file = sampleFile([...identity(), element('PixelData', new Uint8Array(5_000_000), 'OW')]);
    const asked: number[] = [];
    const source: ByteSource = {
      ...bytesAsSource(file),
      read: async (offset, length) => {
        asked.push(offset + length);
        return file.slice(offset, offset + length);
      },
    };

    const header = await readHeader(source);
    await checkPixelData(source, header);

    expect(header.pixelData?.length).to.equal(5_000_000);
    expect(Math.max(...asked)).to.be.at.most(65_536);
  });

  it('reads on when a value before the pixel data is large', async () => {
    const file = sampleFile([...identity(), element('ICCProfile', new Uint8Array(3_000_000), 'OB'), ...pixels()]);

    const header = await readHeader(bytesAsSource(file));

    expect(header.dataSet.element(0x00282000)?.value.length).to.equal(3_000_000);
    expect(header.pixelData?.length).to.equal(8);
  });

  it('finds the end of encapsulated pixel data by its fragments', async () => {
    const head = sampleFile(identity(), { ...EXPLICIT, transferSyntaxUid: '1.2.840.10008.1.2.5' });
    const file = Buffer.concat([head, encapsulated([new Uint8Array(64), new Uint8Array(10)]), Buffer.alloc(6)]);
    const source = bytesAsSource(file);

    const header = await readHeader(source);

    expect(header.pixelData?.length).to.equal(undefined);
    expect(await checkPixelData(source, header)).to.equal(file.length - 6);
    expect(await failureOf(checkPixelData(bytesAsSource(file.subarray(0, file.length - 20)), header))).to.include({
      code: 'dataset.unreadable',
    });
  });

  it('refuses what is no DICOM file, is empty, or ends inside an element, and says which', async () => {
    const file = sampleFile([...identity(), ...pixels()]);
    const failures = [
      await failureOf(readHeader(bytesAsSource(new Uint8Array(0)))),
      await failureOf(readHeader(bytesAsSource(Buffer.from('{"json": true}')))),
      await failureOf(readHeader(bytesAsSource(file.subarray(0, 400)))),
      await failureOf(readHeader(bytesAsSource(Buffer.concat([file.subarray(0, 132), file.subarray(330)])))),
    ];

    expect(failures.map(({ code }) => code)).to.deep.equal([
      'dataset.empty',
      'dataset.unreadable',
      'dataset.unreadable',
      'dataset.unreadable',
    ]);
    expect(failures[1]?.fields['detail']).to.equal('not-a-part-10-file');
  });

  it('refuses a deflate stream that is none', async () => {
    const fields = { sopClassUid: '1.2', sopInstanceUid: '1.2.3', transferSyntaxUid: DEFLATED.transferSyntaxUid };
    const file = Buffer.concat([fileMeta(fields), Buffer.from('no deflate stream')]);

    expect((await failureOf(readHeader(bytesAsSource(file)))).code).to.equal('dataset.unreadable');
  });

  it('writes file meta information that says how long it is', async () => {
    const meta = fileMeta({
      sopClassUid: '1.2',
      sopInstanceUid: '1.2.3',
      transferSyntaxUid: '1.2.840.10008.1.2.1',
      sourceAeTitle: 'HUB',
    });
    const header = await readHeader(bytesAsSource(meta));

    expect(header.meta.number('FileMetaInformationGroupLength')).to.equal(meta.length - 132 - 12);
    expect(header.meta.string('SourceApplicationEntityTitle')).to.equal('HUB');
    expect(meta.subarray(0, 128).every((byte) => byte === 0)).to.equal(true);
  });

  it('writes whole files that name their own instance', async () => {
    const file = encodePart10({ SOPClassUID: '1.2.840.10008.5.1.4.1.1.4', SOPInstanceUID: '1.2.3', PatientID: 'R1' });

    const header = await readHeader(bytesAsSource(file));

    expect(header.meta.string('MediaStorageSOPInstanceUID')).to.equal('1.2.3');
    expect(header.dataSet.string('PatientID')).to.equal('R1');
  });
});

describe('part 10 header of real scanners', () => {
  it('reads every file, and refuses the one that is cut off', async function () {
    if (!existsSync(REAL_DATA)) skip(this, 'the real MRI data is not here');
    const refused: string[] = [];
    let read = 0;

    for (const path of globSync('**/*', { cwd: REAL_DATA }).filter((name) => /\.dcm$|\/MR\.\d/.test(name))) {
      const source = bytesAsSource(readFileSync(join(REAL_DATA, path)));
      const header = await readHeader(source);
      try {
        await checkPixelData(source, header);
        read += 1;
      } catch (error) {
        if (!(error instanceof HubError)) throw error;
        refused.push(`${path}: ${error.code}`);
      }
    }

    expect(refused).to.deep.equal(['pydicom_small/MR_truncated.dcm: dataset.unreadable']);
    expect(read).to.be.at.least(150);
  });
});

async function failureOf(work: Promise<unknown>): Promise<HubError> {
  const outcome: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof HubError) return outcome;
  throw outcome instanceof Error ? outcome : new Error('did not fail');
}
