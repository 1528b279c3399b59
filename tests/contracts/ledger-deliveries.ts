import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import type { Ledger } from '../../core/ledger.ts';
import type { DeliveryAttempt, LeasedDelivery, NewDelivery } from '../../core/ledger/deliveries.ts';
import type { NewRun } from '../../core/ledger/runs.ts';
import {
  completeStudy,
  inbox,
  newRun,
  releasedItem,
  startRun,
  STUDY,
  type TestClock,
  type LedgerSuite,
} from './ledger-facts.ts';

const LEASE_MS = 30_000;

function newDelivery(run: NewRun, changes: Partial<NewDelivery> = {}): NewDelivery {
  return {
    deliveryId: randomUUID(),
    runId: run.runId,
    destination: 'archive',
    partner: 'kct',
    releasedStudyInstanceUid: '2.25.1',
    ...changes,
  };
}

function attempt(number: number, changes: Partial<DeliveryAttempt> = {}): DeliveryAttempt {
  return {
    attempt: number,
    startedAt: '2026-03-01T08:00:00.000Z',
    durationMs: 12.4,
    outcome: 'succeeded',
    ...changes,
  };
}

const FAILED = { outcome: 'failed', code: 'partner.timeout', retry: 'ambiguous', detail: 'no answer' } as const;

/** A processed run with two results, and `count` deliveries of it. */
async function prepare(ledger: Ledger, clock: TestClock, count = 1): Promise<readonly NewDelivery[]> {
  await completeStudy(ledger, clock);
  const run = await startRun(ledger, { steps: [{ processor: 'deidentify', argument: 'kct' }] });
  const [job] = await ledger.runs.claim('worker-1', LEASE_MS, clock.now(), 1);
  if (job === undefined) throw new Error('nothing to claim');
  await ledger.runs.finishStep(job.jobId, job.fence, { items: [releasedItem(1), releasedItem(2)], events: [] });
  const deliveries = Array.from({ length: count }, () => newDelivery(run));
  await ledger.deliveries.open(inbox('dispatcher'), deliveries);
  return deliveries;
}

async function claimOne(ledger: Ledger, clock: TestClock): Promise<LeasedDelivery> {
  const [delivery] = await ledger.deliveries.claim('dispatcher-1', LEASE_MS, clock.now(), { archive: 1 });
  if (delivery === undefined) throw new Error('nothing to claim');
  return delivery;
}

export const describeDeliveries: LedgerSuite = (subject) => {
  it('opens the deliveries of a run once, and not of a run that is not there', async () => {
    const { ledger, clock } = subject();
    const [delivery] = await prepare(ledger, clock);
    if (delivery === undefined) throw new Error('no delivery');
    const seen = inbox('dispatcher');

    const outcomes = [
      await ledger.deliveries.open(seen, [{ ...delivery, deliveryId: randomUUID() }]),
      await ledger.deliveries.open(seen, [{ ...delivery, deliveryId: randomUUID() }]),
    ];
    const unknown = await ledger.deliveries
      .open(inbox('dispatcher'), [newDelivery(newRun())])
      .catch((error: unknown) => error);

    expect(outcomes).to.deep.equal(['recorded', 'already']);
    expect(unknown).to.include({ code: 'resource.not-found' });
    expect(await ledger.deliveries.list({ limit: 10 })).to.have.length(2);
  });

  it('leases what is due, with the results of the run', async () => {
    const { ledger, clock } = subject();
    const [opened] = await prepare(ledger, clock);

    const delivery = await claimOne(ledger, clock);

    expect(delivery).to.deep.include({
      ...opened,
      state: 'pending',
      studyInstanceUid: STUDY,
      revision: 1,
      route: 'rat-brain',
      attempts: 1,
      attempt: 1,
      fence: 1,
      correlationId: 'association-1',
      delivered: [],
      items: [releasedItem(1), releasedItem(2)],
    });
    expect(await ledger.deliveries.nextDue()).to.deep.equal(new Date(clock.now().getTime() + LEASE_MS));
  });

  it('takes back what was not brought to an end, with what did get through, and does not count the attempt', async () => {
    const { ledger, clock } = subject();
    await prepare(ledger, clock);
    const first = await claimOne(ledger, clock);

    const isGivenBack = await ledger.deliveries.giveBack(first.deliveryId, first.fence, ['2.25.1.1.1'], clock.now());
    const second = await claimOne(ledger, clock);

    expect(isGivenBack).to.equal(true);
    expect(second).to.deep.include({ deliveryId: first.deliveryId, attempt: 1, fence: 2, delivered: ['2.25.1.1.1'] });
    expect(await ledger.deliveries.giveBack(first.deliveryId, first.fence, [], clock.now())).to.equal(false);
  });

  it('names the destinations that deliveries wait for', async () => {
    const { ledger, clock } = subject();
    const [opened] = await prepare(ledger, clock, 3);
    if (opened === undefined) throw new Error('no delivery');
    await ledger.deliveries.open(inbox('dispatcher'), [
      { ...opened, deliveryId: randomUUID(), destination: 'was-here' },
    ]);
    const [gone] = await ledger.deliveries.claim('dispatcher-1', LEASE_MS, clock.now(), { 'was-here': 1 });
    if (gone === undefined) throw new Error('nothing to claim');

    const before = await ledger.deliveries.waitingFor();
    await ledger.deliveries.succeed(gone.deliveryId, gone.fence, attempt(1), []);
    const after = await ledger.deliveries.waitingFor();

    expect([...before].sort()).to.deep.equal(['archive', 'was-here']);
    expect(after).to.deep.equal(['archive']);
  });

  it('has no more under way to a destination than it is allowed, and looks at no other', async () => {
    const { ledger, clock } = subject();
    const opened = await prepare(ledger, clock, 5);
    const claim = () => ledger.deliveries.claim('dispatcher-1', LEASE_MS, clock.now(), { archive: 2, pacs: 9 });

    const first = await claim();
    const second = await claim();
    const [done] = first;
    if (done === undefined) throw new Error('nothing to claim');
    await ledger.deliveries.succeed(done.deliveryId, done.fence, attempt(1), []);
    const third = await claim();
    const other = await ledger.deliveries.claim('dispatcher-1', LEASE_MS, clock.now(), { pacs: 9 });

    expect([first.length, second.length, third.length, other.length]).to.deep.equal([2, 0, 1, 0]);
    expect([...first, ...third].map(({ deliveryId }) => deliveryId)).to.deep.equal(
      opened.slice(0, 3).map(({ deliveryId }) => deliveryId),
    );
  });

  it('gives a delivery whose lease has ended to the next, and refuses what the first brings back', async () => {
    const { ledger, clock } = subject();
    await prepare(ledger, clock);
    const lost = await claimOne(ledger, clock);
    clock.advance(LEASE_MS);

    const taken = await claimOne(ledger, clock);

    expect(taken).to.include({ deliveryId: lost.deliveryId, fence: 2, attempt: 2 });
    const stale = [
      await ledger.deliveries.renew(lost.deliveryId, lost.fence, LEASE_MS, clock.now()),
      await ledger.deliveries.succeed(lost.deliveryId, lost.fence, attempt(1), []),
      await ledger.deliveries.fail(lost.deliveryId, lost.fence, attempt(1, FAILED), [], undefined, []),
    ];
    expect(stale).to.deep.equal([false, false, false]);
    expect(await ledger.deliveries.renew(taken.deliveryId, taken.fence, LEASE_MS, clock.now())).to.equal(true);
  });

  it('tries again at the time given, without what got through already', async () => {
    const { ledger, clock } = subject();
    await prepare(ledger, clock);
    const first = await claimOne(ledger, clock);
    const retryAt = new Date(clock.now().getTime() + 45_000);

    await ledger.deliveries.fail(first.deliveryId, first.fence, attempt(1, FAILED), ['2.25.1.1.1'], retryAt, []);

    expect(await ledger.deliveries.get(first.deliveryId)).to.include({
      state: 'pending',
      dueAt: retryAt.toISOString(),
      reason: 'no answer',
    });
    expect(await ledger.deliveries.nextDue()).to.deep.equal(retryAt);
    clock.advance(44_999);
    expect(await ledger.deliveries.claim('dispatcher-1', LEASE_MS, clock.now(), { archive: 1 })).to.deep.equal([]);
    clock.advance(1);
    const second = await claimOne(ledger, clock);
    expect(second.attempt).to.equal(2);
    expect(second.delivered).to.deep.equal(['2.25.1.1.1']);
  });

  it('keeps a dead letter until it is replayed, and goes on where it stood', async () => {
    const { ledger, clock } = subject();
    await prepare(ledger, clock);
    const first = await claimOne(ledger, clock);
    await ledger.deliveries.fail(first.deliveryId, first.fence, attempt(1, FAILED), ['2.25.1.1.1'], undefined, []);

    const dead = await ledger.deliveries.dead();
    const replays = [
      await ledger.deliveries.replay(first.deliveryId),
      await ledger.deliveries.replay(first.deliveryId),
    ];

    expect(dead).to.deep.equal([{ destination: 'archive', deliveries: 1 }]);
    expect(replays).to.deep.equal([true, false]);
    expect(await ledger.deliveries.dead()).to.deep.equal([]);
    const again = await claimOne(ledger, clock);
    expect(again).to.include({ deliveryId: first.deliveryId, attempt: 1, fence: 2 });
    expect(again.delivered).to.deep.equal(['2.25.1.1.1']);
  });

  it('sends everything again when a done delivery is replayed', async () => {
    const { ledger, clock } = subject();
    await prepare(ledger, clock);
    const first = await claimOne(ledger, clock);
    await ledger.deliveries.fail(first.deliveryId, first.fence, attempt(1, FAILED), ['2.25.1.1.1'], clock.now(), []);
    const second = await claimOne(ledger, clock);
    await ledger.deliveries.succeed(second.deliveryId, second.fence, attempt(2), []);

    const replayed = await ledger.deliveries.replay(first.deliveryId);

    expect(replayed).to.equal(true);
    expect((await claimOne(ledger, clock)).delivered).to.deep.equal([]);
  });

  it('keeps the history of the attempts, over a restart', async () => {
    const { ledger, clock, reopen } = subject();
    await prepare(ledger, clock);
    const first = await claimOne(ledger, clock);
    await ledger.deliveries.fail(first.deliveryId, first.fence, attempt(1, FAILED), [], clock.now(), []);
    const second = await claimOne(ledger, clock);
    await ledger.deliveries.succeed(second.deliveryId, second.fence, attempt(2), []);

    const row = await (await reopen()).deliveries.get(first.deliveryId);

    expect(row).to.include({ state: 'succeeded', attempts: 2 });
    expect(row?.history).to.deep.equal([
      { attempt: 1, startedAt: '2026-03-01T08:00:00.000Z', durationMs: 12, ...FAILED },
      { attempt: 2, startedAt: '2026-03-01T08:00:00.000Z', durationMs: 12, outcome: 'succeeded' },
    ]);
  });

  it('lists from the newest back, by state, destination and study', async () => {
    const { ledger, clock } = subject();
    const opened = await prepare(ledger, clock, 3);
    const first = await claimOne(ledger, clock);
    await ledger.deliveries.succeed(first.deliveryId, first.fence, attempt(1), []);

    const page = await ledger.deliveries.list({ limit: 2 });
    const rest = await ledger.deliveries.list({ limit: 2, before: page.at(-1)?.deliveryId ?? '' });
    const counts = await Promise.all([
      ledger.deliveries.list({ limit: 9, state: 'succeeded' }),
      ledger.deliveries.list({ limit: 9, destination: 'archive', state: 'pending' }),
      ledger.deliveries.list({ limit: 9, destination: 'pacs' }),
      ledger.deliveries.list({ limit: 9, study: STUDY }),
      ledger.deliveries.list({ limit: 9, study: '2.25.1' }),
      ledger.deliveries.list({ limit: 9, study: '2.25.2' }),
    ]);

    expect([...page, ...rest].map(({ deliveryId }) => deliveryId)).to.deep.equal(
      opened.map(({ deliveryId }) => deliveryId).toReversed(),
    );
    expect(counts.map(({ length }) => length)).to.deep.equal([1, 2, 0, 3, 3, 0]);
  });
};
