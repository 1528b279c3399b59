import { expect } from 'chai';
import {
  historyAfter,
  isSyncedHere,
  NO_SYNC_YET,
  type SyncFacts,
  type SyncHistory,
} from '../../../gateway/spool/sync-place.ts';

const SINGLE: SyncFacts = { records: 1, areOthersUnderWay: false, laysRoom: false };
/** A single sender on a disk that was quick for long. */
const QUICK: SyncHistory = { alone: 8, slowShare: 0 };

describe('where a sync is waited for', () => {
  const PLACES: readonly {
    readonly name: string;
    readonly facts?: Partial<SyncFacts>;
    readonly history?: Partial<SyncHistory>;
    readonly isHere: boolean;
  }[] = [
    { name: 'a single sender on a quick disk', isHere: true },
    { name: 'a disk that is seldom slow', history: { slowShare: 0.09 }, isHere: true },
    { name: 'a disk that is often slow', history: { slowShare: 0.11 }, isHere: false },
    { name: 'two records that share it', facts: { records: 2 }, isHere: false },
    { name: 'an object of somebody else on its way', facts: { areOthersUnderWay: true }, isHere: false },
    { name: 'zeros that are laid with it', facts: { laysRoom: true }, isHere: false },
    { name: 'others who sent a moment ago', history: { alone: 7 }, isHere: false },
  ];
  for (const { name, facts, history, isHere } of PLACES) {
    it(`is ${isHere ? 'on the loop' : 'elsewhere'} with ${name}`, () => {
      expect(isSyncedHere({ ...SINGLE, ...facts }, { ...QUICK, ...history })).to.equal(isHere);
    });
  }

  /** The history after so many syncs of these times, again and again. */
  const after = (times: readonly number[], from: SyncHistory = NO_SYNC_YET, syncs = 1_000) =>
    Array.from({ length: syncs }, (_, n) => times[n % times.length] ?? 0).reduce(
      (history, tookMs) => historyAfter(SINGLE, history, tookMs),
      from,
    );

  it('is the loop after some eighty quick ones, and not before', () => {
    expect(isSyncedHere(SINGLE, after([0.1], NO_SYNC_YET, 60))).to.be.false;
    expect(isSyncedHere(SINGLE, after([0.1], NO_SYNC_YET, 80))).to.be.true;
  });

  it('stays the loop when one of fifty is slow, and leaves it when one of five is', () => {
    const seldom = [...Array<number>(49).fill(0.1), 2];
    const often = [0.1, 0.1, 0.1, 0.1, 2];

    expect(isSyncedHere(SINGLE, after(seldom))).to.be.true;
    expect(isSyncedHere(SINGLE, after(often, QUICK))).to.be.false;
  });

  it('leaves the loop at once when one takes long', () => {
    expect(isSyncedHere(SINGLE, historyAfter(SINGLE, QUICK, 6))).to.be.false;
  });

  it('leaves the loop as soon as others send', () => {
    expect(historyAfter({ ...SINGLE, records: 2 }, QUICK, 0.1).alone).to.equal(0);
    expect(historyAfter({ ...SINGLE, areOthersUnderWay: true }, QUICK, 0.1).alone).to.equal(0);
  });

  it('does not count the time that zeros take', () => {
    expect(historyAfter({ ...SINGLE, laysRoom: true }, QUICK, 90)).to.deep.equal(QUICK);
  });
});
