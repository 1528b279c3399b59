import { expect } from 'chai';
import { isSyncedHere, quickAfter, type SyncFacts } from '../../../gateway/spool/sync-place.ts';

/** A single sender, on a disk that was quick eight times in a row. */
const ALONE: SyncFacts = { records: 1, areOthersUnderWay: false, laysRoom: false, quickBefore: 8 };

describe('where a sync is waited for', () => {
  const FACTS: readonly { readonly name: string; readonly facts: Partial<SyncFacts>; readonly isHere: boolean }[] = [
    { name: 'a single sender on a quick disk', facts: {}, isHere: true },
    { name: 'two records that share it', facts: { records: 2 }, isHere: false },
    { name: 'an object of somebody else on its way', facts: { areOthersUnderWay: true }, isHere: false },
    { name: 'zeros that are laid with it', facts: { laysRoom: true }, isHere: false },
    { name: 'a disk that was quick seven times', facts: { quickBefore: 7 }, isHere: false },
  ];
  for (const { name, facts, isHere } of FACTS) {
    it(`is ${isHere ? 'on the loop' : 'elsewhere'} with ${name}`, () => {
      expect(isSyncedHere({ ...ALONE, ...facts })).to.equal(isHere);
    });
  }

  const AFTER: readonly {
    readonly name: string;
    readonly facts: Partial<SyncFacts>;
    readonly tookMs: number;
    readonly quick: number;
  }[] = [
    { name: 'counts a quick sync', facts: { quickBefore: 3 }, tookMs: 0.1, quick: 4 },
    { name: 'counts no further than it has to', facts: {}, tookMs: 0.1, quick: 8 },
    { name: 'begins anew after a slow one', facts: {}, tookMs: 0.6, quick: 0 },
    { name: 'begins anew where several share one', facts: { records: 2 }, tookMs: 0.1, quick: 0 },
    { name: 'begins anew while others send', facts: { areOthersUnderWay: true }, tookMs: 0.1, quick: 0 },
    { name: 'leaves out the time that zeros take', facts: { laysRoom: true }, tookMs: 9, quick: 8 },
  ];
  for (const { name, facts, tookMs, quick } of AFTER) {
    it(name, () => {
      expect(quickAfter({ ...ALONE, ...facts }, tookMs)).to.equal(quick);
    });
  }
});
