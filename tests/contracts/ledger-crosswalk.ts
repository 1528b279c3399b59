import { expect } from 'chai';
import type { Ledger } from '../../core/ledger.ts';
import type { CrosswalkPart } from '../../core/ledger/crosswalk.ts';
import { completeStudy, type LedgerSuite, newRun, received, startRun, type TestClock } from './ledger-facts.ts';

const PART: CrosswalkPart = {
  partKey: 'part-one',
  sealed: 'c2VhbGVk',
  keys: [
    { kind: 'study', uidKeys: ['study-key'] },
    { kind: 'instance', uidKeys: ['key-1', 'key-2'] },
  ],
};

export const describeCrosswalk: LedgerSuite = (subject) => {
  it('has what a step mapped from the moment its result is taken, and not before', async () => {
    const { ledger, clock, reopen } = subject();
    await completeStudy(ledger, clock);

    const stale = await finish(ledger, clock, [PART], -1);
    const before = await ledger.crosswalk.find(['key-1']);
    const taken = await finish(ledger, clock, [PART]);
    const after = await (await reopen()).crosswalk.find(['key-2', 'study-key', 'unknown']);

    expect([stale, taken]).to.deep.equal([false, true]);
    expect(before).to.deep.equal({ hits: [], parts: [] });
    expect(after.hits.map(({ uidKey, kind }) => ({ uidKey, kind }))).to.deep.equal([
      { uidKey: 'key-2', kind: 'instance' },
      { uidKey: 'study-key', kind: 'study' },
    ]);
    expect(after.parts).to.deep.equal([{ part: after.hits[0]?.part, partKey: 'part-one', sealed: 'c2VhbGVk' }]);
  });

  it('keeps once what a repeated step says again, and the latest of one key first', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const later = { ...PART, partKey: 'part-two', sealed: 'bGF0ZXI=' };

    for (const parts of [[PART], [PART, later], [later]]) await finish(ledger, clock, parts);

    const { hits, parts } = await ledger.crosswalk.find(['key-1']);
    expect(hits).to.have.length(2);
    expect(parts.map(({ partKey }) => partKey)).to.deep.equal(['part-two', 'part-one']);
  });

  it('bounds what a UID that everything has in common is found in', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const parts = Array.from({ length: 40 }, (_, n): CrosswalkPart => ({
      partKey: `part-${String(n)}`,
      sealed: '',
      keys: [
        { kind: 'other', uidKeys: ['device'] },
        ...(n === 0 ? [{ kind: 'instance', uidKeys: ['device'] } as const] : []),
      ],
    }));

    await finish(ledger, clock, parts);

    const { hits } = await ledger.crosswalk.find(['device']);
    expect(hits).to.have.length(32);
    expect(hits[0]).to.include({ kind: 'instance' });
  });

  it('says which UIDs are those of received instances and series', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const { sopInstanceUid, seriesInstanceUid } = received(1);

    const known = await ledger.crosswalk.received(['1.2.3.4', seriesInstanceUid, sopInstanceUid]);

    expect(known).to.deep.equal([seriesInstanceUid, sopInstanceUid]);
  });
};

/** A step that has these to add. */
async function finish(ledger: Ledger, clock: TestClock, crosswalk: readonly CrosswalkPart[], later = 0) {
  await startRun(ledger, newRun({ steps: [{ processor: 'deidentify', argument: 'kct' }] }));
  const [job] = await ledger.runs.claim('worker', 30_000, clock.now(), 1);
  return await ledger.runs.finishStep(job?.jobId ?? '', (job?.fence ?? 0) + later, {
    items: [],
    events: [],
    crosswalk,
  });
}
