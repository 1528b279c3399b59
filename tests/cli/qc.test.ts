import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { qc } from '../../cli/qc.ts';
import { phantomStudy } from '../../demo/phantom/study.ts';
import { captureTerminal } from '../support/captured-terminal.ts';

describe('hub qc', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hub-qc-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('measures the series of a folder and writes JSON and pictures', async () => {
    for (const { name, bytes } of phantomStudy({ columns: 48, rows: 40, slices: 12, spacingMm: [0.4, 1.2, 0.4] }))
      writeFileSync(join(folder, name), bytes);
    writeFileSync(join(folder, 'notes.txt'), 'not DICOM');
    const json = join(folder, 'report.json');
    const images = join(folder, 'images');

    const exitCode = await qc([folder, '--json', json, '--images', images], captureTerminal());

    expect(exitCode).to.equal(0);
    const report = JSON.parse(readFileSync(json, 'utf8')) as { series: Record<string, unknown>[] };
    expect(report.series).to.have.length(1);
    expect(report.series[0]).to.include({ name: 'T2_TurboRARE', kind: 'anatomical', verdict: 'not-enough-history' });
    expect(report.series[0]?.['measures']).to.include.keys('snr_chang_db', 'snr_normal_db', 'tsnr_db', 'efc', 'lmv');
    expect(readdirSync(images)).to.deep.equal(['001-T2_TurboRARE.png']);
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
