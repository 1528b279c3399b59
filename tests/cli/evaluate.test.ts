import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { evaluate } from '../../cli/evaluate.ts';
import { segment } from '../../cli/segment.ts';
import { phantomStudy } from '../../demo/phantom/study.ts';
import { type Report, reportSchema } from '../../evaluation/report.ts';
import { maskNifti } from '../../processors/segment/mask-nifti.ts';
import { readNifti } from '../../processors/volumes/nifti.ts';
import type { Volume } from '../../processors/volumes/volume.ts';
import { madeVolume } from '../processors/segment/made-volume.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { linearNetwork, node, onnxModel, tensor, valueInfo, writeModelFolder } from '../support/onnx-model.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

const DIMS = [20, 18, 6] as const;

describe('hub evaluate', function () {
  this.timeout(60_000);
  const temporary = temporaryFolder();
  const at = (...names: readonly string[]) => join(temporary.path, ...names);

  /** Answers with the scan times a weight; above 1 it breaks the promise that these are probabilities. */
  function model(folder: string, changes: Record<string, unknown> = {}, weight = 1): string {
    writeModelFolder(at(folder), linearNetwork([weight], [0]), (manifest) => ({ ...manifest, ...changes }));
    return at(folder);
  }

  async function write(folder: string, name: string, volume: Volume): Promise<void> {
    mkdirSync(at(folder), { recursive: true });
    const bytes = await maskNifti(volume, volume.data);
    writeFileSync(at(folder, `${name}.nii.gz`), bytes);
  }

  /** A block of so many columns, and the same with one column more as reference. */
  async function pair(name: string, columns: number, brightness = 0.9): Promise<void> {
    const inside = (width: number) => (x: number, y: number) => (x >= 2 && x < 2 + width && y > 3 && y < 14 ? 1 : 0);
    await write(
      'cases',
      name,
      madeVolume(DIMS, (x, y) => brightness * inside(columns)(x, y)),
    );
    await write('references', `${name}_mask`, madeVolume(DIMS, inside(columns + 1)));
  }

  const report = (folder: string) => JSON.parse(readFileSync(at(folder, 'report.json'), 'utf8')) as Report;
  const resultOf = ({ results }: Report, name: string) => results.find((each) => each.name === name);

  before(async () => {
    for (let n = 1; n <= 6; n += 1) await pair(`sub-0${n}_T2w`, 3 + n);
    await pair('sub-06_again', 6);
    await pair('sub-07_bright', 6, 3);
    await pair('sub-08_infinite', 6, 3e38);
    await write(
      'cases',
      'undrawn',
      madeVolume(DIMS, (x) => (x > 9 ? 0.9 : 0)),
    );
    await pair('soft', 5);
    await write(
      'references',
      'soft_mask',
      madeVolume(DIMS, (x) => x / 40),
    );
    await write(
      'cases',
      'itself',
      madeVolume(DIMS, (x) => x),
    );
    await write(
      'references',
      'itself',
      madeVolume(DIMS, (x) => x),
    );
    await pair('shifted', 5);
    const shifted = madeVolume(DIMS, (x) => (x > 9 ? 1 : 0));
    const moved = shifted.affine.map((value, n) => (n === 3 ? value + 0.25 : value));
    await write('references', 'shifted_mask', { ...shifted, affine: moved });
    writeFileSync(
      at('cases', 'cases.csv'),
      'case,subject,species,scanner\nsub-01_T2w,sub-01,mouse,"BioSpec 7T, upgraded"\nsub-02_T2w,sub-02,rat,\n',
    );
  });

  before(async () => {
    const terminal = captureTerminal();
    expect(await evaluate(['--model', model('model'), ...folders(), '--out', at('first')], terminal)).to.equal(0);
    expect(terminal.lines[0]).to.equal('tried 1: 9 cases of 8 subjects, 2 failures, 4 left out');
  });

  /** One that is found, one the model fails on. */
  const few = async (): Promise<void> => {
    await mkdir(at('few'), { recursive: true });
    for (const name of ['sub-01_T2w', 'sub-07_bright'])
      await cp(at('cases', `${name}.nii.gz`), at('few', `${name}.nii.gz`));
  };
  const fewFolders = () => ['--reference', at('references'), '--cases', at('few')];
  const folders = () => ['--reference', at('references'), '--cases', at('cases')];

  it('scores each case, counts failures as zero, leaves out what says nothing of the model, and says why', async () => {
    const terminal = captureTerminal();

    const code = await evaluate(['--model', at('model'), ...folders(), '--out', at('first'), '--json'], terminal);

    expect(code).to.equal(0);
    const made = report('first');
    expect(JSON.parse(terminal.lines.join('\n'))).to.deep.equal(made);
    expect(reportSchema.safeParse(made).error).to.equal(undefined);
    expect(made.summary).to.include({ cases: 9, subjects: 8, failures: 2 });
    const scores = resultOf(made, 'sub-01_T2w')?.labels[0]?.scores;
    expect(scores?.dice).to.be.closeTo(8 / 9, 1e-12);
    expect(scores?.volumeDifferenceMm3).to.be.closeTo(-10 * 6 * 0.125, 1e-9);
    expect(resultOf(made, 'sub-01_T2w')?.strata).to.deep.equal({ species: 'mouse', scanner: 'BioSpec 7T, upgraded' });
    for (const [name, said] of [
      ['sub-07_bright', 'values below 0 or above 1'],
      ['sub-08_infinite', ''],
    ] as const) {
      const failed = resultOf(made, name);
      expect(failed?.outcome).to.equal('failed');
      expect(failed?.failure).to.include(said);
      expect(failed?.labels[0]?.scores).to.include({ dice: 0, nsd: 0, predictedMm3: null });
      expect(failed?.labels[0]?.scores.hd95Mm).to.equal(failed?.diagonalMm);
    }
    expect(made.summary.labels[0]?.measures.dice).to.include({ n: 9, min: 0 });
    expect(made.summary.labels[0]?.measures.dice?.intervals).to.equal(undefined);
    expect(made.summary.labels[0]?.agreement?.cases).to.equal(7);
    expect(made.leftOut.map(({ name, reason }) => `${name}: ${reason}`)).to.deep.equal([
      'itself: Data set cannot be read: its reference is the scan itself',
      'shifted: Data set cannot be read: its reference lies on another grid (20 × 18 × 6; the scan 20 × 18 × 6): it is not resampled',
      'soft: Data set cannot be read: its reference holds values that are no whole numbers: it is no mask',
      'undrawn: Data set cannot be read: it has no reference',
    ]);
    expect(made.caveats.join(' ')).to.include('8 of at least 10 subjects').and.include('4 of 13 cases were left out');
    const peak = resultOf(made, 'sub-01_T2w')?.peakRssMb ?? 0;
    expect(peak).to.be.greaterThan(30).and.lessThan(1024);
  });

  it('goes on where it was cut off: what is kept is not done again', async () => {
    const before = report('first');
    const file = (name: string) => at('first', 'cases', name, 'result.json');
    const written = statSync(file('sub-01_T2w')).mtimeMs;
    // Killed after the picture, before the result; and killed while the result was written.
    rmSync(file('sub-02_T2w'));
    writeFileSync(file('sub-03_T2w'), '{"name": "sub-0');

    const code = await evaluate(['--model', at('model'), ...folders(), '--out', at('first')], captureTerminal());

    expect(code).to.equal(0);
    const after = report('first');
    expect(statSync(file('sub-01_T2w')).mtimeMs).to.equal(written);
    expect(after.registeredAt).to.equal(before.registeredAt);
    expect(after.summary).to.deep.equal(before.summary);
  });

  it('does a case again when its reference was drawn anew', async () => {
    await pair('sub-05_T2w', 8);
    await write(
      'references',
      'sub-05_T2w_mask',
      madeVolume(DIMS, () => 0),
    );

    await evaluate(['--model', at('model'), ...folders(), '--out', at('first')], captureTerminal());

    expect(resultOf(report('first'), 'sub-05_T2w')?.labels[0]?.scores).to.include({
      dice: 0,
      volumeDifferencePercent: 100,
    });
    await pair('sub-05_T2w', 8);
  });

  it('keeps one folder for one manifest: an acceptance cannot be registered after the fact', async () => {
    const lenient = model('lenient', { eval_metrics: { dice: 0.1 } });

    const error = await thrownBy(evaluate(['--model', lenient, ...folders(), '--out', at('first')]));

    expect(error.code).to.equal('command.usage');
    expect(error.fields['detail']).to.include('another manifest');
  });

  it('ends with 4 when acceptance is required and not reached, and compares with another model', async () => {
    const strict = model('strict', { name: 'strict', eval_metrics: { dice: 0.99, failures_percent: 50 } }, 0.5);
    const terminal = captureTerminal();
    await few();
    const more = ['--against', at('model'), '--require-acceptance', '--json'];

    const code = await evaluate(['--model', strict, ...fewFolders(), '--out', at('second'), ...more], terminal);

    expect(code).to.equal(4);
    const made = JSON.parse(terminal.lines.join('\n')) as Report;
    expect(made).to.deep.equal(report('second'));
    expect(made.acceptance.outcome).to.equal('not-accepted');
    expect(made.acceptance.criteria.map(({ key, isMet }) => [key, isMet])).to.deep.equal([
      ['dice', false],
      ['failures_percent', true],
    ]);
    expect(made.against?.name).to.equal('tried');
    // Half of 0.9 is below the threshold, half of 3 no probability: it finds nothing; the other fails on the second only.
    expect(made.comparison?.labels[0]).to.include({ cases: 2, subjects: 2 });
    expect(made.comparison?.labels[0]?.medianDifference).to.be.closeTo(-(0 + 8 / 9) / 2, 1e-12);
  });

  it('fails when no case got an answer, and makes the report all the same', async () => {
    const late = model('late', { limits: { max_seconds: 0.001, max_rss_mb: 1024 } });
    await few();

    const code = await evaluate(['--model', late, ...fewFolders(), '--out', at('third')], captureTerminal());

    expect(code).to.equal(1);
    expect(report('third').results[0]?.failure).to.match(/more than 0.001 s/);
    expect(readFileSync(at('third', 'report.html'), 'utf8')).to.include('no answer');
  });

  it('reads references back that lie on DICOM scans: NIfTI in another order of axes, and Segmentations', async () => {
    mkdirSync(at('studies', 'rat'), { recursive: true });
    const study = phantomStudy({ columns: 24, rows: 20, slices: 6, spacingMm: [0.4, 1.2, 0.4] as const });
    for (const { name, bytes } of study) writeFileSync(at('studies', 'rat', name), bytes);
    const half = model('half', { intensity: [{ op: 'minmax' }], output: { activation: 'none', decode: 'threshold' } });
    await segment([at('studies', 'rat'), '--out', at('drawn'), '--model', half], captureTerminal());

    for (const [folder, drawn, name] of [
      ['nifti', 'mask.nii.gz', 'rat.nii.gz'],
      ['dicom', 'segmentation.dcm', 'rat.dcm'],
    ] as const) {
      mkdirSync(at(folder), { recursive: true });
      writeFileSync(at(folder, name), readFileSync(at('drawn', drawn)));
      const options = ['--reference', at(folder), '--cases', at('studies'), '--out', at(`${folder}-out`)];
      const code = await evaluate(['--model', half, ...options], captureTerminal());

      expect(code).to.equal(0);
      const made = report(`${folder}-out`);
      const [result] = made.results;
      expect(result?.labels[0]?.scores).to.include({ dice: 1, nsd: 1, hd95Mm: 0, volumeDifferenceMm3: 0 });
      expect(result?.labels[0]?.scores.referenceMm3).to.be.greaterThan(10);
      expect(result?.strata).to.include({ species: 'mouse', sequence: 'T2w' });
      expect(made.caveats.join(' ')).to.include('do not say that they were de-identified');
      const kept = readNifti(readFileSync(at(`${folder}-out`, 'cases', 'rat', 'prediction.nii.gz')));
      const sum = (values: Float32Array) => values.reduce((a, b) => a + b, 0);
      expect(sum(kept.data)).to.equal(sum(readNifti(readFileSync(at('drawn', 'mask.nii.gz'))).data));
    }
  });

  /** Its label is where the T2w is brighter than the T1w. */
  function twoChannels(): string {
    const channels = { num_channels: 2, channel_def: { 0: 'T1w', 1: 'T2w' } };
    const shape = { spatial_shape: ['*', '*', '*'], dtype: 'float32' };
    const size = ['X', 'Y', 'Z'];
    const onnx = onnxModel({
      nodes: [node('Conv', ['image', 'w', 'b'], ['brain'])],
      weights: [tensor('w', [1, 2, 1, 1, 1], [-10, 10]), tensor('b', [1], [-5])],
      inputs: [valueInfo('image', [1, 2, ...size])],
      outputs: [valueInfo('brain', [1, 1, ...size])],
    });
    writeModelFolder(at('two'), onnx, (manifest) => ({
      ...manifest,
      intensity: [{ op: 'minmax' }],
      output: { activation: 'sigmoid', decode: 'threshold' },
      network_data_format: {
        inputs: { image: { ...channels, ...shape } },
        outputs: { brain: { num_channels: 1, ...shape } },
      },
    }));
    return at('two');
  }

  it('gives a model of several channels the files of a case that BIDS names by contrast', async () => {
    const isFirst = (x: number): boolean => x < 5;
    const isLesion = (x: number, y: number): boolean => x > 8 && x < 15 && y > 3 && y < 14;
    for (const name of ['sub-01', 'sub-02']) {
      await write(
        'several',
        `${name}_T1w`,
        madeVolume(DIMS, (x) => (isFirst(x) ? 1 : 0)),
      );
      await write(
        'several-drawn',
        `${name}_T1w_mask`,
        madeVolume(DIMS, (x, y) => (isLesion(x, y) ? 1 : 0)),
      );
    }
    await write(
      'several',
      'sub-01_T2w',
      madeVolume(DIMS, (x, y) => (isFirst(x) || isLesion(x, y) ? 1 : 0)),
    );
    const options = ['--reference', at('several-drawn'), '--cases', at('several'), '--out', at('several-out')];

    const code = await evaluate(['--model', twoChannels(), ...options], captureTerminal());

    expect(code).to.equal(0);
    const { results, leftOut } = report('several-out');
    expect(results.map(({ name, labels }) => [name, labels[0]?.scores.dice])).to.deep.equal([['sub-01_T1w', 1]]);
    expect(leftOut.map(({ name, reason }) => `${name}: ${reason}`)).to.deep.equal([
      'sub-02_T1w: the model is not for it: there is no T2w beside it; the model needs T1w and T2w of one study',
    ]);
  });

  it('prints the schema of its report, and refuses a call without what it needs', async () => {
    const terminal = captureTerminal();

    expect(await evaluate(['--schema'], terminal)).to.equal(0);
    expect(JSON.parse(terminal.lines.join('\n'))).to.have.nested.property('properties.acceptance');
    for (const argv of [[], ['--model', 'x'], ['--model', 'x', '--reference', 'y'], ['PATH']])
      expect((await thrownBy(evaluate(argv))).code).to.equal('command.usage');
    const pattern = ['--model', at('model'), ...folders(), '--subject-pattern', '('];
    expect((await thrownBy(evaluate(pattern))).code).to.equal('command.usage');
  });
});
