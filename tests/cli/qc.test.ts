import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { openLocalFiles } from '../../cli/local-files.ts';
import { qc } from '../../cli/qc.ts';
import { phantomStudy } from '../../demo/phantom/study.ts';
import { HUB } from '../../processors/objects/hub.ts';
import { segmentationObject } from '../../processors/objects/segmentation.ts';
import { openModel } from '../../processors/segment/open-model.ts';
import { assembleVolumes } from '../../processors/volumes/assemble.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { thrownBy } from '../support/thrown.ts';

const RODENT = resolve(import.meta.dirname, '../../../shared/mri/rodent');

describe('hub qc', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hub-qc-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('measures the series of a folder and writes JSON, pictures and a page', async () => {
    for (const { name, bytes } of phantomStudy({ columns: 48, rows: 40, slices: 12, spacingMm: [0.4, 1.2, 0.4] }))
      writeFileSync(join(folder, name), bytes);
    writeFileSync(join(folder, 'notes.txt'), 'not DICOM');
    const json = join(folder, 'report.json');
    const images = join(folder, 'images');
    const page = join(folder, 'report.html');

    const exitCode = await qc([folder, '--json', json, '--images', images, '--report', page], captureTerminal());

    expect(exitCode).to.equal(0);
    const report = JSON.parse(readFileSync(json, 'utf8')) as { series: Record<string, unknown>[] };
    expect(report.series).to.have.length(1);
    expect(report.series[0]).to.include({ name: 'T2_TurboRARE', kind: 'anatomical', verdict: 'not-enough-history' });
    expect(report.series[0]?.['measures']).to.include.keys('snr_chang_db', 'snr_normal_db', 'tsnr_db', 'efc', 'lmv');
    expect(readdirSync(images)).to.deep.equal([
      '001-T2_TurboRARE-background.png',
      '001-T2_TurboRARE-mosaic.png',
      '001-T2_TurboRARE-slice-signal.svg',
    ]);
    expect(readFileSync(page, 'utf8')).to.include('T2_TurboRARE').and.to.include('data:image/png;base64,');
  });

  it('takes the mask beside a NIfTI file, and measures what the published tools do', async () => {
    const json = join(folder, 'report.json');

    const exitCode = await qc([join(RODENT, 'mouse_T1w_head'), '--mode', 'aidaqc', '--json', json], captureTerminal());

    expect(exitCode).to.equal(0);
    const { series } = JSON.parse(readFileSync(json, 'utf8')) as { series: Record<string, unknown>[] };
    expect(series.map(({ name }) => name)).to.deep.equal(['sherm-1_T1w.nii.gz']);
    const measures = series[0]?.['measures'] as Readonly<Record<string, number>>;
    // The table of reference: snr in the brain, FBER, GSR x and y, SNR-Chang, SNR-normal, EFC.
    const published = { snr: 7.82, fber: 1.9757, gsr_x: -0.3193, gsr_y: 0.441, snr_chang_db: 45.158, efc: 0.8154 };
    for (const [name, value] of Object.entries(published)) expect(measures[name], name).to.be.closeTo(value, 1e-3);
    expect(measures).to.include({ ghosting: 0 });
    expect(series[0]?.['batchOutliers']).to.deep.equal([]);
  });

  it('takes gradients beside a NIfTI file, limits from a file and a mask by name', async () => {
    const dwi = { dims: [12, 10, 4, 8] as const, value: (i: number) => 100 + ((i * 7) % 50) };
    writeFileSync(join(folder, 'sub-1_dwi.nii'), nifti(dwi));
    writeFileSync(join(folder, 'sub-1_dwi.bval'), '0 1000 1000 1000 1000 1000 1000 1000\n');
    writeFileSync(join(folder, 'sub-1_dwi.bvec'), '0 1 0 0 .7 .7 0 1\n0 0 1 0 .7 0 .7 0\n0 0 0 1 0 .7 .7 0\n');
    writeFileSync(
      join(folder, 'options.json'),
      JSON.stringify({ limits: { diffusion: { directions: { failBelow: 30 } } } }),
    );
    writeFileSync(join(folder, 'given.nii'), nifti({ dims: [12, 10, 4, 1], value: () => 1 }));
    const json = join(folder, 'report.json');

    await qc(
      [
        join(folder, 'sub-1_dwi.nii'),
        '--json',
        json,
        '--options',
        join(folder, 'options.json'),
        '--mask',
        join(folder, 'given.nii'),
      ],
      captureTerminal(),
    );

    const { series } = JSON.parse(readFileSync(json, 'utf8')) as { series: Record<string, unknown>[] };
    expect(series[0]).to.include({ kind: 'diffusion', verdict: 'fail' });
    expect(series[0]?.['measures']).to.include({
      b0_volumes: 1,
      directions: 7,
      doubled_directions: 1,
      brain_volume_mm3: 480,
    });
    expect(series[0]?.['findings']).to.include("Weighted repetitions is 7, below the site's limit of 30.");
  });

  it('writes reports, pictures and what a PACS takes into a folder, and takes a Segmentation for a mask', async () => {
    const scans = join(folder, 'scans');
    const out = join(folder, 'out');
    mkdirSync(scans);
    for (const { name, bytes } of phantomStudy({ columns: 48, rows: 40, slices: 12, spacingMm: [0.4, 1.2, 0.4] }))
      writeFileSync(join(scans, name), bytes);
    const volumeOf = (report: string) => {
      const { series } = JSON.parse(readFileSync(report, 'utf8')) as {
        series: { measures: Record<string, number | null> }[];
      };
      return series[0]?.measures['brain_volume_mm3'];
    };

    expect(await qc([scans, '--out', out], captureTerminal())).to.equal(0);
    const without = volumeOf(join(out, 'report.json'));
    const segmentation = join(folder, 'brain.dcm');
    const voxels = await writeSegmentation(scans, segmentation, 'Brain');
    const named = join(folder, 'named.json');
    await qc([scans, '--mask', segmentation, '--json', named], captureTerminal());
    copyFileSync(segmentation, join(scans, 'brain.dcm'));
    const found = join(folder, 'found.json');
    await qc([scans, '--json', found], captureTerminal());
    await writeSegmentation(scans, join(scans, 'brain.dcm'), 'Lesion');
    const lesion = join(folder, 'lesion.json');
    await qc([scans, '--json', lesion], captureTerminal());

    expect(readdirSync(out)).to.deep.equal([
      '001-T2_TurboRARE-overview.dcm',
      'measurements.dcm',
      'pictures',
      'report.dcm',
      'report.html',
      'report.json',
      'report.pdf',
    ]);
    expect(without).to.equal(null);
    expect(volumeOf(named)).to.be.closeTo(voxels * 0.4 * 1.2 * 0.4, 1e-4);
    expect(volumeOf(found)).to.equal(volumeOf(named));
    // Of a lesion nobody said that it is the brain.
    expect(volumeOf(lesion)).to.equal(null);
  });

  it('refuses options it does not know, and a file that is none', async () => {
    writeFileSync(join(folder, 'options.json'), '{ "limit": {} }');
    writeFileSync(join(folder, 'broken.json'), '{');
    const codeOf = async (...argv: string[]) => (await thrownBy(qc([folder, ...argv], captureTerminal()))).code;
    const codes = [];
    for (const file of ['options.json', 'broken.json', 'nowhere.json'])
      codes.push(await codeOf('--options', join(folder, file)));
    codes.push(await codeOf('--mode', 'loud'));

    expect(codes).to.deep.equal(['config.invalid', 'config.invalid', 'file.failed', 'config.invalid']);
  });

  it('says so and fails when there is nothing to measure', async () => {
    writeFileSync(join(folder, 'notes.txt'), 'not DICOM');
    const json = join(folder, 'report.json');

    const terminal = captureTerminal();

    expect(await qc([folder, '--json', json], terminal)).to.equal(1);
    expect(terminal.errors).to.deep.equal([
      'left out, not DICOM: 1 file, such as notes.txt',
      `nothing below ${folder} could be measured: no MR or CT images and no NIfTI volume`,
    ]);
    expect(existsSync(json)).to.equal(true);
  });

  it('refuses wrong usage and a path that is not there', async () => {
    const codeOf = async (...argv: string[]) =>
      await qc(argv).then(
        () => undefined,
        (error: unknown) => (error as { code?: string }).code,
      );

    expect(await codeOf()).to.equal('command.usage');
    expect(await codeOf(folder, '--loud')).to.equal('command.usage');
    expect(await codeOf(join(folder, 'nowhere'))).to.equal('file.failed');
  });
});

/** A box in the middle of the scan. @returns its voxels */
async function writeSegmentation(scans: string, to: string, name: string): Promise<number> {
  const { instances, store } = await openLocalFiles(scans);
  const { volumes } = await assembleVolumes(instances, store, new AbortController().signal);
  const [volume] = volumes;
  if (volume === undefined) throw new Error('the phantom is a volume');
  const [nx, ny, nz] = volume.dims;
  const mask = Uint8Array.from({ length: nx * ny * nz }, (_, i) => {
    const [x, y, z] = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
    return x > 15 && x < 33 && y > 12 && y < 28 && z > 2 && z < 9 ? 1 : 0;
  });
  const code = { scheme: 'SCT', code: name === 'Brain' ? '12738006' : '52988006', meaning: name };
  const label = { index: 1, name, category: code, type: code, rgb: [255, 0, 0] as const };
  const model = { ...openModel('rodent-brain', { models: [] }).manifest, manifestSha256: '' };
  writeFileSync(to, segmentationObject(volume, [{ label, mask }], model, HUB).bytes);
  return mask.reduce((sum, value) => sum + value, 0);
}

/** 32-bit floats of one millimetre. */
function nifti({
  dims,
  value,
}: {
  readonly dims: readonly [number, number, number, number];
  readonly value: (i: number) => number;
}): Uint8Array {
  const count = dims[0] * dims[1] * dims[2] * dims[3];
  const view = new DataView(new ArrayBuffer(352 + count * 4));
  view.setInt32(0, 348, true);
  [dims[3] > 1 ? 4 : 3, ...dims, 1, 1, 1].forEach((size, i) => view.setInt16(40 + 2 * i, size, true));
  view.setInt16(70, 16, true);
  view.setInt16(72, 32, true);
  for (const place of [80, 84, 88, 92]) view.setFloat32(place, 1, true);
  view.setFloat32(108, 352, true);
  new Uint8Array(view.buffer).set(Buffer.from('n+1\0'), 344);
  for (let i = 0; i < count; i++) view.setFloat32(352 + 4 * i, value(i), true);
  return new Uint8Array(view.buffer);
}
