import { expect } from 'chai';
import { judge } from '../../../processors/segment/reliability.ts';
import { openModel } from '../../../processors/segment/open-model.ts';
import { slopeOf } from '../../../processors/segment/slope.ts';
import type { Triple, Volume } from '../../../processors/volumes/volume.ts';
import { seeded } from '../../support/seeded.ts';
import { madeVolume } from './made-volume.ts';

const SIZE: Triple = [64, 48, 32];
const ramp = (x: number): number => 10 + 15 * x;
const isBall = (x: number, y: number, z: number): boolean => (x - 32) ** 2 + (y - 24) ** 2 + (z - 16) ** 2 < 144;

/** Where half of the voxels were no numbers, which every door makes zeros. */
function withLost(volume: Volume): Volume {
  const data = volume.data.map((value, n) => (n % 2 === 0 ? value : 0));
  return { ...volume, data, zeroed: data.length / 2 };
}

function reasonsFor(volume: Volume): readonly string[] {
  const { manifest } = openModel('rodent-brain', { models: [] });
  const mask = madeVolume(SIZE, (x, y, z) => (isBall(x, y, z) ? 1 : 0)).data;
  const union = Uint8Array.from(mask);
  const [label] = manifest.labels;
  const voxels = union.reduce((sum, value) => sum + value, 0);
  const decoded = { labels: [{ label, mask: union, voxels, confidence: 1 }], probability: mask };
  // 7,200 voxels of 0.4 mm: a brain's volume, of which the network is sure at both looks.
  return judge(volume, decoded, union, manifest, 'mouse', mask).reasons;
}

const spacingMm: Triple = [0.4, 0.4, 0.4];

describe('a slope of brightness', () => {
  it('is told from a picture of something', () => {
    const random = seeded(7);
    const slopes = [
      madeVolume(SIZE, ramp),
      madeVolume(SIZE, (_x, y, z) => (y - 20) ** 2 + 7 * z),
      madeVolume(SIZE, (x) => ramp(x) + 100 * random()),
      madeVolume(SIZE, (x) => 1e34 * x),
      withLost(madeVolume(SIZE, ramp)),
    ];
    const pictures = [
      madeVolume(SIZE, (x, y, z) => (isBall(x, y, z) ? 400 : 0)),
      madeVolume(SIZE, (x, y, z) => (isBall(x, y, z) ? ramp(x) : 0)),
      madeVolume(SIZE, () => random()),
    ];

    for (const each of slopes) expect(slopeOf(each)).to.be.within(0.95, 1);
    for (const each of pictures) expect(slopeOf(each)).to.be.within(0, 0.6);
  });

  it('is none where all is alike, or there is nothing', () => {
    expect(slopeOf(madeVolume(SIZE, () => 7))).to.equal(0);
    expect(slopeOf({ ...madeVolume(SIZE, () => 0), zeroed: 64 * 48 * 32 })).to.equal(0);
    expect(slopeOf(madeVolume([3, 2, 1], ramp))).to.equal(0);
    expect(slopeOf(madeVolume([64, 64, 1], ramp))).to.be.closeTo(1, 1e-6);
  });

  it('makes a mask unreliable, however sure the network is of it', () => {
    const ball = madeVolume(SIZE, (x, y, z) => (isBall(x, y, z) ? 400 : 20), { spacingMm });

    expect(reasonsFor(ball)).to.deep.equal([]);
    expect(reasonsFor(madeVolume(SIZE, ramp, { spacingMm }))).to.deep.equal([
      'there is no anatomy: 100 % of the picture is a smooth slope of brightness',
    ]);
    expect(reasonsFor({ ...ball, zeroed: ball.data.length / 50 })).to.deep.equal([
      '2 % of the voxels were no numbers, more than 1 %',
    ]);
    expect(reasonsFor({ ...ball, zeroed: 900 })).to.deep.equal([]);
  });
});
