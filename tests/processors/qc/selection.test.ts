import { expect } from 'chai';
import { neighbours, sortedPixels } from '../../../processors/qc/selection.ts';
import { seeded } from '../../support/seeded.ts';

describe('order by bits', () => {
  const random = seeded(7);
  const kinds: Readonly<Record<string, () => number>> = {
    'whole numbers, many alike': () => Math.floor(random() * 40),
    'numbers of both signs': () => Math.fround((random() - 0.5) * 10 ** Math.floor(random() * 20 - 10)),
    'one number': () => 3.5,
    'zeros, and infinities': () => [0, 0, 1, Infinity, -Infinity][Math.floor(random() * 5)] ?? 0,
  };
  for (const [what, one] of Object.entries(kinds))
    for (const length of [1, 2, 5_000, 70_000])
      it(`is that of a sort by comparison: ${String(length)} of ${what}`, () => {
        const values = Float64Array.from({ length }, one);
        const ordered = values.toSorted();

        for (const rank of [0, 1, Math.floor(length / 3), length - 2, length - 1].filter(
          (at) => at >= 0 && at < length,
        ))
          expect(neighbours(values.slice(), rank)).to.deep.equal([ordered[rank], ordered[rank + 1] ?? Number.NaN]);
        expect(sortedPixels(values.slice())).to.deep.equal(ordered);
      });
});
