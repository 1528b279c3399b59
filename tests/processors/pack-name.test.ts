import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { packNameOf, packOriginOf } from '../../processors/pack-name.ts';

describe('the name of a pack', () => {
  it('says which attempt at which step of which run wrote it', () => {
    const origin = { runId: randomUUID(), step: 2, fence: 31 };

    expect(packOriginOf(packNameOf(origin))).to.deep.equal(origin);
  });

  it('says nothing when it was made by somebody else', () => {
    const runId = randomUUID();

    for (const name of ['', runId, `${runId}-1`, `${runId}-1-`, `${runId}-1-2-3`, `${runId}--1-2`, `x${runId}-1-2`])
      expect(packOriginOf(name), name).to.equal(undefined);
  });
});
