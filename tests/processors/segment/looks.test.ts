/** How often and how near a network is asked about one volume: two passes, the second fitted, its answers averaged over flips. */
import { expect } from 'chai';
import { combinationsOf, flipped } from '../../../processors/segment/flips.ts';
import { type ModelManifest, modelManifestSchema } from '../../../processors/segment/manifest.ts';
import { answersFor, segmentVolume } from '../../../processors/segment/segment-volume.ts';
import { manifestFor } from '../../support/onnx-model.ts';
import { madeVolume } from './made-volume.ts';

const SIZE = 16;

function manifestWith(window: object, flips: readonly string[] = []): ModelManifest {
  const tensor = { num_channels: 1, spatial_shape: [SIZE, SIZE, SIZE], dtype: 'float32' };
  return modelManifestSchema.parse({
    ...manifestFor(Buffer.from('x')),
    species: ['mouse'],
    network_data_format: { inputs: { image: tensor }, outputs: { brain: tensor } },
    geometry: { layout: 'NCXYZ', axes: 'RAS', spacing_mm: [1, 1, 1], window: { mode: 'whole', ...window } },
    intensity: [],
    output: { activation: 'none', decode: 'threshold', flips },
  });
}

/** A cube of ones of 8 mm in a corner of 16, of half a millimetre a voxel. */
const volume = madeVolume([32, 32, 32], (x, y, z) => (x < 16 && y < 16 && z < 16 ? 1 : 0));

/** Voxels at its edges and corners that sampling on another grid rounds away. */
const ROUNDED = 64;

/** A network that answers with what it was given, changed by `answer`; and what it was given. */
function echo(answer: (values: Float32Array) => Float32Array = (values) => values) {
  const seen: Float32Array[] = [];
  return {
    seen,
    run: (values: Float32Array) => {
      seen.push(Float32Array.from(values));
      return Promise.resolve({ output: answer(Float32Array.from(values)), seconds: 1, runtime: 'an echo' });
    },
  };
}

const bright = (values: Float32Array | undefined): number =>
  values?.reduce((sum, v) => sum + (v >= 0.5 ? 1 : 0), 0) ?? 0;

describe('looking at a volume', () => {
  it('turns any of the axes round, and round again is as it was', () => {
    const field = Float32Array.from({ length: 24 }, (_, n) => n);

    expect(combinationsOf(['x', 'z'])).to.deep.equal([[], [0], [2], [0, 2]]);
    expect([...flipped(field, [4, 3, 2], [0])].slice(0, 5)).to.deep.equal([3, 2, 1, 0, 7]);
    expect([...flipped(field, [4, 3, 2], [1])].slice(0, 5)).to.deep.equal([8, 9, 10, 11, 4]);
    expect([...flipped(field, [4, 3, 2], [2])].slice(0, 5)).to.deep.equal([12, 13, 14, 15, 16]);
    for (const axes of combinationsOf(['x', 'y', 'z']))
      expect([...flipped(flipped(field, [4, 3, 2], axes), [4, 3, 2], axes)]).to.deep.equal([...field]);
  });

  it('asks the last pass once for each way to turn it round, and finds its way back from all of them', async () => {
    const network = echo();
    const manifest = manifestWith({ passes: 2 }, ['x', 'y', 'z']);

    const once = await segmentVolume(volume, manifestWith({ passes: 2 }), echo());
    const { mask, seconds } = await segmentVolume(volume, manifest, network);

    expect(network.seen).to.have.length(9);
    expect(answersFor(volume, manifest)).to.equal(9);
    expect(seconds).to.equal(9);
    expect(Buffer.compare(mask, once.mask)).to.equal(0);
  });

  it('means what the answers say together: one that is wrong once in eight is overruled', async () => {
    let asked = 0;
    const network = echo((values) => ((asked += 1) === 3 ? values.map((value) => 1 - value) : values));

    const { voxels, confidence } = await segmentVolume(volume, manifestWith({ passes: 1 }, ['x', 'y', 'z']), network);

    expect(voxels).to.be.closeTo(16 ** 3, ROUNDED);
    expect(confidence).to.be.closeTo(7 / 8, 0.08);
  });

  it('looks again from so near that what was found fills its share', async () => {
    const network = echo();

    const { voxels } = await segmentVolume(volume, manifestWith({ passes: 2, fill: 0.25 }), network);

    const [first, second] = network.seen;
    expect(bright(first) / SIZE ** 3).to.be.closeTo(0.125, 0.01);
    expect(bright(second) / SIZE ** 3).to.be.closeTo(0.25, 0.06);
    expect(voxels).to.be.closeTo(16 ** 3, ROUNDED);
  });

  it('goes no nearer and no further than a first look can be trusted', async () => {
    const shareFor = async (fill: number): Promise<number> => {
      const network = echo();
      await segmentVolume(volume, manifestWith({ passes: 2, fill }), network);
      return bright(network.seen[1]) / SIZE ** 3;
    };

    expect(await shareFor(0.9)).to.be.closeTo(0.125 / 0.7 ** 3, 0.08);
    expect(await shareFor(0.01)).to.be.closeTo(0.125 / 1.25 ** 3, 0.02);
  });

  it('needs two passes and a grid of its own to look nearer, and names an axis once', () => {
    const problems = (window: object, flips: readonly string[] = []): readonly string[] => {
      const base = manifestWith({});
      const parsed = modelManifestSchema.safeParse({
        ...base,
        geometry: { ...base.geometry, window },
        output: { ...base.output, flips },
      });
      return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join('/')}: ${message}`);
    };

    expect(problems({ mode: 'whole', passes: 1, fill: 0.2 })).to.deep.equal(['geometry/window/fill: needs passes: 2']);
    expect(problems({ mode: 'whole', passes: 2, fill: 0.2 }, ['x', 'x'])).to.deep.equal([
      'output/flips: each axis once',
    ]);
  });
});
