import { expect } from 'chai';
import type { Ledger } from '../../core/ledger.ts';
import type { LeasedJob } from '../../core/ledger/runs.ts';
import {
  completeStudy,
  eventTypes,
  heldRun,
  inbox,
  newRun,
  processed,
  received,
  record,
  releasedItem,
  routed,
  startRun,
  STUDY,
  type TestClock,
  type LedgerSuite,
} from './ledger-facts.ts';

const LEASE_MS = 30_000;

async function claimOne(ledger: Ledger, clock: TestClock, owner = 'worker-1'): Promise<LeasedJob> {
  const [job] = await ledger.runs.claim(owner, LEASE_MS, clock.now(), 1);
  if (job === undefined) throw new Error('nothing to claim');
  return job;
}

export const describeRuns: LedgerSuite = (subject) => {
  it('records a decision once, however often the event comes', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = newRun();
    const seen = inbox('router');

    const first = await ledger.runs.open(seen, STUDY, [run], [routed(run)]);
    const second = await ledger.runs.open(seen, STUDY, [newRun()], [routed(run)]);

    expect([first, second]).to.deep.equal(['recorded', 'already']);
    expect(
      (await ledger.runs.ofStudy(STUDY)).map(({ runId, state, itemCount }) => ({ runId, state, itemCount })),
    ).to.deep.equal([{ runId: run.runId, state: 'waiting', itemCount: 2 }]);
    expect(await ledger.studies.get(STUDY)).to.include({ state: 'routed' });
  });

  it('gives a run back as it was opened', async () => {
    const { ledger, clock, reopen } = subject();
    await completeStudy(ledger, clock);
    const run = newRun({ series: [received(1).seriesInstanceUid], explanation: [{ rule: 'Modality', held: true }] });
    await ledger.runs.open(inbox('router'), STUDY, [run], [routed(run)]);

    const row = await (await reopen()).runs.get(run.runId);

    expect(row).to.deep.include({
      runId: run.runId,
      studyInstanceUid: STUDY,
      revision: 1,
      route: 'rat-brain',
      configVersion: 'v1',
      explanation: [{ rule: 'Modality', held: true }],
      series: [received(1).seriesInstanceUid],
      destinations: ['kct-archive'],
      state: 'waiting',
      correlationId: 'association-1',
      nextStep: 0,
    });
    expect(row?.steps.map(({ processor }) => processor)).to.deep.equal(['deidentify', 'qc']);
    expect(row?.items).to.have.length(2);
  });

  it('remembers that no route wanted a study, unless more of it has come meanwhile', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);

    await ledger.runs.open(inbox('router'), STUDY, [], []);
    const unrouted = await ledger.studies.get(STUDY);
    await record(ledger, received(3));
    await ledger.runs.open(inbox('router'), STUDY, [], []);

    expect(unrouted).to.include({ state: 'unrouted' });
    expect(await ledger.studies.get(STUDY)).to.include({ state: 'receiving' });
  });

  it('takes a run through its steps, each with the working set of the one before', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = await startRun(ledger);

    const first = await claimOne(ledger, clock);
    await ledger.runs.finishStep(first.jobId, first.fence, { items: [releasedItem(1)], events: [] });
    const second = await claimOne(ledger, clock);
    const finished = await ledger.runs.finishStep(second.jobId, second.fence, {
      items: [releasedItem(1), releasedItem(2)],
      events: [processed(run)],
    });

    expect(first).to.include({ step: 0, attempt: 1, fence: 1 });
    expect(first.run.items).to.have.length(2);
    expect(second).to.include({ step: 1 });
    expect(second.run.items).to.deep.equal([releasedItem(1)]);
    expect(finished).to.equal(true);
    const row = await ledger.runs.get(run.runId);
    expect(row).to.include({ state: 'processed', nextStep: 2 });
    expect(row?.items).to.have.length(2);
    const [listed] = await ledger.runs.ofStudy(STUDY);
    expect(listed).to.include({ runId: run.runId, itemCount: 2 }).and.not.to.have.property('items');
    expect((await eventTypes(ledger)).at(-1)).to.equal('study.processed');
    expect(await ledger.runs.claim('worker-1', LEASE_MS, clock.now(), 10)).to.deep.equal([]);
  });

  it('has a run without steps processed at once, with its event', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = newRun({ steps: [] });
    await ledger.runs.open(inbox('router'), STUDY, [run], [routed(run)]);
    const seen = inbox('runner');

    const outcomes = [
      await ledger.runs.start(seen, run.runId, [processed(run)]),
      await ledger.runs.start(seen, run.runId, [processed(run)]),
    ];

    expect(outcomes).to.deep.equal(['recorded', 'already']);
    expect(await ledger.runs.get(run.runId)).to.include({ state: 'processed' });
    expect((await eventTypes(ledger)).filter((type) => type === 'study.processed')).to.have.length(1);
  });

  it('starts a run once, even by two events', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = await startRun(ledger);

    await ledger.runs.start(inbox('runner'), run.runId);

    expect(await ledger.runs.claim('worker-1', LEASE_MS, clock.now(), 10)).to.have.length(1);
    const unknown = await ledger.runs.start(inbox('runner'), newRun().runId).catch((error: unknown) => error);
    expect(unknown).to.include({ code: 'resource.not-found' });
  });

  it('never gives one job to two who ask at the same time', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    for (let count = 0; count < 20; count += 1) await startRun(ledger);

    const claims = await Promise.all(
      Array.from({ length: 10 }, (_, owner) => ledger.runs.claim(`worker-${owner}`, LEASE_MS, clock.now(), 3)),
    );

    const jobIds = claims.flat().map(({ jobId }) => jobId);
    expect(jobIds).to.have.length(20);
    expect(new Set(jobIds).size).to.equal(20);
  });

  it('gives a job whose lease has ended to the next, and refuses what the first brings back', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = await startRun(ledger);
    const lost = await claimOne(ledger, clock);
    clock.advance(LEASE_MS);

    const taken = await claimOne(ledger, clock, 'worker-2');

    expect(taken).to.include({ jobId: lost.jobId, attempt: 2, fence: 2 });
    const stale = [
      await ledger.runs.renew(lost.jobId, lost.fence, LEASE_MS, clock.now()),
      await ledger.runs.finishStep(lost.jobId, lost.fence, { items: [], events: [processed(run)] }),
      await ledger.runs.retryStep(lost.jobId, lost.fence, clock.now(), 'late'),
      await ledger.runs.quarantine(lost.jobId, lost.fence, heldRun(run)),
    ];
    expect(stale).to.deep.equal([false, false, false, false]);
    expect(await eventTypes(ledger)).not.to.include('study.processed');
    expect(await ledger.quarantine.list({ limit: 1 })).to.deep.equal([]);
    expect(await ledger.runs.finishStep(taken.jobId, taken.fence, { items: [], events: [] })).to.equal(true);
  });

  it('keeps a job with the one who renews its lease', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    await startRun(ledger);
    const job = await claimOne(ledger, clock);
    clock.advance(LEASE_MS / 2);

    const renewed = await ledger.runs.renew(job.jobId, job.fence, LEASE_MS, clock.now());
    clock.advance(LEASE_MS - 1);

    expect(renewed).to.equal(true);
    expect(await ledger.runs.claim('worker-2', LEASE_MS, clock.now(), 1)).to.deep.equal([]);
  });

  it('tries a step again when its time has come', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = await startRun(ledger);
    const job = await claimOne(ledger, clock);

    await ledger.runs.retryStep(job.jobId, job.fence, new Date(clock.now().getTime() + 5000), 'processor.failed');

    expect(await ledger.runs.get(run.runId)).to.include({ state: 'waiting' });
    expect(await ledger.runs.claim('worker-1', LEASE_MS, clock.advance(4999), 1)).to.deep.equal([]);
    clock.advance(1);
    expect(await claimOne(ledger, clock)).to.include({ jobId: job.jobId, attempt: 2, step: 0 });
  });

  it('tells failures from starts: what was given back counts as neither, a lease that ran out as lost', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = await startRun(ledger);
    const first = await claimOne(ledger, clock);

    const isGivenBack = await ledger.runs.giveBack(first.jobId, first.fence, clock.now());
    const waiting = await ledger.runs.get(run.runId);
    const second = await claimOne(ledger, clock);
    await ledger.runs.retryStep(second.jobId, second.fence, clock.now(), 'processor.failed');
    const third = await claimOne(ledger, clock);
    clock.advance(LEASE_MS);
    const fourth = await claimOne(ledger, clock);

    expect(isGivenBack).to.equal(true);
    expect(waiting).to.include({ state: 'waiting' });
    const counted = [first, second, third, fourth].map(({ attempt, fence, failures, losses }) => ({
      attempt,
      fence,
      failures,
      losses,
    }));
    expect(counted).to.deep.equal([
      { attempt: 1, fence: 1, failures: 0, losses: 0 },
      { attempt: 2, fence: 2, failures: 0, losses: 0 },
      { attempt: 3, fence: 3, failures: 1, losses: 0 },
      { attempt: 4, fence: 4, failures: 1, losses: 1 },
    ]);
    expect(await ledger.runs.giveBack(third.jobId, third.fence, clock.now())).to.equal(false);
    expect(await ledger.runs.giveBack(first.jobId, first.fence, clock.now())).to.equal(false);
  });

  it('knows the attempts whose result was not taken, and says nothing of those it never heard of', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const { runId } = await startRun(ledger);
    await claimOne(ledger, clock);
    clock.advance(LEASE_MS);
    const second = await claimOne(ledger, clock);
    await ledger.runs.finishStep(second.jobId, second.fence, { items: [], events: [] });
    await claimOne(ledger, clock);
    const attempts = [
      { runId, step: 0, fence: 1 },
      { runId, step: 0, fence: 2 },
      { runId, step: 0, fence: 3 },
      { runId, step: 1, fence: 1 },
      { runId, step: 1, fence: 2 },
      { runId: newRun().runId, step: 0, fence: 1 },
    ];

    const resultless = await ledger.runs.resultless(attempts);

    // The first lost its lease, the last one's process is gone; a fence that was never given out is not judged.
    expect(resultless).to.deep.equal([attempts[0], attempts[3]]);
  });

  it('ends a run in quarantine, with the fact', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = await startRun(ledger);
    const job = await claimOne(ledger, clock);

    const done = await ledger.runs.quarantine(job.jobId, job.fence, heldRun(run));

    expect(done).to.equal(true);
    expect(await ledger.runs.get(run.runId)).to.include({ state: 'quarantined' });
    expect((await eventTypes(ledger)).at(-1)).to.equal('study.quarantined');
    expect(await ledger.runs.claim('worker-1', LEASE_MS, clock.advance(LEASE_MS), 1)).to.deep.equal([]);
  });

  it('replays a run from its first step, as a new run that says what it repeats', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = await startRun(ledger);
    const job = await claimOne(ledger, clock);
    await ledger.runs.finishStep(job.jobId, job.fence, { items: [releasedItem(1)], events: [] });

    const replayId = await ledger.runs.replay(run.runId);

    const replayed = await ledger.runs.get(replayId);
    expect(replayed).to.include({ state: 'waiting', route: run.route, revision: 1, nextStep: 0 });
    expect(replayed?.items.map(({ derivedBy }) => derivedBy)).to.deep.equal([undefined, undefined]);
    const events = await ledger.events.read({ streams: ['hub.work.v1'], after: 0, limit: 10 });
    const [original, repeat] = events.filter(({ type }) => type === 'study.routed');
    expect(repeat).to.include({ replayOf: original?.id, correlationId: 'association-1' });
    expect(repeat?.data).to.deep.include({ runId: replayId, instances: 2, processors: ['deidentify', 'qc'] });
    const unknown = await ledger.runs.replay(newRun().runId).catch((error: unknown) => error);
    expect(unknown).to.include({ code: 'resource.not-found' });
  });

  it('counts the jobs that wait and run, by processor', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    await startRun(ledger);
    await startRun(ledger);
    const job = await claimOne(ledger, clock);

    const before = await ledger.runs.backlog();
    await ledger.runs.finishStep(job.jobId, job.fence, { items: [], events: [] });
    const after = await ledger.runs.backlog();

    expect(before).to.have.deep.members([
      { state: 'running', processor: 'deidentify', jobs: 1 },
      { state: 'waiting', processor: 'deidentify', jobs: 1 },
    ]);
    expect(after).to.have.deep.members([
      { state: 'waiting', processor: 'deidentify', jobs: 1 },
      { state: 'waiting', processor: 'qc', jobs: 1 },
    ]);
  });
};
