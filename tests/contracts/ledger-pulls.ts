import { expect } from 'chai';
import { parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { NewEvent } from '../../core/ledger/common.ts';
import type { LedgerSuite } from './ledger-facts.ts';

const ONE = parseStudyInstanceUid('1.2.826.1');
const OTHER = parseStudyInstanceUid('1.2.826.2');
const DAY = { from: '20260301', to: '20260301' };
const PAGE = { limit: 10, pull: 'nightly' };

export const describePulls: LedgerSuite = (subject) => {
  /** A run whose one question found these studies. */
  const found = async (
    runId: string,
    studies: readonly { uid: typeof ONE; instances?: number }[],
    pull = 'nightly',
  ) => {
    const { ledger, clock } = subject();
    await ledger.pulls.request({ runId, pull, kind: 'manual' });
    await ledger.pulls.plan(runId, [DAY]);
    const [question] = await ledger.pulls.questions(pull, clock.now(), 1);
    if (question === undefined) throw new Error('nothing to ask');
    return ledger.pulls.answer(
      question.question,
      studies.map(({ uid, instances }) => ({
        studyInstanceUid: uid,
        ...(instances === undefined ? {} : { instances }),
      })),
    );
  };
  const runs = async () => subject().ledger.pulls.runs(PAGE);

  it('remembers when a schedule fires, and that a pull is paused', async () => {
    const { ledger, clock, reopen } = subject();
    expect(await ledger.pulls.state('nightly')).to.deep.equal({ isPaused: false });
    const nextAt = clock.advance(1000);
    await ledger.pulls.schedule('nightly', '0 2 * * *', nextAt);

    const said = [
      await ledger.pulls.pause('nightly', true),
      await ledger.pulls.pause('nightly', true),
      await ledger.pulls.pause('weekly', false),
    ];

    expect(said).to.deep.equal([true, false, false]);
    const again = await reopen();
    expect(await again.pulls.state('nightly')).to.deep.equal({ isPaused: true, nextAt, schedule: '0 2 * * *' });
    await again.pulls.schedule('nightly', '', undefined);
    expect(await again.pulls.pause('nightly', false)).to.equal(true);
    expect(await again.pulls.state('nightly')).to.deep.equal({ isPaused: false, schedule: '' });
  });

  it('makes one run of a request that comes twice, and none of a schedule whose last run goes on', async () => {
    const { ledger } = subject();
    const run = { runId: 'a', pull: 'nightly', kind: 'scheduled' } as const;

    const outcomes = [
      await ledger.pulls.request(run),
      await ledger.pulls.request({ ...run, kind: 'manual' }),
      await ledger.pulls.request({ ...run, runId: 'b' }),
      await ledger.pulls.request({ ...run, runId: 'c', kind: 'backfill', from: '20200101', to: '20201231' }),
    ];

    expect(outcomes).to.deep.equal(['requested', 'already', 'busy', 'requested']);
    const requested = await ledger.pulls.requested('nightly');
    expect(requested.map(({ runId, kind, from, to }) => [runId, kind, from, to])).to.deep.equal([
      ['a', 'scheduled', undefined, undefined],
      ['c', 'backfill', '20200101', '20201231'],
    ]);
  });

  it('asks what a run was planned to ask, back-fills last, and never plans one twice', async () => {
    const { ledger, clock } = subject();
    await ledger.pulls.request({ runId: 'old', pull: 'nightly', kind: 'backfill', from: '20200101', to: '20200102' });
    await ledger.pulls.request({ runId: 'new', pull: 'nightly', kind: 'manual' });

    const planned = [
      await ledger.pulls.plan('old', [{ from: '20200101', to: '20200101' }, DAY]),
      await ledger.pulls.plan('old', [DAY]),
      await ledger.pulls.plan('new', [{ accessionNumber: 'A-1' }]),
    ];

    expect(planned).to.deep.equal([true, false, true]);
    const questions = await ledger.pulls.questions('nightly', clock.now(), 10);
    expect(questions.map(({ question: _, ...rest }) => rest)).to.deep.equal([
      { runId: 'new', attempts: 0, accessionNumber: 'A-1' },
      { runId: 'old', attempts: 0, from: '20200101', to: '20200101' },
      { runId: 'old', attempts: 0, ...DAY },
    ]);
    expect(await ledger.pulls.requested('nightly')).to.deep.equal([]);
  });

  it('ends a run that has nothing to ask, or cannot know what', async () => {
    const { ledger } = subject();
    await ledger.pulls.request({ runId: 'empty', pull: 'nightly', kind: 'manual' });
    await ledger.pulls.request({ runId: 'lost', pull: 'nightly', kind: 'manual' });

    await ledger.pulls.plan('empty', []);
    const abandoned = [await ledger.pulls.abandon('lost', 'no list'), await ledger.pulls.abandon('lost', 'again')];

    expect(abandoned).to.deep.equal([true, false]);
    expect((await runs()).map(({ runId, state, reason }) => [runId, state, reason])).to.deep.equal([
      ['lost', 'incomplete', 'no list'],
      ['empty', 'done', undefined],
    ]);
  });

  it('takes an answer once, and counts what it found', async () => {
    const { ledger, clock } = subject();
    await ledger.pulls.request({ runId: 'a', pull: 'nightly', kind: 'manual' });
    await ledger.pulls.plan('a', [DAY]);
    const [asked] = await ledger.pulls.questions('nightly', clock.now(), 1);
    const question = asked?.question ?? 0;

    const answers = [
      await ledger.pulls.answer(question, [{ studyInstanceUid: ONE, instances: 3 }, { studyInstanceUid: OTHER }]),
      await ledger.pulls.answer(question, [{ studyInstanceUid: ONE, instances: 3 }]),
    ];

    expect(answers).to.deep.equal([true, false]);
    const [run] = await runs();
    expect(run).to.include({ state: 'active', questions: 1, answered: 1, found: 2, skipped: 0 });
    const studies = await ledger.pulls.studies(PAGE);
    expect(studies.map(({ studyInstanceUid, state, instances }) => [studyInstanceUid, state, instances])).to.deep.equal(
      [
        [OTHER, 'found', undefined],
        [ONE, 'found', 3],
      ],
    );
    expect(await ledger.pulls.nextDue('nightly')).to.deep.equal(clock.now());
    expect(await ledger.pulls.nextDue('weekly')).to.equal(undefined);
  });

  it('asks in parts what was too long to answer, and later what was not answered', async () => {
    const { ledger, clock } = subject();
    await ledger.pulls.request({ runId: 'a', pull: 'nightly', kind: 'manual' });
    await ledger.pulls.plan('a', [{ from: '20260301', to: '20260302' }]);
    const [whole] = await ledger.pulls.questions('nightly', clock.now(), 1);

    await ledger.pulls.split(whole?.question ?? 0, [
      DAY,
      { from: '20260302', to: '20260302', timeFrom: '000000', timeTo: '115959' },
    ]);
    const [first, second] = await ledger.pulls.questions('nightly', clock.now(), 10);
    const retryAt = new Date(clock.now().getTime() + 5000);
    await ledger.pulls.miss(first?.question ?? 0, 'partner.timeout', retryAt);
    await ledger.pulls.miss(second?.question ?? 0, 'partner.refused', undefined);

    expect(second).to.include({ timeFrom: '000000', timeTo: '115959' });
    expect(await ledger.pulls.questions('nightly', clock.now(), 10)).to.deep.equal([]);
    expect(await ledger.pulls.nextDue('nightly')).to.deep.equal(retryAt);
    const [again] = await ledger.pulls.questions('nightly', clock.advance(5000), 10);
    expect(again).to.include({ ...DAY, attempts: 1 });
    await ledger.pulls.answer(again?.question ?? 0, []);
    expect((await runs())[0]).to.include({ state: 'incomplete', questions: 2, answered: 1, unanswered: 1 });
  });

  it('keeps what an answer brought that was not all of it, and ends incomplete with the reason', async () => {
    const { ledger, clock } = subject();
    await ledger.pulls.request({ runId: 'a', pull: 'nightly', kind: 'manual' });
    await ledger.pulls.plan('a', [DAY, { from: '20260302', to: '20260302' }]);
    const [first, second] = await ledger.pulls.questions('nightly', clock.now(), 2);

    const answers = [
      await ledger.pulls.answer(first?.question ?? 0, [{ studyInstanceUid: ONE }], 'one has no name'),
      await ledger.pulls.answer(first?.question ?? 0, [{ studyInstanceUid: ONE }], 'one has no name'),
      await ledger.pulls.answer(second?.question ?? 0, []),
    ];

    expect(answers).to.deep.equal([true, false, true]);
    const [claimed] = await ledger.pulls.claim('nightly', 1, clock.now(), 5);
    const outcome = { held: 3, verified: 3, how: 'fetched' } as const;
    await ledger.pulls.finish('nightly', ONE, claimed?.fence ?? 0, outcome, [pulled(ONE)]);
    expect((await runs())[0]).to.include({
      ...{ state: 'incomplete', questions: 2, answered: 1, unanswered: 1, found: 1, fetched: 1 },
      reason: 'one has no name',
    });
  });

  it('lends a study to one fence, and takes its result from no other', async () => {
    const { ledger, clock } = subject();
    await found('a', [{ uid: ONE, instances: 3 }]);

    const claimed = await ledger.pulls.claim('nightly', 1, clock.now(), 5);

    expect(claimed).to.deep.equal([{ studyInstanceUid: ONE, fence: 1, attempt: 1, instances: 3 }]);
    expect(await ledger.pulls.claim('nightly', 1, clock.now(), 5)).to.deep.equal([]);
    expect(await ledger.pulls.takeOver('nightly', 1)).to.equal(0);
    expect(await ledger.pulls.takeOver('nightly', 2)).to.equal(1);
    expect(await ledger.pulls.isWanted('nightly', ONE, 1)).to.equal(false);
    const [again] = await ledger.pulls.claim('nightly', 2, clock.now(), 5);
    expect(again).to.include({ fence: 2, attempt: 2 });
    const outcome = { held: 3, verified: 3, how: 'fetched' } as const;
    expect(await ledger.pulls.finish('nightly', ONE, 1, outcome, [])).to.equal(false);
    expect(await ledger.pulls.finish('nightly', ONE, 2, outcome, [pulled(ONE)])).to.equal(true);
    expect(await ledger.pulls.finish('nightly', ONE, 2, outcome, [pulled(ONE)])).to.equal(false);
    expect((await runs())[0]).to.include({ state: 'done', fetched: 1, skipped: 0, failed: 0, instances: 3 });
    const events = await ledger.events.read({ streams: ['hub.ingest.v1'], after: 0, limit: 10 });
    expect(events.map(({ type }) => type)).to.deep.equal(['study.pulled']);
  });

  it('tries a study again when it is due, then lists it as failed until it is found again', async () => {
    const { ledger, clock } = subject();
    await found('a', [{ uid: ONE, instances: 3 }]);
    await ledger.pulls.claim('nightly', 1, clock.now(), 1);
    const failure = { code: 'pull.incomplete', reason: '2 of 3', held: 2 };

    await ledger.pulls.fail('nightly', ONE, 1, failure, new Date(clock.now().getTime() + 1000), []);

    expect(await ledger.pulls.claim('nightly', 1, clock.now(), 1)).to.deep.equal([]);
    const [again] = await ledger.pulls.claim('nightly', 1, clock.advance(1000), 1);
    expect(again?.attempt).to.equal(2);
    await ledger.pulls.fail('nightly', ONE, 1, failure, undefined, []);
    const [listed] = await ledger.pulls.studies({ ...PAGE, state: 'failed' });
    expect(listed).to.include({ state: 'failed', attempts: 2, held: 2, code: 'pull.incomplete', reason: '2 of 3' });
    expect((await runs())[0]).to.include({ state: 'incomplete', failed: 1 });
    await found('b', [{ uid: ONE, instances: 3 }]);
    const [fresh] = await ledger.pulls.claim('nightly', 1, clock.now(), 1);
    expect(fresh?.attempt).to.equal(1);
  });

  it('does not count an attempt that was given back', async () => {
    const { ledger, clock } = subject();
    await found('a', [{ uid: ONE }]);
    await ledger.pulls.claim('nightly', 1, clock.now(), 1);

    await ledger.pulls.giveBack('nightly', ONE, 1, clock.now());

    const [again] = await ledger.pulls.claim('nightly', 1, clock.now(), 1);
    expect(again).to.deep.equal({ studyInstanceUid: ONE, fence: 1, attempt: 1 });
  });

  it('finds a study again only where its source has another number of instances, or does not say', async () => {
    const { ledger, clock } = subject();
    await found('a', [{ uid: ONE, instances: 3 }]);
    await ledger.pulls.claim('nightly', 1, clock.now(), 1);
    await ledger.pulls.finish('nightly', ONE, 1, { held: 3, verified: 3, how: 'skipped' }, []);

    await found('same', [{ uid: ONE, instances: 3 }]);
    const afterSame = await ledger.pulls.claim('nightly', 1, clock.now(), 1);
    await found('more', [{ uid: ONE, instances: 4 }]);
    const afterMore = await ledger.pulls.claim('nightly', 1, clock.now(), 1);

    expect(afterSame).to.deep.equal([]);
    expect(afterMore).to.deep.equal([{ studyInstanceUid: ONE, fence: 1, attempt: 1, instances: 4, verified: 3 }]);
    const counts = (await runs()).map(({ runId, state, found: all, skipped }) => [runId, state, all, skipped]);
    expect(counts).to.deep.equal([
      ['more', 'active', 1, 0],
      ['same', 'done', 1, 1],
      ['a', 'done', 1, 1],
    ]);
  });

  it('cancels what waits and what is being fetched, of one pull', async () => {
    const { ledger, clock } = subject();
    await found('a', [{ uid: ONE }, { uid: OTHER }]);
    await found('w', [{ uid: ONE }], 'weekly');
    await ledger.pulls.claim('nightly', 1, clock.now(), 1);
    await ledger.pulls.request({ runId: 'b', pull: 'nightly', kind: 'backfill', from: '20200101', to: '20200101' });
    await ledger.pulls.plan('b', [DAY]);

    const cancelled = await ledger.pulls.cancel('nightly');

    expect(cancelled).to.equal(2);
    expect(await ledger.pulls.cancel('nightly')).to.equal(0);
    expect(await ledger.pulls.isWanted('nightly', ONE, 1)).to.equal(false);
    expect(await ledger.pulls.giveBack('nightly', ONE, 1, clock.now())).to.equal(false);
    expect(await ledger.pulls.nextDue('nightly')).to.equal(undefined);
    expect([...(await ledger.pulls.backlog())].sort((x, y) => (x.pull < y.pull ? -1 : 1))).to.deep.equal([
      { pull: 'nightly', state: 'cancelled', studies: 2 },
      { pull: 'weekly', state: 'found', studies: 1 },
    ]);
  });

  it('lists runs and studies a page at a time', async () => {
    const { ledger } = subject();
    await found('a', [{ uid: ONE }]);
    await found('b', [{ uid: OTHER }]);

    const [latest] = await ledger.pulls.runs({ ...PAGE, limit: 1 });
    const next = await ledger.pulls.runs({ ...PAGE, before: latest?.runId ?? '' });
    const [newest] = await ledger.pulls.studies({ ...PAGE, limit: 1 });
    const older = await ledger.pulls.studies({ ...PAGE, before: newest?.entryId ?? '' });

    expect([latest?.runId, ...next.map(({ runId }) => runId)]).to.deep.equal(['b', 'a']);
    expect([newest, ...older].map((row) => row?.studyInstanceUid)).to.deep.equal([OTHER, ONE]);
  });
};

function pulled(study: typeof ONE): NewEvent {
  return {
    type: 'study.pulled',
    stream: 'hub.ingest.v1',
    key: study,
    data: { studyInstanceUid: study, pull: 'nightly', instances: 3, attempts: 2 },
  };
}
