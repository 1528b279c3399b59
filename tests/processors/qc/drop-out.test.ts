import { expect } from 'chai';
import { dropOut } from '../../../processors/qc/stability.ts';
import { dropped, head, noisy, volumeOf } from './scans.ts';

describe('lost signal of slices', () => {
  it('names the slice that lost its signal where the weighting changes, and none that has nothing in it', () => {
    const weights = [1, 1, 1, ...Array.from({ length: 18 }, () => 0.35)];
    const empty = dropped(head(), [0, 1, 14, 15], 0.97);
    const dwi = (lost: Readonly<Record<number, number>>) =>
      volumeOf(
        weights.map((weight, t) => {
          const { dims, data } = empty;
          const weighted = { dims, data: data.map((value) => value * weight) };
          const slice = lost[t];
          return noisy(slice === undefined ? weighted : dropped(weighted, [slice], 0.7), 12, t + 1);
        }),
        'diffusion',
      );

    expect(dropOut(dwi({})).slices).to.deep.equal([]);
    expect(dropOut(dwi({ 9: 7 })).slices).to.deep.equal([8]);
    expect(dropOut(dwi({ 1: 8, 12: 5 })).slices).to.deep.equal([6, 9]);
  });
});
