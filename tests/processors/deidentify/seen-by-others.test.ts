import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import * as z from 'zod';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import { checkPixelData, readHeader } from '../../../core/dicom/part10.ts';
import { policySchema } from '../../../processors/deidentify/policy.ts';
import { phantomStudy } from '../../../demo/phantom/study.ts';
import { type Command, run } from '../../support/child-process.ts';
import { releasedFile, releasedFiles } from '../../support/deidentified.ts';
import { dciodvfy, dcm2niix, dcmtk, type Peer } from '../../support/peers.ts';
import { skip } from '../../support/skip.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const REAL_DATA = '../shared/mri/dicom';
const POLICIES = 'config/examples/policies';
const MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4';

// What others' programs say of what comes out: dcmdump, dciodvfy, dcm2niix.

describe('de-identified files of real scanners', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  let validator: Peer;
  let dcmdump: Peer;

  before(async function () {
    if (!existsSync(REAL_DATA)) skip(this, 'the real MRI data is not here');
    validator = await dciodvfy();
    dcmdump = await dcmtk();
  });

  it('are read by dcmdump, have the same pixels, and no error dciodvfy did not see before', async () => {
    const paths = globSync('**/*', { cwd: REAL_DATA })
      .filter((path) => /\.dcm$|\/MR\.\d/.test(path) && !path.includes('truncated'))
      .toSorted()
      // One in twelve, and all encodings of the small one.
      .filter((path, index) => index % 12 === 0 || path.includes('pydicom_small') || path.includes('enh'));
    expect(paths.length).to.be.at.least(15);

    for (const path of paths) {
      const original = readFileSync(join(REAL_DATA, path));
      // Some are derived and do not say whether text is burned in: their class is named.
      const { bytes } = await releasedFile(original, { classes: [MR_IMAGE_STORAGE] });
      const file = join(folder.path, 'out.dcm');
      await writeFile(file, bytes);

      expect((await run(dcmdump.command('dcmdump'), ['-q', file])).code, path).to.equal(0);
      expect(await pixelBytes(bytes), path).to.deep.equal(await pixelBytes(original));
      const before = await errorsOf(validator, join(REAL_DATA, path));
      const fresh = [...(await errorsOf(validator, file))].filter((error) => !before.has(error));
      expect(fresh, path).to.deep.equal([]);
    }
  });
});

describe('MR under the policies that come with the hub', function () {
  this.timeout(180_000);
  const folder = temporaryFolder();
  let converter: Command;

  before(async function () {
    if (!existsSync(REAL_DATA)) skip(this, 'the real MRI data is not here');
    converter = await dcm2niix();
  });

  it('are policies, each of them', () => {
    const names = readdirSync(POLICIES);

    expect(names).to.deep.equal(['ge-mr.yaml', 'philips-mr.yaml', 'preclinical.yaml', 'siemens-mr.yaml']);
    for (const name of names) expect(policySchema.safeParse(readPolicy(name)).error?.message, name).to.equal(undefined);
  });

  const studies = [
    { policy: 'siemens-mr.yaml', data: 'siemens_mosaic_orientation/ax/axasc35', isGeometrySame: true },
    // Without the CSA header the converter does not see on which side a coronal mosaic begins; see docs/deidentification.md.
    { policy: 'siemens-mr.yaml', data: 'siemens_mosaic_orientation/cor/corint36', isGeometrySame: false },
    { policy: 'siemens-mr.yaml', data: 'siemens_xa10_enhanced', isGeometrySame: true },
    { policy: 'siemens-mr.yaml', data: 'siemens_xa30_enh_asl', isGeometrySame: true },
    // Two repetitions of ten. The converter takes GE's slice order from the protocol data block alone.
    { policy: 'ge-mr.yaml', data: 'ge_epi_interleaved', isGeometrySame: true, files: 30, lost: 'SliceTiming' },
  ];
  for (const { policy, data, isGeometrySame, files: count, lost } of studies) {
    it(`${policy} leaves dcm2niix what it needs of ${data}`, async () => {
      const paths = globSync('**/*', { cwd: join(REAL_DATA, data) }).filter((path) => /\.dcm$|MR\.\d/.test(path));
      const originals = paths
        .toSorted()
        .slice(0, count)
        .map((path) => readFileSync(join(REAL_DATA, data, path)));
      const { name: _, profile: __, ...rest } = readPolicy(policy);
      const { files } = await releasedFiles(originals, rest);

      const before = await converted(originals, `${data}/before`);
      const after = await converted(files, `${data}/after`);

      expect(after.voxels.equals(before.voxels)).to.equal(true);
      if (isGeometrySame) expect(after.geometry.equals(before.geometry)).to.equal(true);
      for (const key of [
        'SliceTiming',
        'PhaseEncodingDirection',
        'EffectiveEchoSpacing',
        'TotalReadoutTime',
        'RepetitionTime',
        'ImageType',
      ])
        expect(after.json[key], key).to.deep.equal(key === lost ? undefined : before.json[key]);
      expect(JSON.stringify(after.json)).to.not.match(/Columbia|Austin|Bloomington|3513|67093|1756/);
    });
  }

  async function converted(files: readonly Uint8Array[], name: string) {
    const place = join(folder.path, name);
    await mkdir(join(place, 'in'), { recursive: true });
    for (const [index, bytes] of files.entries()) await writeFile(join(place, 'in', `${index}.dcm`), bytes);
    const args = ['-m', 'dcm2niix', '-b', 'y', '-z', 'n', '-f', 'out', '-o', place, join(place, 'in')];
    expect((await run(converter, args)).code).to.equal(0);
    const nifti = readFileSync(join(place, 'out.nii'));
    const json: unknown = JSON.parse(readFileSync(join(place, 'out.json'), 'utf8'));
    // NIfTI-1: the header ends at 352; qform and sform stand from 252 to 328.
    return {
      voxels: nifti.subarray(352),
      geometry: nifti.subarray(252, 328),
      json: z.record(z.string(), z.unknown()).parse(json),
    };
  }
});

function readPolicy(name: string): Readonly<Record<string, unknown>> {
  return z.record(z.string(), z.unknown()).parse(parse(readFileSync(join(POLICIES, name), 'utf8')));
}

describe('a de-identified animal', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();

  it('keeps an IOD without errors: what an animal must have is emptied, not removed', async () => {
    const validator = await dciodvfy();
    const [instance] = phantomStudy({ slices: 4 });
    const file = join(folder.path, 'animal.dcm');
    await writeFile(file, (await releasedFile(instance?.bytes ?? new Uint8Array())).bytes);

    const errors = await errorsOf(validator, file);

    expect([...errors]).to.deep.equal([]);
    const { dataSet } = await readHeader(bytesAsSource(readFileSync(file)));
    expect(dataSet.has('ResponsiblePerson')).to.equal(true);
    expect(dataSet.string('ResponsiblePerson')).to.equal(undefined);
    expect(dataSet.has('ResponsiblePersonRole')).to.equal(false);
  });
});

async function pixelBytes(file: Uint8Array): Promise<Buffer> {
  const header = await readHeader(bytesAsSource(file));
  const end = await checkPixelData(bytesAsSource(file), header);
  return Buffer.from(file.subarray(header.pixelData?.offset ?? end, end));
}

/** Without the values and item numbers in its sentences. */
async function errorsOf(validator: Peer, file: string): Promise<ReadonlySet<string>> {
  const { stdout, stderr } = await run(validator.command('dciodvfy'), [file]);
  const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => line.startsWith('Error'));
  return new Set(lines.map((line) => line.replaceAll(/(?<!Element=|Module=)<[^>]*>|\d+/g, '')));
}
