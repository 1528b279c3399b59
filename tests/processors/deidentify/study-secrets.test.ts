import { expect } from 'chai';
import { type Secret, StudySecrets } from '../../../processors/deidentify/study-secrets.ts';

describe('what is looked for in the instances of a study', () => {
  it('is bounded by what one instance says: two that say much each, and nothing alike, are both searched', () => {
    const secrets = new StudySecrets(() => undefined);

    secrets.lookFor(said('a', 300_000), []);
    expect(secrets.isOverflown).to.equal(false);
    secrets.lookFor(said('b', 300_000), []);

    expect(secrets.isOverflown).to.equal(false);
    expect(secrets.isLookedFor('b299999', 'word')).to.equal(true);
    expect(secrets.isLookedFor('a299999', 'word')).to.equal(false);
  });

  it('is too much when one instance says more than can be searched for, and is not for the next one', () => {
    const secrets = new StudySecrets(() => undefined);

    secrets.lookFor(said('a', 400_001), []);
    expect(secrets.isOverflown).to.equal(true);
    secrets.lookFor(said('b', 1_000_000), []);
    expect(secrets.isOverflown).to.equal(true);
    secrets.lookFor(said('c', 10), []);

    expect(secrets.isOverflown).to.equal(false);
    expect(secrets.isLookedFor('c9', 'word')).to.equal(true);
    expect(secrets.isLookedFor('a0', 'word')).to.equal(false);
  });
});

function* said(prefix: string, count: number): Iterable<Secret> {
  for (let n = 0; n < count; n++)
    yield {
      spelled: [{ text: `${prefix}${n}`, kind: 'word' }],
      isFirm: false,
      isExcusable: true,
      isForeign: false,
      dates: [],
    };
}
