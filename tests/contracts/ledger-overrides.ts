import { expect } from 'chai';
import type { Ledger } from '../../core/ledger.ts';
import type { KeptResult, Override } from '../../core/ledger/overrides.ts';
import type { NewRun } from '../../core/ledger/runs.ts';
import {
  completeStudy,
  eventTypes,
  heldRun,
  type LedgerSuite,
  processed,
  releasedItem,
  startRun,
  STUDY,
  type TestClock,
} from './ledger-facts.ts';

const DECISION: Override = {
  reason: 'cannot-be-repeated',
  by: 'token-1',
  role: 'operator',
  note: 'the last of its litter',
};

const measured = (run: NewRun): KeptResult => ({
  items: [releasedItem(1), releasedItem(2)],
  events: [
    {
      type: 'qc.completed',
      stream: 'hub.result.v1',
      key: run.studyInstanceUid,
      data: {
        ...{ studyInstanceUid: run.studyInstanceUid, revision: run.revision, runId: run.runId, route: run.route },
        ...{ releasedStudyInstanceUid: '2.25.1', verdict: 'fail', series: [], reportRef: releasedItem(2).blob },
      },
    },
  ],
  quality: [
    {
      ...{ scanKey: 'a1', protocolKey: 'b1', scannerKey: 'c1', seriesInstanceUid: '2.25.8', kind: 'anatomical' },
      ...{ verdict: 'fail', accepted: false, measures: { efc: 0.5 }, parameters: {} },
    },
  ],
});

async function held(
  ledger: Ledger,
  clock: TestClock,
  steps = ['qc'],
  kept: (run: NewRun) => KeptResult | Promise<KeptResult> = measured,
) {
  await completeStudy(ledger, clock);
  const run = await startRun(ledger, { steps: steps.map((processor) => ({ processor, argument: undefined })) });
  const [job] = await ledger.runs.claim('worker-1', 1000, clock.now(), 1);
  if (job === undefined) throw new Error('nothing to claim');
  const { quarantineId, ...entry } = heldRun(run, { reason: 'quality.failed' });
  await ledger.runs.quarantine(job.jobId, job.fence, { quarantineId, ...entry }, await kept(run));
  return { run, quarantineId, attempt: { runId: run.runId, step: 0, fence: job.fence } };
}

export const describeOverrides: LedgerSuite = (subject) => {
  it('keeps what a held step made, and measured, until somebody decides', async () => {
    const { ledger, clock, reopen } = subject();
    const { run, quarantineId, attempt } = await held(ledger, clock);

    const again = await reopen();

    expect(await again.overrides.kept(run.runId)).to.deep.equal([releasedItem(1), releasedItem(2)]);
    expect(await again.quarantine.get(quarantineId)).to.include({ state: 'held', isOverridable: true });
    expect(await again.runs.resultless([attempt])).to.deep.equal([]);
    expect((await again.quality.list({ limit: 9 })).map(({ verdict }) => verdict)).to.deep.equal(['fail']);
    expect((await eventTypes(again)).at(-1)).to.equal('study.quarantined');
  });

  it('lets a run go on all the same, once, and says who did and why', async () => {
    const { ledger, clock, reopen } = subject();
    const { run, quarantineId, attempt } = await held(ledger, clock, ['qc', 'segment']);

    const outcomes = [
      await ledger.overrides.override(quarantineId, DECISION),
      await ledger.overrides.override(quarantineId, { ...DECISION, reason: 'test', by: 'token-2' }),
    ];

    const again = await reopen();
    expect(outcomes).to.deep.equal(['overridden', 'already']);
    expect(await again.quarantine.get(quarantineId)).to.deep.include({
      state: 'released',
      override: { ...DECISION, at: clock.now().toISOString() },
    });
    expect(await again.quarantine.get(quarantineId)).not.to.have.property('isOverridable');
    expect((await eventTypes(again)).slice(-3)).to.deep.equal([
      'study.quarantined',
      'study.overridden',
      'qc.completed',
    ]);
    const events = await again.events.read({ streams: ['hub.work.v1', 'hub.result.v1'], after: 0, limit: 99 });
    const [overridden, judged] = events.slice(-2);
    expect(overridden?.data).to.deep.include({
      ...{ quarantineId, runId: run.runId, processor: 'qc', heldFor: 'quality.failed' },
      ...{ because: 'cannot-be-repeated', by: 'token-1', role: 'operator' },
    });
    expect(judged?.data).to.deep.include({ override: { reason: 'cannot-be-repeated', by: 'token-1' } });
    expect(JSON.stringify(events)).not.to.include('litter');
    const [next] = await again.runs.claim('worker-2', 1000, clock.now(), 9);
    expect(next).to.deep.include({ step: 1 });
    expect(next?.run.items).to.deep.equal([releasedItem(1), releasedItem(2)]);
    expect(await again.runs.resultless([attempt])).to.deep.equal([]);
    expect(await again.quality.list({ limit: 9 })).to.have.length(1);
  });

  it('ends a run behind its last step, so that it is delivered', async () => {
    const { ledger, clock } = subject();
    const { run, quarantineId } = await held(ledger, clock, ['qc'], (each) => ({
      items: [releasedItem(1)],
      events: [processed(each)],
    }));

    await ledger.overrides.override(quarantineId, DECISION);

    expect(await ledger.runs.get(run.runId)).to.deep.include({ state: 'processed', items: [releasedItem(1)] });
    expect((await eventTypes(ledger)).at(-1)).to.equal('study.processed');
    expect(await ledger.overrides.kept(run.runId)).to.deep.equal([]);
  });

  it('does not let go what nothing was kept of, nor what is not held any more', async () => {
    const { ledger, clock } = subject();
    const { run, quarantineId, attempt } = await held(ledger, clock);
    const other = heldRun(run);
    await ledger.quarantine.hold(other);

    const unsafe = await ledger.overrides.override(other.quarantineId, DECISION);
    await ledger.quarantine.release(quarantineId);
    const replayed = await ledger.overrides.override(quarantineId, DECISION);

    expect([unsafe, replayed]).to.deep.equal(['nothing-kept', 'not-held']);
    expect(await ledger.quarantine.get(other.quarantineId)).to.include({ state: 'held' });
    // It is made anew: what the first attempt left may go.
    expect(await ledger.runs.resultless([attempt])).to.deep.equal([attempt]);
    expect((await eventTypes(ledger)).includes('study.overridden')).to.equal(false);
  });

  it('knows where the bytes of a held run are when they were moved', async () => {
    const { ledger, clock } = subject();
    const { run } = await held(ledger, clock, ['qc'], async () => ({
      items: await ledger.instances.ofStudy(STUDY),
      events: [],
    }));
    const [first, second] = await ledger.overrides.kept(run.runId);
    const to = releasedItem(9).blob;

    const isMoved = await ledger.retention.move([{ from: first?.blob ?? to, to }]);

    expect(isMoved).to.equal(true);
    expect((await ledger.overrides.kept(run.runId)).map(({ blob }) => blob)).to.deep.equal([to, second?.blob]);
  });
};
