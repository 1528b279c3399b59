import { expect } from 'chai';
import { parseSeriesInstanceUid, parseSopInstanceUid, parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { DueStudy } from '../../core/ledger/studies.ts';
import { COMPLETION, received, record, STUDY, type LedgerSuite, type TestClock } from './ledger-facts.ts';

const OTHER = parseStudyInstanceUid('1.2.826.2');

/** What a study waits for, and when it is looked at again; each fact outlives the process that noted it. */
export const describeCompletion: LedgerSuite = (subject) => {
  it('looks sooner than the quiet period where another signal may come first', async () => {
    const { ledger, clock } = subject();

    await ledger.instances.record([{ instance: received(1), completion: { ...COMPLETION, lookMs: 5_000 } }], {
      segment: '0001',
      offset: 1000,
    });

    expect(await ledger.studies.nextDue()).to.deep.equal(new Date(clock.now().getTime() + 5_000));
  });

  it('knows of an open study what came and when, series by series', async () => {
    const { ledger, clock } = subject();
    await record(
      ledger,
      received(1),
      received(2, { receivedAt: '2026-03-01T08:00:07.000Z' }),
      received(3, { series: 2 }),
    );

    const facts = await ledger.studies.completionFacts(STUDY);

    expect(facts).to.deep.include({ studyInstanceUid: STUDY, source: 'pv-7t', instances: 3 });
    expect(facts?.beganAtMs).to.equal(clock.now().getTime());
    expect(facts?.series.map(({ seriesInstanceUid, instances }) => [seriesInstanceUid, instances])).to.deep.equal([
      [`${STUDY}.1`, 2],
      [`${STUDY}.2`, 1],
    ]);
    expect(facts).not.to.have.any.keys('releasedAtMs', 'commitment', 'answer');
  });

  it('knows nothing of one that waits for nothing', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1));
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());

    expect(await ledger.studies.completionFacts(STUDY)).to.equal(undefined);
    expect(await ledger.studies.completionFacts(OTHER)).to.equal(undefined);
  });

  it('begins anew with the first instance of the next revision', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1));
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());
    await record(ledger, received(2, { receivedAt: '2026-03-01T09:00:00.000Z' }));

    const facts = await ledger.studies.completionFacts(STUDY);

    expect(facts).to.include({ instances: 2, beganAtMs: Date.parse('2026-03-01T09:00:00.000Z') });
  });

  it('puts a look off, and not when something arrived meanwhile', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1));
    const due = await theDue(ledger, clock.advance(COMPLETION.quietMs));
    const until = new Date(clock.now().getTime() + 30_000);

    expect(await ledger.studies.postpone(due, until, false)).to.equal(true);
    const [looks, next] = [await ledger.studies.due(clock.now(), 9), await ledger.studies.nextDue()];
    await record(ledger, received(2));
    const late = await ledger.studies.postpone(due, until, false);

    expect(looks).to.deep.equal([]);
    expect(next).to.deep.equal(until);
    expect(late).to.equal(false);
  });

  it('waits without an end for an arrival, and looks at it soon after', async () => {
    const { ledger, clock, reopen } = subject();
    await record(ledger, received(1));
    const due = await theDue(ledger, clock.advance(COMPLETION.forceMs));
    await ledger.studies.postpone(due, undefined, true);

    const again = await reopen();
    expect(await again.studies.due(clock.advance(365 * 86_400_000), 9)).to.deep.equal([]);
    await record(again, received(2));

    expect(await again.studies.due(clock.now(), 9)).to.have.length(1);
  });

  it('looks at each arrival where the next one may complete the study, though not more often than each second', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1));
    const due = await theDue(ledger, clock.advance(COMPLETION.quietMs));
    await ledger.studies.postpone(due, new Date(clock.now().getTime() + COMPLETION.quietMs), true);
    await record(ledger, received(2, { receivedAt: clock.now().toISOString() }));

    const atOnce = await ledger.studies.due(clock.advance(999), 9);
    const next = await ledger.studies.nextDue();
    const soon = await ledger.studies.due(clock.advance(1), 9);

    expect(atOnce).to.deep.equal([]);
    expect(next).to.deep.equal(clock.now());
    expect(soon).to.have.length(1);
  });

  it('notes a release before or after its study, the newest, over a restart', async () => {
    const { ledger, clock, reopen } = subject();
    const release = (n: number) => ({
      studyInstanceUid: STUDY,
      releasedAt: new Date(clock.now().getTime() + n),
      releasedBy: `association-${n}`,
      lookAt: new Date(clock.now().getTime() + 5_000),
    });
    await ledger.studies.release([release(2)]);
    await record(ledger, received(1));
    await ledger.studies.release([release(1)]);

    const again = await reopen();

    expect(await again.studies.completionFacts(STUDY)).to.include({
      releasedAtMs: clock.now().getTime() + 2,
      releasedBy: 'association-2',
    });
    expect(await again.studies.nextDue()).to.deep.equal(release(0).lookAt);
    expect(await again.studies.due(clock.advance(5_000), 9)).to.have.length(1);
  });

  it('forgets releases and answers with the completion', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1));
    const release = { studyInstanceUid: STUDY, releasedAt: clock.now(), releasedBy: 'one', lookAt: clock.now() };
    await ledger.studies.release([release]);
    await ledger.studies.answered(STUDY, { version: 1, atMs: clock.now().getTime(), instances: 9 });
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());
    await ledger.studies.release([release]);
    await record(ledger, received(2));

    const facts = await ledger.studies.completionFacts(STUDY);

    expect(facts).not.to.have.any.keys('releasedAtMs', 'answer');
  });

  it('notes what a source answered, counts questions since the last arrival, and looks at once', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1));
    const { version } = await theDue(ledger, new Date(clock.now().getTime() + COMPLETION.quietMs));
    const atMs = clock.now().getTime();
    await ledger.studies.answered(STUDY, { version, atMs, failure: 'partner.timeout' });
    await ledger.studies.answered(STUDY, { version, atMs, instances: 3 });
    const second = await ledger.studies.completionFacts(STUDY);
    const due = await ledger.studies.due(clock.now(), 9);
    await ledger.studies.answered(STUDY, { version: version + 1, atMs, failure: 'partner.timeout' });
    const third = await ledger.studies.completionFacts(STUDY);

    expect(second?.answer).to.deep.equal({ version, atMs, attempts: 2, instances: 3 });
    expect(due).to.have.length(1);
    expect(third?.answer).to.deep.equal({ version: version + 1, atMs, attempts: 1, failure: 'partner.timeout' });
  });

  it('knows a list that is whole only when all that came is on it and all on it has come', async () => {
    const { ledger, clock } = subject();
    const [first, second] = [received(1), received(2)];
    await record(ledger, first, second);
    const known = async () => (await ledger.studies.completionFacts(STUDY))?.commitment;

    const none = await known();
    await request(ledger, clock, '1.1', [first.sopInstanceUid]);
    const partial = await known();
    await request(ledger, clock, '1.2', [second.sopInstanceUid]);
    const together = await known();
    await request(ledger, clock, '1.3', [second.sopInstanceUid, parseSopInstanceUid(`${STUDY}.1.3`)]);
    const short = await known();

    expect(none).to.equal(undefined);
    expect(partial).to.deep.equal({ transactionUid: '1.1', named: 1, held: 1, isWhole: false });
    expect(together).to.deep.equal({ transactionUid: '1.2', named: 2, held: 2, isWhole: true });
    expect(short).to.deep.equal({ transactionUid: '1.3', named: 3, held: 2, isWhole: false });
  });

  it('looks at a study when a commitment of its instances was decided, over a restart', async () => {
    const { ledger, clock, reopen } = subject();
    const mine = received(1);
    await record(
      ledger,
      mine,
      received(1, { studyInstanceUid: OTHER, seriesInstanceUid: parseSeriesInstanceUid('1.9.1') }),
    );
    const commitmentId = await request(ledger, clock, '1.1', [mine.sopInstanceUid]);
    await ledger.commitments.decide(commitmentId, []);

    const again = await reopen();

    expect((await again.studies.due(clock.now(), 9)).map(({ studyInstanceUid }) => studyInstanceUid)).to.deep.equal([
      STUDY,
    ]);
  });

  it('puts the signal and the evidence on the event', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1));
    const { studyInstanceUid, version } = await theDue(ledger, new Date(clock.now().getTime() + COMPLETION.quietMs));
    const evidence = [{ what: 'release', ms: 5_000, id: 'association-1' }] as const;

    await ledger.studies.complete({ studyInstanceUid, version, signal: 'release', evidence }, clock.now());

    const [event] = await ledger.events.read({
      streams: ['hub.ingest.v1'],
      after: 0,
      limit: 9,
      types: ['study.completed'],
    });
    expect(event?.data).to.deep.include({ signal: 'release', evidence });
  });

  it('has every open study judged again when it is told to, and no other', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1));
    const due = await theDue(ledger, new Date(clock.now().getTime() + COMPLETION.quietMs));
    await ledger.studies.postpone(due, undefined, true);

    await ledger.studies.reconsider();

    expect(await ledger.studies.nextDue()).to.deep.equal(clock.now());
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());
    await ledger.studies.reconsider();
    expect(await ledger.studies.nextDue()).to.equal(undefined);
  });
};

async function theDue(ledger: Ledger, now: Date): Promise<DueStudy> {
  const [due] = await ledger.studies.due(now, 1);
  if (due === undefined) throw new Error('nothing is due');
  return due;
}

async function request(
  ledger: Ledger,
  clock: TestClock,
  transactionUid: string,
  sopInstanceUids: readonly string[],
): Promise<string> {
  const { commitmentId } = await ledger.commitments.request(
    {
      commitmentId: `commitment-${transactionUid}`,
      transactionUid,
      source: 'pv-7t',
      callingAeTitle: 'PV7T',
      calledAeTitle: 'HUB',
      associationId: 'association-1',
      items: sopInstanceUids.map((sopInstanceUid) => ({ sopClassUid: '1.2.840.10008.5.1.4.1.1.4', sopInstanceUid })),
    },
    clock.now(),
  );
  return commitmentId;
}
