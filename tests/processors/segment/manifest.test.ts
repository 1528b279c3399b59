import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkModel, readModel } from '../../../processors/segment/model.ts';
import { fitSize, parseSize } from '../../../processors/segment/spatial-shape.ts';
import { linearNetwork, type ManifestChange, manifestFor, writeModelFolder } from '../../support/onnx-model.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

describe('a spatial shape', () => {
  const cases: readonly (readonly [number | string, number, number])[] = [
    [64, 100, 64],
    ['256', 100, 256],
    ['*', 77, 77],
    ['16*n', 1, 16],
    ['16*n', 64, 64],
    ['16 * n', 65, 80],
    ['2**p', 65, 128],
    ['2**p', 64, 64],
    ['3**p', 28, 81],
    // A bundle leaves p open: a multiple of 2⁵ is one for every depth up to five.
    ['2**p*n', 33, 64],
  ];
  for (const [rule, size, expected] of cases)
    it(`${String(rule)} takes ${String(size)} voxels as ${String(expected)}`, () => {
      const parsed = parseSize(rule);

      expect(parsed === undefined ? undefined : fitSize(parsed, size)).to.equal(expected);
    });

  for (const rule of [0, -1, 2000, '', '0*n', 'n', '16*m', '2**n', '1**p', '__import__("os")', '16*n*n', '2**p*n+1'])
    it(`is not ${JSON.stringify(rule)}`, () => {
      expect(parseSize(rule)).to.equal(undefined);
    });
});

describe('a model’s manifest', () => {
  const temporary = temporaryFolder();
  let count = 0;

  function problemsOf(change: ManifestChange, onnx = linearNetwork([1], [0])): readonly string[] {
    const folder = join(temporary.path, String((count += 1)));
    writeModelFolder(folder, onnx, change);
    return checkModel(folder).problems.map(({ where, what }) => `${where}: ${what}`);
  }
  const withKey =
    (key: string, value: unknown): ManifestChange =>
    (manifest) => ({ ...manifest, [key]: value });
  const tensor = (spatial_shape: readonly (number | string)[], num_channels = 1, more: object = {}) => ({
    num_channels,
    spatial_shape,
    dtype: 'float32',
    ...more,
  });
  const format = (input: object, output: object) => ({ inputs: { image: input }, outputs: { brain: output } });
  const ANY = ['*', '*', '*'];

  it('may leave out what has a default', () => {
    expect(problemsOf((same) => same)).to.deep.equal([]);
  });

  it('tells all its mistakes at once, each with its place', () => {
    const problems = problemsOf((manifest) => ({
      ...manifest,
      name: 'Not A Name',
      species: [],
      intensity: [{ op: 'eval', code: 'x * 2' }],
      geometry: { layout: 'NCXYX', axes: 'LPS', spacing_policy: 'guess' },
      limits: { max_seconds: 60, max_rss_mb: 1024, max_fun: 3 },
    }));

    expect(problems.map((problem) => problem.split(':')[0])).to.have.members([
      'model.json /name',
      'model.json /species',
      'model.json /intensity/0/op',
      'model.json /geometry/layout',
      'model.json /geometry/axes',
      'model.json /geometry/spacing_policy',
      'model.json /limits',
    ]);
  });

  const mistakes: readonly (readonly [string, ManifestChange, RegExp])[] = [
    [
      'channels without a contrast each',
      withKey('network_data_format', format(tensor(ANY, 2, { channel_def: { '0': 'T1w' } }), tensor(ANY))),
      /channel_def: a contrast of its own for each of the channels 0 to 1/,
    ],
    [
      'two channels of one contrast',
      withKey('network_data_format', format(tensor(ANY, 2, { channel_def: { '0': 'T1w', '1': 't1W' } }), tensor(ANY))),
      /channel_def: a contrast of its own/,
    ],
    [
      'a contrast of several words',
      withKey(
        'network_data_format',
        format(tensor(ANY, 2, { channel_def: { '0': 'T1w', '1': 'the other' } }), tensor(ANY)),
      ),
      /channel_def: a contrast is one word/,
    ],
    [
      'two inputs',
      withKey('network_data_format', { inputs: { a: tensor(ANY), b: tensor(ANY) }, outputs: { brain: tensor(ANY) } }),
      /inputs: one tensor/,
    ],
    [
      'two axes for a layout of three',
      withKey('network_data_format', format(tensor(['*', '*']), tensor(ANY))),
      /3 spatial axes/,
    ],
    [
      'another type',
      withKey('network_data_format', format(tensor(ANY, 1, { dtype: 'float16' }), tensor(ANY))),
      /dtype/,
    ],
    ['resampling to no spacing', withKey('geometry', { layout: 'NCXYZ', axes: 'RAS' }), /spacing_mm: needed/],
    [
      'a label that no channel is',
      (manifest) => ({ ...manifest, labels: [{ ...(manifest['labels'] as object[])[0], channels: [4] }] }),
      /labels\/0\/channels: the output has channels 0 to 0/,
    ],
    [
      'two labels of one index',
      (manifest) => ({
        ...manifest,
        labels: [...(manifest['labels'] as object[]), ...(manifest['labels'] as object[])],
      }),
      /labels\/1\/index: another label/,
    ],
    ['the largest of one channel', withKey('output', { activation: 'none', decode: 'argmax' }), /use threshold/],
    [
      'an expression as a threshold',
      withKey('output', { activation: 'none', decode: 'threshold', threshold: '0.5+0' }),
      /threshold/,
    ],
    ['a task nobody does', withKey('task', 'regression'), /task/],
  ];
  for (const [what, change, why] of mistakes)
    it(`is refused with ${what}`, () => {
      expect(problemsOf(change).join('\n')).to.match(why);
    });

  it('reads how tensors are described from a MONAI bundle beside it, and runs nothing of the bundle', () => {
    const folder = join(temporary.path, 'bundle');
    const onnx = linearNetwork([1], [0]);
    const { network_data_format: described, ...rest } = manifestFor(onnx);
    mkdirSync(join(folder, 'configs'), { recursive: true });
    writeFileSync(join(folder, 'model.onnx'), onnx);
    writeFileSync(join(folder, 'model.json'), JSON.stringify(rest));
    const metadata = {
      version: '0.1.0',
      monai_version: '1.3.0',
      network_data_format: {
        inputs: { image: { ...tensor(ANY), type: 'image', format: 'magnitude', is_patch_data: true, value_range: [] } },
        outputs: { brain: { ...tensor(ANY), type: 'image', format: 'segmentation' } },
      },
    };
    writeFileSync(join(folder, 'configs/metadata.json'), JSON.stringify(metadata));
    writeFileSync(join(folder, 'configs/inference.json'), '{ "run": "$__import__(\'os\').system(\'false\')" }');

    const model = readModel(folder);

    expect(described).to.be.an('object');
    expect(model.manifest.network_data_format.inputs['image']?.is_patch_data).to.equal(true);
    writeFileSync(join(folder, 'configs/metadata.json'), JSON.stringify({ ...metadata, version: '0.1.1' }));
    expect(readModel(folder).manifestSha256).to.not.equal(model.manifestSha256);
  });

  it('is told what is missing when there is none, or it is no JSON', () => {
    const empty = join(temporary.path, 'empty');
    mkdirSync(empty);

    expect(checkModel(empty).problems).to.deep.equal([{ where: 'model.json', what: 'cannot be read' }]);
    writeFileSync(join(empty, 'model.json'), '{ "schema": ');
    expect(checkModel(empty).problems).to.deep.equal([{ where: 'model.json', what: 'is not JSON' }]);
  });
});
