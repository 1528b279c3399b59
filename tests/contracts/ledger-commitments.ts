import { expect } from 'chai';
import type { CommitmentRequest } from '../../core/ledger/commitments.ts';
import { type LedgerSuite, received, record } from './ledger-facts.ts';

const MR = '1.2.840.10008.5.1.4.1.1.4';
const QUARANTINE_ID = '0198c1a0-0000-7000-8000-000000000001';

function asked(change: Partial<CommitmentRequest> = {}): CommitmentRequest {
  return {
    commitmentId: 'commitment-1',
    transactionUid: '1.2.3',
    source: 'pacs',
    callingAeTitle: 'PACS',
    calledAeTitle: 'HUB',
    associationId: 'association-1',
    items: [received(1), received(2)].map(({ sopInstanceUid }) => ({ sopClassUid: MR, sopInstanceUid })),
    ...change,
  };
}

export const describeCommitments: LedgerSuite = (subject) => {
  const decideBy = () => new Date(subject().clock.now().getTime() + 30_000);
  const due = async () => {
    const { ledger, clock } = subject();
    return ledger.commitments.due(clock.now(), 10);
  };
  const attempt = (number: number, outcome: 'answered' | 'failed') => ({
    attempt: number,
    startedAt: subject().clock.now().toISOString(),
    way: 'new-association' as const,
    outcome,
  });

  it('has a request to be decided at once, over a restart too', async () => {
    const { ledger, reopen } = subject();

    const outcome = await ledger.commitments.request(asked(), decideBy());
    const again = await reopen();

    expect(outcome).to.deep.equal({ outcome: 'recorded', commitmentId: 'commitment-1' });
    const [row] = await again.commitments.due(subject().clock.now(), 10);
    expect(row).to.deep.include({ state: 'deciding', items: 2, failures: 0, attempts: 0, decideBy: decideBy() });
  });

  it('says of each instance, in the order asked, what it knows of it', async () => {
    const { ledger } = subject();
    await record(ledger, received(2));
    await ledger.quarantine.hold({
      ...{ quarantineId: QUARANTINE_ID, stage: 'gateway', reason: 'dataset.conflict', detail: '', holdsStudy: false },
      items: [{ blob: received(1).blob, sizeBytes: 1, sopInstanceUid: received(1).sopInstanceUid }],
    });
    await ledger.commitments.request(asked(), decideBy());

    const evidence = await ledger.commitments.evidence('commitment-1');

    const { studyInstanceUid, blob, sha256 } = received(2);
    expect(evidence).to.deep.equal([
      { item: 0, sopClassUid: MR, sopInstanceUid: received(1).sopInstanceUid, isHeld: true },
      {
        ...{ item: 1, sopClassUid: MR, sopInstanceUid: received(2).sopInstanceUid, isHeld: false },
        stored: { sopClassUid: MR, studyInstanceUid, blob, sha256 },
      },
    ]);
  });

  it('counts a copy that was released from quarantine as held no more', async () => {
    const { ledger } = subject();
    await ledger.quarantine.hold({
      ...{ quarantineId: QUARANTINE_ID, stage: 'gateway', reason: 'dataset.unreadable', detail: '', holdsStudy: false },
      items: [{ blob: received(1).blob, sizeBytes: 1, sopInstanceUid: received(1).sopInstanceUid }],
    });
    await ledger.commitments.request(asked(), decideBy());

    await ledger.quarantine.release(QUARANTINE_ID);

    expect((await ledger.commitments.evidence('commitment-1')).map(({ isHeld }) => isHeld)).to.deep.equal([
      false,
      false,
    ]);
  });

  it('counts a UID as held when a copy with other bytes was rejected, not for the bytes that are there', async () => {
    const { ledger } = subject();
    await record(ledger, received(1), received(2));
    await ledger.commitments.request(asked(), decideBy());
    const { sopInstanceUid, dataSetSha256 } = received(1);

    for (const digest of ['f'.repeat(64), 'f'.repeat(64)]) {
      await ledger.commitments.rejected({ sopInstanceUid, dataSetSha256: digest, source: 'pacs' });
    }
    await ledger.commitments.rejected({
      sopInstanceUid: received(2).sopInstanceUid,
      dataSetSha256: received(2).dataSetSha256,
      source: 'pacs',
    });

    expect(dataSetSha256).not.to.equal('f'.repeat(64));
    expect((await ledger.commitments.evidence('commitment-1')).map(({ isHeld }) => isHeld)).to.deep.equal([
      true,
      false,
    ]);
  });

  it('decides it, anew until it is told, and then has it to be reported', async () => {
    const { ledger } = subject();
    await ledger.commitments.request(asked(), decideBy());

    const decided = [
      await ledger.commitments.decide('commitment-1', [{ item: 0, reason: 0x0110 }]),
      await ledger.commitments.decide('commitment-1', [{ item: 1, reason: 0x0112 }]),
    ];

    expect(decided).to.deep.equal([true, true]);
    expect((await due())[0]).to.deep.include({ state: 'reporting', failures: 1 });
    expect((await ledger.commitments.items('commitment-1')).map(({ failureReason }) => failureReason)).to.deep.equal([
      undefined,
      0x0112,
    ]);
  });

  it('keeps each attempt, waits until the next is due, and is done after an answer', async () => {
    const { ledger, clock } = subject();
    await ledger.commitments.request(asked(), decideBy());
    await ledger.commitments.decide('commitment-1', []);
    const dueAt = new Date(clock.now().getTime() + 10_000);

    await ledger.commitments.attempted('commitment-1', attempt(1, 'failed'), { state: 'reporting', dueAt });
    const early = await due();
    clock.advance(10_000);
    const late = await due();
    await ledger.commitments.attempted('commitment-1', attempt(2, 'answered'), { state: 'reported' });

    expect([early.length, late.length, (await due()).length]).to.deep.equal([0, 1, 0]);
    const row = await ledger.commitments.get('commitment-1');
    expect(row).to.include({ state: 'reported', attempts: 2, endedAt: clock.now().toISOString() });
    expect(row?.history.map(({ outcome }) => outcome)).to.deep.equal(['failed', 'answered']);
    expect(await ledger.commitments.attempted('commitment-1', attempt(3, 'failed'), { state: 'reported' })).to.equal(
      false,
    );
    expect(await ledger.commitments.backlog()).to.deep.equal([{ source: 'pacs', state: 'reported', commitments: 1 }]);
  });

  it('puts off what cannot be decided yet', async () => {
    const { ledger, clock } = subject();
    await ledger.commitments.request(asked(), decideBy());

    await ledger.commitments.postpone('commitment-1', new Date(clock.now().getTime() + 300));

    expect(await due()).to.deep.equal([]);
    clock.advance(300);
    expect(await due()).to.have.length(1);
  });

  it('knows a repeat by source, AE title and Transaction UID, and decides what is over anew', async () => {
    const { ledger } = subject();
    await ledger.commitments.request(asked(), decideBy());
    const repeat = { ...asked(), commitmentId: 'commitment-2', associationId: 'association-2' };

    const early = await ledger.commitments.request(repeat, decideBy());
    await ledger.commitments.decide('commitment-1', [{ item: 0, reason: 0x0112 }]);
    await ledger.commitments.attempted('commitment-1', attempt(1, 'failed'), { state: 'failed', reason: 'no answer' });
    const late = await ledger.commitments.request(repeat, decideBy());
    const others = [
      await ledger.commitments.request({ ...repeat, items: asked().items.slice(1) }, decideBy()),
      await ledger.commitments.request({ ...repeat, items: asked().items.toReversed() }, decideBy()),
      await ledger.commitments.request({ ...repeat, source: 'other' }, decideBy()),
    ];

    expect([early, late]).to.deep.equal([
      { outcome: 'repeated', commitmentId: 'commitment-1' },
      { outcome: 'repeated', commitmentId: 'commitment-1' },
    ]);
    expect(others.map(({ outcome }) => outcome)).to.deep.equal(['conflict', 'conflict', 'recorded']);
    const row = await ledger.commitments.get('commitment-1');
    expect(row).to.include({ state: 'deciding', attempts: 0, failures: 0, associationId: 'association-2' });
    expect(row).to.not.have.any.keys('reason', 'endedAt', 'decidedAt');
  });

  it('takes a request that is told once more, after a crash, for the same: what came of it stands', async () => {
    const { ledger } = subject();
    await ledger.commitments.request(asked(), decideBy());
    await ledger.commitments.decide('commitment-1', []);
    await ledger.commitments.attempted('commitment-1', attempt(1, 'answered'), { state: 'reported' });

    const again = await ledger.commitments.request(asked(), decideBy());

    expect(again).to.deep.equal({ outcome: 'recorded', commitmentId: 'commitment-1' });
    expect((await ledger.commitments.get('commitment-1'))?.state).to.equal('reported');
  });

  it('lists the newest first, by state, in pages', async () => {
    const { ledger } = subject();
    for (const n of [1, 2, 3]) {
      const id = `commitment-${n}`;
      await ledger.commitments.request(asked({ commitmentId: id, transactionUid: `1.2.${n}` }), decideBy());
    }
    await ledger.commitments.decide('commitment-2', []);
    const ids = (rows: readonly { readonly commitmentId: string }[]) => rows.map(({ commitmentId }) => commitmentId);

    const first = await ledger.commitments.list({ limit: 2 });
    const rest = await ledger.commitments.list({ limit: 2, before: 'commitment-2' });
    const deciding = await ledger.commitments.list({ limit: 9, state: 'deciding' });

    expect([ids(first), ids(rest), ids(deciding)]).to.deep.equal([
      ['commitment-3', 'commitment-2'],
      ['commitment-1'],
      ['commitment-3', 'commitment-1'],
    ]);
  });
};
