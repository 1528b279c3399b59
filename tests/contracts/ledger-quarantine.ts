import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import type { NewQuarantine } from '../../core/ledger/quarantine.ts';
import {
  COMPLETION,
  completeStudy,
  eventTypes,
  heldRun,
  hex,
  received,
  record,
  startRun,
  STUDY,
  type LedgerSuite,
} from './ledger-facts.ts';

function unreadable(changes: Partial<NewQuarantine> = {}): NewQuarantine {
  const { blob } = received(7);
  return {
    quarantineId: randomUUID(),
    stage: 'gateway',
    reason: 'dataset.unreadable',
    detail: 'offset 132',
    items: [{ blob, sizeBytes: 900 }],
    provenance: { door: 'folder', source: 'inbox', associationId: 'association-9' },
    holdsStudy: false,
    ...changes,
  };
}

export const describeQuarantine: LedgerSuite = (subject) => {
  it('keeps what was refused, with the reason, over a restart', async () => {
    const { ledger, reopen } = subject();
    const entry = unreadable();

    await ledger.quarantine.hold(entry);
    await ledger.quarantine.hold(entry);

    const again = await reopen();
    expect(await again.quarantine.list({ limit: 9 })).to.deep.equal([
      { ...entry, state: 'held', createdAt: '2026-03-01T08:00:00.000Z' },
    ]);
    expect(await again.quarantine.get(randomUUID())).to.equal(undefined);
    const [event, second] = await again.events.read({ streams: ['hub.work.v1'], after: 0, limit: 10 });
    expect(event).to.include({
      type: 'study.quarantined',
      key: entry.quarantineId,
      correlationId: 'association-9',
    });
    expect(event?.data).to.include({ quarantineId: entry.quarantineId, instances: 1 });
    expect(second).to.equal(undefined);
  });

  it('holds one content once: what comes again is counted, until the entry is released', async () => {
    const { ledger, clock, reopen } = subject();
    const item = { blob: received(7).blob, sizeBytes: 900, sopInstanceUid: received(7).sopInstanceUid };
    const first = unreadable({ items: [{ ...item, dataSetSha256: hex(7) }] });
    const copy = { reason: first.reason, dataSetSha256: hex(7), sopInstanceUid: item.sopInstanceUid };

    expect(await ledger.quarantine.repeated(copy)).to.equal(false);
    await ledger.quarantine.hold(first);
    await ledger.quarantine.hold(first);
    const { createdAt = '' } = (await ledger.quarantine.get(first.quarantineId)) ?? {};
    clock.advance(60_000);
    expect(await ledger.quarantine.repeated(copy)).to.equal(true);
    await ledger.quarantine.hold({ ...first, quarantineId: randomUUID() });

    for (const other of [{ reason: 'dataset.conflict' }, { dataSetSha256: hex(8) }, { sopInstanceUid: undefined }]) {
      expect(await ledger.quarantine.repeated({ ...copy, ...other })).to.equal(false);
    }
    const again = await reopen();
    expect(await again.quarantine.list({ limit: 9 })).to.deep.equal([
      { ...first, state: 'held', createdAt, repeats: 2, repeatedAt: clock.now().toISOString() },
    ]);
    expect(await again.events.read({ streams: ['hub.work.v1'], after: 0, limit: 10 })).to.have.length(1);
    await again.quarantine.release(first.quarantineId);
    expect(await again.quarantine.repeated(copy)).to.equal(false);
  });

  it('holds a refused copy once, whichever association brings it', async () => {
    const { ledger } = subject();
    await record(ledger, received(1));
    const other = (associationId: string, content: number) =>
      received(1, { associationId, dataSetSha256: hex(content) });

    const outcomes = await record(ledger, other('a', 11), other('b', 11), other('c', 12));

    expect(outcomes).to.deep.equal(['conflict', 'conflict', 'conflict']);
    const rows = await ledger.quarantine.list({ limit: 9 });
    expect(rows.map(({ items, repeats }) => [items.length, items[0]?.dataSetSha256, repeats])).to.deep.equal([
      [1, hex(12), undefined],
      [1, hex(11), 1],
    ]);
  });

  it('releases an entry once', async () => {
    const { ledger } = subject();
    const entry = unreadable();
    await ledger.quarantine.hold(entry);

    const outcomes = [
      await ledger.quarantine.release(entry.quarantineId),
      await ledger.quarantine.release(entry.quarantineId),
      await ledger.quarantine.release(randomUUID()),
    ];

    expect(outcomes).to.deep.equal([true, false, false]);
    expect(await ledger.quarantine.list({ limit: 9, state: 'held' })).to.deep.equal([]);
    expect(await ledger.quarantine.list({ limit: 9, state: 'released' })).to.have.length(1);
  });

  it('holds a study that was named before anything of it was stored', async () => {
    const { ledger, clock } = subject();
    await ledger.quarantine.hold(unreadable({ studyInstanceUid: STUDY, holdsStudy: true }));

    await record(ledger, received(1));

    expect(await ledger.studies.get(STUDY)).to.include({ held: true });
    expect(await ledger.studies.due(clock.advance(COMPLETION.forceMs), 9)).to.deep.equal([]);
  });

  it('makes a held study due at once when the last entry that holds it is released', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1));
    const entries = [1, 2].map(() => unreadable({ studyInstanceUid: STUDY, holdsStudy: true }));
    for (const entry of entries) await ledger.quarantine.hold(entry);
    clock.advance(1000);

    const due: number[] = [];
    for (const { quarantineId } of entries) {
      await ledger.quarantine.release(quarantineId);
      due.push((await ledger.studies.due(clock.now(), 9)).length);
    }

    expect(due).to.deep.equal([0, 1]);
    expect(await ledger.studies.get(STUDY)).to.include({ held: false });
  });

  it('takes the other patient into the study when that entry is released, now and later', async () => {
    const { ledger, clock } = subject();
    const other = { patientDigest: hex(0xdef) };
    await record(ledger, received(1), received(2, other));
    const [entry] = await ledger.quarantine.list({ limit: 1 });
    if (entry === undefined) throw new Error('nothing was quarantined');

    await ledger.quarantine.release(entry.quarantineId);

    expect(await ledger.instances.ofStudy(STUDY)).to.have.length(2);
    expect(await ledger.studies.due(clock.now(), 9)).to.have.length(1);
    expect(await record(ledger, received(3, other))).to.deep.equal(['stored']);
    expect(await record(ledger, received(4, { patientDigest: hex(0x123) }))).to.deep.equal(['patient-mismatch']);
    expect(await ledger.instances.known(received(1).sopInstanceUid, STUDY)).to.deep.equal({
      dataSetSha256: hex(1),
      patientDigest: hex(0xabc),
      otherPatients: [hex(0xdef)],
    });
  });

  it('replays a run that is released', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = await startRun(ledger);
    const [job] = await ledger.runs.claim('worker-1', 1000, clock.now(), 1);
    if (job === undefined) throw new Error('nothing to claim');
    const entry = heldRun(run);
    await ledger.runs.quarantine(job.jobId, job.fence, entry);

    const released = await ledger.quarantine.release(entry.quarantineId);

    expect(released).to.equal(true);
    expect(await ledger.quarantine.get(entry.quarantineId)).to.include({ state: 'replayed' });
    expect((await ledger.runs.ofStudy(STUDY)).map(({ state }) => state)).to.deep.equal(['quarantined', 'waiting']);
    expect((await eventTypes(ledger)).slice(-2)).to.deep.equal(['study.quarantined', 'study.routed']);
  });
};
