import { expect } from 'chai';
import { countVoxels, fillHoles, largestComponent } from '../../../processors/segment/mask.ts';

/** Rows of a slice, `#` is inside. */
function slice(...rows: readonly string[]): Uint8Array {
  return Uint8Array.from(rows.join(''), (mark) => (mark === '#' ? 1 : 0));
}

describe('a mask', () => {
  it('keeps its largest piece, joined through faces only', () => {
    const mask = slice('##...', '##...', '..#..', '....#');

    const kept = largestComponent(mask, [5, 4, 1]);

    expect([...kept]).to.deep.equal([...slice('##...', '##...', '.....', '.....')]);
  });

  it('joins pieces across slices', () => {
    const mask = Uint8Array.from([...slice('#.', '..'), ...slice('#.', '..'), ...slice('..', '.#')]);

    expect(countVoxels(largestComponent(mask, [2, 2, 3]))).to.equal(2);
  });

  it('stays empty when it is', () => {
    expect(countVoxels(largestComponent(new Uint8Array(8), [2, 2, 2]))).to.equal(0);
  });

  it('has its holes filled, but not its bays', () => {
    const mask = slice('#####', '#.#..', '#####');

    expect([...fillHoles(mask, [5, 3, 1])]).to.deep.equal([...slice('#####', '###..', '#####')]);
  });
});
