import { expect } from 'chai';
import { judgeCommitment } from '../../../connectors/c-store/commitment-result.ts';
import { thrownBy } from '../../support/thrown.ts';

const INSTANCES = ['1.1', '1.2', '1.3'].map((sopInstanceUid) => ({ sopInstanceUid }));
const failing = (...reasons: readonly (readonly [string, number])[]) => ({
  committed: INSTANCES.map(({ sopInstanceUid }) => sopInstanceUid).filter(
    (uid) => !reasons.some(([failed]) => failed === uid),
  ),
  failed: reasons.map(([sopInstanceUid, failureReason]) => ({ sopInstanceUid, failureReason })),
});
const judged = (...reasons: readonly (readonly [string, number])[]) =>
  thrownBy(Promise.resolve().then(() => judgeCommitment(INSTANCES, failing(...reasons))));

describe('the result of a storage commitment', () => {
  it('is that nothing is missing when all of them are committed', () => {
    expect(judgeCommitment(INSTANCES, failing())).to.deep.equal({ missing: [], detail: 'storage commitment' });
  });

  for (const [what, reason] of [
    ['a processing failure', 0x0110],
    ['one that is not there', 0x0112],
    ['a reason that nobody knows', 0x4711],
  ] as const) {
    it(`sends again after ${what}`, () => {
      expect(judgeCommitment(INSTANCES, failing(['1.2', reason])).missing).to.deep.equal(['1.2']);
    });
  }

  it('sends again what stands in neither list, and what stands in both', () => {
    const { missing, detail } = judgeCommitment(INSTANCES, {
      committed: ['1.1', '1.2'],
      failed: [{ sopInstanceUid: '1.2', failureReason: 0x0112 }],
    });

    expect(missing).to.deep.equal(['1.2', '1.3']);
    expect(detail).to.equal('storage commitment: 0x0112 no such object instance × 1; not named in the report × 1');
  });

  it('is final for a class that is not committed, and for another instance under the UID', async () => {
    const error = await judged(['1.1', 0x0122], ['1.2', 0x0119], ['1.3', 0x0213]);

    expect(error).to.include({ code: 'partner.rejected-instances' });
    expect(error.row.retry).to.equal('permanent');
    expect(error.message).to.contain('1.1 0x0122').and.to.contain('1.2 0x0119');
  });

  it('is asked for again where the provider has no room for the question', async () => {
    const error = await judged(['1.1', 0x0213], ['1.2', 0x0131]);

    expect(error).to.include({ code: 'partner.busy' });
    expect(error.row.retry).to.equal('transient');
  });

  it('sends again what can be mended before it gives up on what cannot', () => {
    expect(judgeCommitment(INSTANCES, failing(['1.1', 0x0122], ['1.3', 0x0112])).missing).to.deep.equal(['1.3']);
  });
});
