import { join } from 'node:path';
import { expect } from 'chai';
import type { Attributes } from '../../../core/dicom/encode.ts';
import { onGridOf } from '../../../processors/segment/channels.ts';
import { readModel } from '../../../processors/segment/model.ts';
import { seriesResult } from '../../../processors/segment/result.ts';
import { segmentVolumes, type VolumeOutcome } from '../../../processors/segment/segment-volumes.ts';
import type { Triple, Volume } from '../../../processors/volumes/volume.ts';
import { node, onnxModel, tensor, valueInfo, writeModelFolder } from '../../support/onnx-model.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { headerWith, madeVolume } from './made-volume.ts';

const SIZE = ['X', 'Y', 'Z'];
const FRAME = { FrameOfReferenceUID: '1.2.3.9' };

/** Its one label is where the second channel is brighter than the first: neither of them alone says where. */
function secondMinusFirst(): Buffer {
  return onnxModel({
    nodes: [node('Conv', ['image', 'w', 'b'], ['brain'])],
    weights: [tensor('w', [1, 2, 1, 1, 1], [-10, 10]), tensor('b', [1], [-5])],
    inputs: [valueInfo('image', [1, 2, ...SIZE])],
    outputs: [valueInfo('brain', [1, 1, ...SIZE])],
  });
}

const box = (x: number, y: number, z: number, [x0, y0, z0]: Triple, [x1, y1, z1]: Triple) =>
  x >= x0 && x < x1 && y >= y0 && y < y1 && z >= z0 && z < z1;

describe('a model of several channels', function () {
  this.timeout(30_000);
  const temporary = temporaryFolder();
  let folder: string;

  before(() => {
    folder = join(temporary.path, 'two');
    writeModelFolder(folder, secondMinusFirst(), (manifest) => {
      const channels = {
        num_channels: 2,
        spatial_shape: ['*', '*', '*'],
        dtype: 'float32',
        channel_def: { 0: 'T1w', 1: 'T2w' },
      };
      const output = { num_channels: 1, spatial_shape: ['*', '*', '*'], dtype: 'float32' };
      return {
        ...manifest,
        output: { activation: 'sigmoid', decode: 'threshold' },
        network_data_format: { inputs: { image: channels }, outputs: { brain: output } },
      };
    });
  });

  const scan = async (
    uid: string,
    protocol: string,
    value: (x: number, y: number, z: number) => number,
    {
      dims = [40, 40, 10],
      header = FRAME,
      ...changes
    }: { dims?: Triple; header?: Attributes } & Partial<Omit<Volume, 'dims' | 'header'>> = {},
  ): Promise<Volume> =>
    madeVolume(dims, value, {
      seriesInstanceUid: uid,
      header: await headerWith({ ProtocolName: protocol, ...header }),
      ...changes,
    });
  /** Bright in both where x < 20; the second is bright elsewhere too, in a box from (24, 10, 2) to (34, 20, 8). */
  const first = async () => scan('1.1', 'T1w', (x) => (x < 20 ? 1 : 0));
  const seen = (x: number, y: number, z: number) => (x < 20 || box(x, y, z, [24, 10, 2], [34, 20, 8]) ? 1 : 0);
  const run = async (...volumes: readonly Volume[]): Promise<readonly VolumeOutcome[]> => {
    const outcomes: VolumeOutcome[] = [];
    for await (const outcome of segmentVolumes(volumes, readModel(folder), new AbortController().signal))
      outcomes.push(outcome);
    return outcomes;
  };

  it('sees the series its manifest names, each as its channel, and segments the first', async () => {
    const [segmented, other] = await run(await first(), await scan('1.2', 'TurboRARE T2w', seen));

    expect(segmented?.segmented?.voxels).to.equal(600);
    expect(segmented?.segmented?.mask[(5 * 40 + 15) * 40 + 30]).to.equal(1);
    expect(segmented?.fit.because).to.contain('with T2w 1.2');
    expect(segmented?.beside?.map(({ seriesInstanceUid }) => seriesInstanceUid)).to.deep.equal(['1.2']);
    expect(other === undefined ? '' : seriesResult(other).finding).to.contain(
      'the T2w that a model of T1w and T2w takes beside the T1w',
    );
  });

  it('sees them on the grid of the first, whatever grid they have', async () => {
    // Half as large voxels, rows for columns, turned round, and more around it: the same places in the patient.
    const other = await scan('1.2', 'T2w', (i, j, k) => seen(Math.round(45 - j / 2), Math.round(i / 2 - 4), k - 2), {
      dims: [100, 100, 14],
      spacingMm: [0.25, 0.25, 0.5],
      affine: [0, 0.25, 0, -22.5, -0.25, 0, 0, 2, 0, 0, 0.5, -1, 0, 0, 0, 1],
    });

    const [segmented] = await run(await first(), other);

    expect(segmented?.failure).to.equal(undefined);
    const mask = segmented?.segmented?.mask ?? new Uint8Array(0);
    const wrong = mask.filter((value, n) => {
      const [x, y, z] = [n % 40, Math.floor(n / 40) % 40, Math.floor(n / 1600)];
      return (value === 1) !== box(x, y, z, [24, 10, 2], [34, 20, 8]);
    });
    expect(segmented?.segmented?.voxels).to.be.above(500);
    // Its blur reaches the neighbours of an edge.
    expect(wrong.length).to.be.below(120);
  });

  it('sees nothing where another series ends', async () => {
    const volume = await first();
    const part = await scan('1.2', 'T2w', () => 7, { dims: [40, 40, 5] });

    const moved = onGridOf(volume, part);

    expect(moved.data.filter((value) => value === 7)).to.have.length(40 * 40 * 5);
    expect(moved.data.filter((value) => value === 0)).to.have.length(40 * 40 * 5);
  });

  it('takes the series that covers most, and of those the one with voxels nearest in size', async () => {
    const wide = await scan('1.5', 'T2w', seen);
    const short = await scan('1.2', 'T2w', seen, { dims: [40, 40, 9] });
    const coarse = await scan('1.3', 'T2w', () => 0, {
      dims: [20, 20, 5],
      spacingMm: [1, 1, 1],
      affine: [-1, 0, 0, -0.25, 0, -1, 0, -0.25, 0, 0, 1, 0.25, 0, 0, 0, 1],
    });

    const [segmented] = await run(await first(), short, coarse, wide);

    expect(segmented?.beside?.map(({ seriesInstanceUid }) => seriesInstanceUid)).to.deep.equal(['1.5']);
  });

  for (const [what, other, sentence] of [
    ['there is none', undefined, 'there is no T2w beside it'],
    ['it is of another study', { studyInstanceUid: '1.2.4' }, 'there is no T2w beside it'],
    [
      'it has another frame of reference',
      { header: { FrameOfReferenceUID: '1.2.3.8' } },
      'no T2w shares its frame of reference',
    ],
    ['it has none', { header: {} }, 'no T2w shares its frame of reference'],
    ['it covers too little', { dims: [40, 40, 5] as const }, 'the T2w covers 56 % of it only'],
    ['its slices are not equally far apart', { isRegular: false }, 'slices of the T2w are missing'],
  ] as const)
    it(`says so when a series is missing: ${what}`, async () => {
      const volumes = other === undefined ? [] : [await scan('1.2', 'T2w', seen, other)];

      const [segmented] = await run(await first(), ...volumes);

      expect(segmented?.segmented).to.equal(undefined);
      expect(segmented?.fit.because).to.contain(sentence).and.to.contain('the model needs T1w and T2w of one study');
    });

  it('is not run on a series whose contrast nobody says', async () => {
    const [outcome] = await run(await scan('1.1', 'scan 3', (x) => x));

    expect(outcome?.fit).to.deep.include({ isTaken: false });
    expect(outcome?.fit.because).to.contain('its contrast is not known to be T1w');
  });
});
