import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { segment } from '../../cli/segment.ts';
import { readDataSet } from '../../core/dicom/part10.ts';
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { phantomStudy } from '../../demo/phantom/study.ts';
import { maskNifti } from '../../processors/segment/mask-nifti.ts';
import { readNifti } from '../../processors/volumes/nifti.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { linearNetwork, writeModelFolder } from '../support/onnx-model.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';
import { madeVolume } from '../processors/segment/made-volume.ts';

const SMALL = { columns: 24, rows: 20, slices: 6, spacingMm: [0.4, 1.2, 0.4] as const };
const label = (index: number, name: string, channel: number) => ({
  index,
  name,
  category: { scheme: 'SCT', code: '85756007', meaning: 'Tissue' },
  type: { scheme: 'SCT', code: '12738006', meaning: 'Brain' },
  rgb: [200, 80, 40],
  channels: [channel],
});

describe('hub segment', function () {
  this.timeout(30_000);
  const temporary = temporaryFolder();
  const at = (...names: readonly string[]) => join(temporary.path, ...names);

  /** Two labels that overlap: from 0.2 and from 0.6 of the brightest on. */
  function model(): string {
    const tensor = { num_channels: 1, spatial_shape: ['*', '*', '*'], dtype: 'float32' };
    writeModelFolder(at('model'), linearNetwork([50, 50], [-10, -30]), (manifest) => ({
      ...manifest,
      network_data_format: { inputs: { image: tensor }, outputs: { brain: { ...tensor, num_channels: 2 } } },
      intensity: [{ op: 'minmax' }],
      output: { activation: 'sigmoid', decode: 'threshold' },
      labels: [label(3, 'Head', 0), label(7, 'Water', 1)],
    }));
    return at('model');
  }

  /** 0 to 9 along x; its slices lie obliquely and it has two repetitions. */
  const oblique = () => {
    const affine = [-0.25, 0.02, 0, 4, -0.02, -0.25, 0.1, -3, 0, 0.03, 0.99, 7, 0, 0, 0, 1];
    return madeVolume([20, 18, 6], (x) => x / 19, { affine, spacingMm: [0.2508, 0.2526, 0.995] });
  };

  it('writes the mask on the grid of a NIfTI file, what each label is, and how sure it was', async () => {
    mkdirSync(at('in'));
    const scan = oblique();
    writeFileSync(at('in', 'scan.nii.gz'), await maskNifti(scan, scan.data));
    const terminal = captureTerminal();

    const code = await segment(
      [at('in', 'scan.nii.gz'), '--out', at('out'), '--model', model(), '--probability'],
      terminal,
    );

    expect(code).to.equal(0);
    expect(readdirSync(at('out')).toSorted()).to.deep.equal([
      'bids',
      'labels.nii.gz',
      'mask.nii.gz',
      'overlay.png',
      'probability.nii.gz',
      'report.pdf',
      'result.json',
    ]);
    const input = readNifti(readFileSync(at('in', 'scan.nii.gz')));
    const [mask, labels, probability] = ['mask', 'labels', 'probability'].map((name) =>
      readNifti(readFileSync(at('out', `${name}.nii.gz`))),
    );
    for (const each of [mask, labels, probability]) {
      expect(each?.dims).to.deep.equal(input.dims);
      // Adding 0 makes −0 the same as 0.
      expect(each?.affine.map((value) => value + 0)).to.deep.equal(input.affine.map((value) => value + 0));
    }
    expect([...(mask?.data ?? [])]).to.deep.equal([...input.data].map((value) => (value >= 0.2 ? 1 : 0)));
    expect([...(labels?.data ?? [])]).to.deep.equal([...input.data].map((v) => (v >= 0.6 ? 7 : v >= 0.2 ? 3 : 0)));
    expect(probability?.data[19]).to.be.closeTo(1, 1e-6);
    expect(terminal.lines.join('\n')).to.match(/^scan\.nii\.gz: Head \d+\.\d mm³ \(\d+ voxels\), Water /);
  });

  it('says in result.json what made it, by digest, and what each series came to', async () => {
    mkdirSync(at('study'), { recursive: true });
    for (const { name, bytes } of phantomStudy(SMALL)) writeFileSync(at('study', name), bytes);

    const code = await segment([at('study'), '--out', at('result'), '--model', model()], captureTerminal());

    expect(code).to.equal(0);
    const result = JSON.parse(readFileSync(at('result', 'result.json'), 'utf8')) as {
      readonly series: readonly Record<string, unknown>[];
    };
    expect(result).to.include({ model: 'tried', modelVersion: '1', intendedUse: 'tests' });
    expect(result).to.include.keys('modelSha256', 'manifestSha256', 'runtime', 'seconds', 'confinement');
    const [series] = result.series;
    expect(series).to.include({ name: 'T2_TurboRARE', because: 'MR, mouse, T2w', label: 'Head, Water' });
    expect(series?.['reliability']).to.include.keys('verdict', 'reasons', 'measures');
    const [head, water] = series?.['labels'] as { index: number; voxels: number; volumeMm3: number }[];
    expect(head?.index).to.equal(3);
    expect(head?.volumeMm3).to.be.closeTo((head?.voxels ?? 0) * 0.4 * 0.4 * 1.2, 1e-2);
    expect(water?.voxels).to.be.lessThan(head?.voxels ?? 0);
    const { dataSet } = await readDataSet(bytesAsSource(readFileSync(at('result', 'segmentation.dcm'))));
    expect(dataSet.items('SegmentSequence').map((item) => item.string('SegmentLabel'))).to.deep.equal([
      'Head',
      'Water',
    ]);
    expect(dataSet.string('SegmentsOverlap')).to.equal('YES');
  });

  it('fails when nothing was segmented, and says why of each series', async () => {
    mkdirSync(at('flat'));
    const flat = madeVolume([20, 18, 6], () => 5);
    writeFileSync(at('flat', 'flat.nii.gz'), await maskNifti(flat, flat.data));
    const terminal = captureTerminal();

    expect(await segment([at('flat'), '--out', at('none'), '--model', model()], terminal)).to.equal(1);
    expect(terminal.lines).to.deep.equal(['flat.nii.gz: every voxel has the same value: there is nothing to see']);
    expect(terminal.errors).to.deep.equal([`no series below ${at('flat')} was segmented`]);
  });

  it('refuses a call without --out, and a model that is neither a name nor a folder', async () => {
    expect((await thrownBy(segment([at('study')]))).code).to.equal('command.usage');
    expect((await thrownBy(segment([at('study'), '--out', at('x'), '--model', at('nowhere')]))).code).to.equal(
      'config.invalid',
    );
  });
});
