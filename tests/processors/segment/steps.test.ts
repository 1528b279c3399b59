/** The operations of a manifest, one by one: grid, intensity, windows, decoding. */
import { expect } from 'chai';
import { activate, decode } from '../../../processors/segment/decode.ts';
import { applyIntensity } from '../../../processors/segment/intensity.ts';
import { parseLayout } from '../../../processors/segment/layout.ts';
import { type IntensityStep, type ModelManifest, modelManifestSchema } from '../../../processors/segment/manifest.ts';
import { fromGrid, gridFor, scanFor, toGrid } from '../../../processors/segment/model-grid.ts';
import { throughWindows, windowStarts } from '../../../processors/segment/windows.ts';
import { manifestFor } from '../../support/onnx-model.ts';
import { seeded } from '../../support/seeded.ts';
import { madeVolume } from './made-volume.ts';

type Triple = readonly [number, number, number];

function manifestWith(
  changes: Record<string, unknown>,
  shape: readonly (number | string)[] = ['*', '*', '*'],
): ModelManifest {
  const tensor = { num_channels: 1, spatial_shape: shape, dtype: 'float32' };
  const base = manifestFor(Buffer.from('x'));
  return modelManifestSchema.parse({
    ...base,
    network_data_format: { inputs: { image: tensor }, outputs: { brain: tensor } },
    ...changes,
  });
}

const native = (axes: 'RAS' | 'scanner', more: object = {}) => ({
  geometry: { layout: 'NCXYZ', axes, spacing_policy: 'native', ...more },
});
const place = (x: number, y: number, z: number): number => 1 + x + 100 * y + 10_000 * z;

describe('the grid of a model', () => {
  it('has the axes of the scan put in order and turned round for RAS, and left as they are for scanner', () => {
    // Columns run to posterior, rows to inferior, slices to the left: (x, y, z) is (−A, −S, −R).
    const affine = [0, 0, 0.5, 0, 0.5, 0, 0, 0, 0, -0.5, 0, 0, 0, 0, 0, 1];
    const volume = madeVolume([3, 4, 5], place, { affine });

    const ras = gridFor(volume, manifestWith(native('RAS')), undefined);
    const scanner = gridFor(volume, manifestWith(native('scanner')), undefined);

    const values = toGrid(scanFor(volume, ras), volume, ras);
    expect(ras.axes.map(({ size }) => size)).to.deep.equal([5, 3, 4]);
    // Right-most, posterior-most, inferior-most: the last slice is the left-most, so the first is the right end.
    expect(values[0]).to.equal(place(2, 3, 4));
    expect(values[4]).to.equal(place(2, 3, 0));
    expect([...toGrid(scanFor(volume, scanner), volume, scanner)]).to.deep.equal([...volume.data]);
  });

  it('pads and crops by whole voxels where nothing is resampled, and finds its way back', () => {
    const volume = madeVolume([5, 6, 9], place);
    const manifest = manifestWith(native('scanner'), [8, '4*n', 4]);

    const grid = gridFor(volume, manifest, undefined);
    const values = toGrid(scanFor(volume, grid), volume, grid);
    const back = fromGrid(values, grid, volume);

    expect(grid.axes.map(({ size }) => size)).to.deep.equal([8, 8, 4]);
    const found = [...values].filter((value) => value !== 0);
    expect(found.every((value) => Number.isInteger(value))).to.equal(true);
    expect(found).to.have.length(5 * 6 * 4);
    for (const [n, value] of volume.data.entries()) {
      const z = Math.floor(n / 30);
      expect(back[n]).to.equal(z >= 2 && z < 6 ? value : 0);
    }
  });

  it('resamples a ramp to the same ramp, and back', () => {
    const volume = madeVolume([24, 20, 10], (x, y, z) => 5 + 0.5 * x + 0.25 * y + 2 * z, { spacingMm: [0.25, 0.5, 1] });
    const manifest = manifestWith({ geometry: { layout: 'NCXYZ', axes: 'RAS', spacing_mm: [0.5, 0.5, 0.5] } });

    const grid = gridFor(volume, manifest, undefined);
    const values = toGrid(scanFor(volume, grid), volume, grid);
    const back = fromGrid(values, grid, volume);

    expect(grid.axes.map(({ size }) => size)).to.deep.equal([12, 20, 20]);
    const inside = 5 * 480 + 10 * 24 + 12;
    expect(back[inside]).to.be.closeTo(volume.data[inside] ?? NaN, 0.05);
    expect(values[10 * 240 + 10 * 12 + 6]).to.be.closeTo(5 + 0.5 * 12.5 + 0.25 * 10 + 2 * 4.75, 0.05);
  });

  it('refuses a geometry that is none', () => {
    const flat = madeVolume([4, 4, 4], place, { affine: [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] });

    expect(() => gridFor(flat, manifestWith(native('RAS')), undefined)).to.throw(/cannot be read|unreadable/i);
  });
});

describe('the intensity of a scan', () => {
  const SIZE: Triple = [6, 1, 1];
  /** The two ends lie outside the field of view. */
  const SEEN = [[1, 4], [0, 0], [0, 0]] as const; // prettier-ignore
  const apply = (steps: readonly IntensityStep[]): readonly number[] => {
    const values = Float32Array.from([0, 0, 2, 4, 6, 0]);
    applyIntensity(values, SIZE, SEEN, steps);
    return [...values].map((value) => Number(value.toFixed(4)));
  };
  const cases: readonly (readonly [string, readonly IntensityStep[], readonly number[]])[] = [
    ['left alone', [{ op: 'none' }], [0, 0, 2, 4, 6, 0]],
    ['by mean and deviation of all', [{ op: 'zscore', mask: 'all' }], [0, -1.3416, -0.4472, 0.4472, 1.3416, 0]],
    ['by mean and deviation of what is not zero', [{ op: 'zscore', mask: 'nonzero' }], [0, 0, -1.2247, 0, 1.2247, 0]],
    ['between two percentiles', [{ op: 'percentile', lo: 0, hi: 50, clip: true }], [0, 0, 0.6667, 1, 1, 0]],
    ['by a percentile of the signal', [{ op: 'percentile', hi: 100, above: 0.5, clip: 0.9 }], [0, 0, 0.3333, 0.6667, 0.9, 0]],
    ['from least to most', [{ op: 'minmax', min: -1, max: 1 }], [0, -1, -0.3333, 0.3333, 1, 0]],
    ['cut off', [{ op: 'clip', min: 1, max: 3 }], [0, 1, 2, 3, 3, 0]],
    ['step after step', [{ op: 'clip', min: 0, max: 4 }, { op: 'minmax', min: 0, max: 1 }], [0, 0, 0.5, 1, 1, 0]],
  ]; // prettier-ignore
  for (const [what, steps, expected] of cases)
    it(`is ${what}; what is outside the field of view stays 0`, () => {
      expect(apply(steps)).to.deep.equal(expected);
    });

  it('of an even scan is 0, not a division by nothing', () => {
    const values = new Float32Array(4).fill(7);

    applyIntensity(values, [4, 1, 1], [[0, 3], [0, 0], [0, 0]], [{ op: 'zscore', mask: 'all' }]); // prettier-ignore

    expect([...values]).to.deep.equal([0, 0, 0, 0]);
  });
});

describe('windows over a grid', () => {
  it('cover it to its end, and no more of them than that takes', () => {
    expect(windowStarts(100, 40, 0.5)).to.deep.equal([0, 20, 40, 60]);
    expect(windowStarts(101, 40, 0.5)).to.deep.equal([0, 20, 40, 60, 61]);
    expect(windowStarts(40, 40, 0.5)).to.deep.equal([0]);
    expect(windowStarts(10, 3, 0)).to.deep.equal([0, 3, 6, 7]);
  });

  for (const layout of ['NCXYZ', 'NCZYX', 'NXYZC', 'NZYXC', 'NCYX', 'NCXZ', 'NYXC', 'NZYC'])
    it(`of the layout ${layout} give back what a network answers where it answers it`, async () => {
      const size: Triple = [7, 6, 5];
      const parsed = parseLayout(layout);
      if (parsed === undefined) throw new TypeError(layout);
      const window: [number, number, number] = [4, 4, 4];
      if (parsed.sliceAxis !== undefined) window[parsed.sliceAxis] = 1;
      const random = seeded(3);
      const grid = Float32Array.from({ length: 210 }, () => random());
      const shapes = new Set<string>();

      // Two channels: the value, and its negative.
      const answer = await throughWindows(
        [grid],
        { size, window, overlap: 0.5 },
        parsed,
        2,
        (values, shape, wanted) => {
          shapes.add(`${shape.join()} ${wanted.join()}`);
          const isLast = parsed.channels === 'last';
          const output = new Float32Array(2 * values.length);
          for (const [n, value] of values.entries()) {
            output[isLast ? 2 * n : n] = value;
            output[isLast ? 2 * n + 1 : values.length + n] = -value;
          }
          return Promise.resolve({ output, seconds: 1, runtime: 'none' });
        },
      );

      const sizes = Array.from(layout, (letter) => (letter === 'N' || letter === 'C' ? 1 : 4));
      const two = Array.from(layout, (letter) => (letter === 'N' ? 1 : letter === 'C' ? 2 : 4));
      expect([...shapes]).to.deep.equal([`${sizes.join()} ${two.join()}`]);
      const [value, negative] = answer.channels;
      for (const [n, expected] of grid.entries()) {
        expect(value?.[n]).to.be.closeTo(expected, 1e-5);
        expect(negative?.[n]).to.be.closeTo(-expected, 1e-5);
      }
    });

  it('gives a slice with its rows and columns the way round the layout says', async () => {
    const grid = Float32Array.from([1, 2, 3, 4, 5, 6]); // three columns, two rows
    const seen: number[][] = [];

    for (const layout of ['NCYX', 'NCXY']) {
      const parsed = parseLayout(layout);
      if (parsed === undefined) throw new TypeError(layout);
      await throughWindows([grid], { size: [3, 2, 1], window: [3, 2, 1], overlap: 0 }, parsed, 1, (values) => {
        seen.push([...values]);
        return Promise.resolve({ output: values, seconds: 0, runtime: '' });
      });
    }

    expect(seen).to.deep.equal([
      [1, 2, 3, 4, 5, 6],
      [1, 4, 2, 5, 3, 6],
    ]);
  });

  it('believes the middle of a window more than its edge', async () => {
    const parsed = parseLayout('NCXYZ');
    if (parsed === undefined) throw new TypeError('layout');
    let asked = 0;

    const { channels } = await throughWindows(
      [new Float32Array(12)],
      { size: [12, 1, 1], window: [8, 1, 1], overlap: 0.5 },
      parsed,
      1,
      (values) => {
        asked += 1;
        return Promise.resolve({ output: values.map(() => asked - 1), seconds: 0, runtime: '' });
      },
    );

    // The first window says 0, the second 1; both have seen the four in the middle.
    const middle = [...(channels[0] ?? [])].slice(4, 8);
    expect(middle[0]).to.be.lessThan(0.05);
    expect(middle[3]).to.be.greaterThan(0.95);
  });
});

describe('decoding', () => {
  const volume = madeVolume([4, 1, 1], () => 1);
  const label = (index: number, more: object = {}) => ({
    index,
    name: `L${String(index)}`,
    category: { scheme: 'SCT', code: '123037004' },
    type: { scheme: 'SCT', code: '1' },
    rgb: [1, 2, 3],
    ...more,
  });
  function masks(
    channels: readonly (readonly number[])[],
    changes: Record<string, unknown>,
  ): readonly (readonly number[])[] {
    const tensor = { num_channels: 1, spatial_shape: ['*', '*', '*'], dtype: 'float32' };
    const manifest = modelManifestSchema.parse({
      ...manifestFor(Buffer.from('x')),
      network_data_format: {
        inputs: { image: tensor },
        outputs: { brain: { ...tensor, num_channels: channels.length } },
      },
      ...changes,
    });
    const values = channels.map((channel) => Float32Array.from(channel));
    activate(values, manifest);
    return decode(values, gridFor(volume, manifest, undefined), volume, manifest).labels.map(({ mask }) => [...mask]);
  }

  it('takes the largest channel, which is one label at most', () => {
    const found = masks([[9, 1, 1, 0], [1, 9, 1, 0], [1, 1, 9, 1]], {
      output: { activation: 'softmax', decode: 'argmax' },
      labels: [label(1), label(2)],
    }); // prettier-ignore

    expect(found).to.deep.equal([[0, 1, 0, 0], [0, 0, 1, 1]]); // prettier-ignore
  });

  it('takes each label above its threshold, so that labels may overlap', () => {
    const found = masks([[3, 3, -3, -3], [-3, 3, 3, -3]], {
      output: { activation: 'sigmoid', decode: 'threshold', threshold: 0.9 },
      labels: [label(1, { channels: [0] }), label(2, { channels: [1] })],
    }); // prettier-ignore

    expect(found).to.deep.equal([[1, 1, 0, 0], [0, 1, 1, 0]]); // prettier-ignore
  });

  it('makes one label of several channels, and decodes a label its own way', () => {
    // Neither part reaches a half, both together do.
    const found = masks([[0.4, 0.9, 0.2, 0.1], [0.3, 0.05, 0.5, 0.1], [0.3, 0.05, 0.3, 0.8]], {
      output: { activation: 'none', decode: 'argmax' },
      labels: [label(1, { channels: [1, 2], decode: 'threshold' }), label(2)],
    }); // prettier-ignore

    expect(found).to.deep.equal([[1, 0, 1, 1], [0, 0, 0, 1]]); // prettier-ignore
  });

  it('removes pieces that are too small, in cubic millimetres', () => {
    const found = masks([[1, 0, 1, 1]], {
      output: { activation: 'none', decode: 'threshold', postprocess: [{ op: 'remove_small', min_mm3: 0.2 }] },
    });

    // A voxel has 0.125 mm³.
    expect(found).to.deep.equal([[0, 0, 1, 1]]);
  });

  it('refuses what is no probability when the network was to make them itself', () => {
    expect(() => masks([[5, -2, 0, 0]], { output: { activation: 'none', decode: 'threshold' } })).to.throw(
      /cannot be used/,
    );
  });
});
