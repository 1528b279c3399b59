import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import { readDataSet } from '../../../core/dicom/part10.ts';
import { run } from '../../support/child-process.ts';
import { dciodvfy, type Peer } from '../../support/peers.ts';
import { allResults, openSource, SOURCES } from '../../support/result-sources.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const KINDS = 7;

describe('results as DICOM objects', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let validator: Peer;
  before(async () => {
    validator = await dciodvfy();
  });

  async function errorsOf(bytes: Uint8Array): Promise<readonly string[]> {
    const file = join(folder.path, 'object.dcm');
    await writeFile(file, bytes);
    const { stdout, stderr } = await run(validator.command('dciodvfy'), [file]);
    return `${stdout}${stderr}`.split('\n').filter((line) => line.startsWith('Error'));
  }

  for (const source of Object.keys(SOURCES) as (keyof typeof SOURCES)[])
    it(`have no error that their source has not, when it is ${source}`, async () => {
      const { volume, files } = await openSource(source);
      const allowed = new Set((await Promise.all(files.slice(0, 1).map(errorsOf))).flat());

      const { objects } = await allResults(volume);

      expect(Object.keys(objects)).to.have.length(KINDS);
      for (const [kind, { bytes }] of Object.entries(objects))
        expect(
          (await errorsOf(bytes)).filter((error) => !allowed.has(error)),
          kind,
        ).to.deep.equal([]);
    });

  it('are the same bytes when they are made again', async () => {
    const { volume } = await openSource('enhanced MR');

    const [one, other] = [await allResults(volume), await allResults(volume)];

    for (const [kind, { bytes, sopInstanceUid }] of Object.entries(one.objects)) {
      expect(other.objects[kind]?.sopInstanceUid, kind).to.equal(sopInstanceUid);
      expect(Buffer.compare(bytes, other.objects[kind]?.bytes ?? Buffer.alloc(0)), kind).to.equal(0);
    }
    const pdf = Buffer.from(one.files.find(({ path }) => path === 'report.pdf')?.bytes ?? []).toString('latin1');
    expect(pdf.startsWith('%PDF-1.7'), 'a PDF').to.equal(true);
    expect(pdf.match(/\/FontFile2/g), 'both typefaces lie within').to.have.length(2);
    for (const [index, { path, bytes }] of one.files.entries())
      expect(Buffer.compare(bytes, other.files[index]?.bytes ?? Buffer.alloc(0)), path).to.equal(0);
  });

  it('belong to the study of their source, say what they are of and what made them', async () => {
    const { volume } = await openSource('a ParaVision study');

    const { objects } = await allResults(volume);

    for (const [kind, { bytes }] of Object.entries(objects)) {
      const { dataSet } = await readDataSet(bytesAsSource(bytes));
      const [equipment] = dataSet.items('ContributingEquipmentSequence');
      expect(dataSet.string('StudyInstanceUID'), kind).to.equal(volume.studyInstanceUid);
      expect(equipment?.string('ManufacturerModelName'), kind).to.equal('imaging-hub');
      expect(equipment?.string('SoftwareVersions'), kind).to.equal('0.1.0');
      expect(dataSet.string('PatientID'), kind).to.equal(volume.header.string('PatientID'));
      expect(dataSet.has('PatientSpeciesDescription'), kind).to.equal(volume.header.has('PatientSpeciesDescription'));
      expect(dataSet.string('SeriesDescription'), kind).to.match(/quality/.test(kind) ? /^Quality control: / : /^AI: /);
      expect(Buffer.from(bytes).includes(volume.slices[0]?.sopInstanceUid ?? 'none'), kind).to.equal(true);
    }
  });

  it('point each frame at the frame it was made from, and leave empty ones out', async () => {
    const { volume } = await openSource('enhanced MR');

    const { segmentation, scan } = await allResults(volume, ['seg']);

    const { dataSet } = await readDataSet(bytesAsSource(segmentation.bytes));
    const frames = dataSet.items('PerFrameFunctionalGroupsSequence');
    const plane = volume.dims[0] * volume.dims[1];
    const slices = scan.labels.map(({ mask }) =>
      Array.from({ length: volume.dims[2] }, (_, z) => z).filter((z) =>
        mask.subarray(z * plane, (z + 1) * plane).includes(1),
      ),
    );
    expect(frames).to.have.length(slices.flat().length);
    expect(frames.length).to.be.lessThan(2 * volume.dims[2]);
    expect(
      frames.map((frame) =>
        frame.items('DerivationImageSequence')[0]?.items('SourceImageSequence')[0]?.number('ReferencedFrameNumber'),
      ),
    ).to.deep.equal(slices.flat().map((z) => volume.slices[z]?.frameNumber));
    expect(dataSet.string('SegmentsOverlap')).to.equal('NO');
    expect(dataSet.items('DimensionOrganizationSequence')).to.have.length(1);
  });
});
