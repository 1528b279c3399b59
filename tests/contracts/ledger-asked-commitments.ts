import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import type { Ledger } from '../../core/ledger.ts';
import type { LeasedDelivery } from '../../core/ledger/deliveries.ts';
import { completeStudy, inbox, releasedItem, startRun, type LedgerSuite, type TestClock } from './ledger-facts.ts';

const LEASE_MS = 30_000;
const HOUR_MS = 3_600_000;
const TRANSACTION = '2.25.900';
const REASON = 'waits for the report';
const RESULT = {
  committed: ['2.25.1.1.1'],
  failed: [{ sopInstanceUid: '2.25.1.1.2', failureReason: 0x0112 }],
};

/** A delivery to `archive`, under way. */
async function underWay(ledger: Ledger, clock: TestClock): Promise<LeasedDelivery> {
  await completeStudy(ledger, clock);
  const run = await startRun(ledger, { steps: [{ processor: 'deidentify', argument: 'kct' }] });
  const [job] = await ledger.runs.claim('worker-1', LEASE_MS, clock.now(), 1);
  if (job === undefined) throw new Error('nothing to claim');
  await ledger.runs.finishStep(job.jobId, job.fence, { items: [releasedItem(1), releasedItem(2)], events: [] });
  await ledger.deliveries.open(inbox('dispatcher'), [
    { deliveryId: randomUUID(), runId: run.runId, destination: 'archive', releasedStudyInstanceUid: '2.25.1' },
  ]);
  const delivery = await claim(ledger, clock);
  if (delivery === undefined) throw new Error('nothing to claim');
  return delivery;
}

async function claim(ledger: Ledger, clock: TestClock): Promise<LeasedDelivery | undefined> {
  return (await ledger.deliveries.claim('dispatcher-1', LEASE_MS, clock.now(), { archive: 1 }))[0];
}

async function ask(ledger: Ledger, { deliveryId }: LeasedDelivery, transactionUid = TRANSACTION): Promise<void> {
  await ledger.askedCommitments.ask({ transactionUid, deliveryId, instances: 2 }, HOUR_MS);
}

async function park(ledger: Ledger, clock: TestClock, { deliveryId, fence }: LeasedDelivery): Promise<boolean> {
  const until = new Date(clock.now().getTime() + HOUR_MS);
  return await ledger.deliveries.park(deliveryId, fence, WAITING, ['2.25.1.1.1', '2.25.1.1.2'], until);
}

const attempt = (outcome: 'succeeded' | 'failed' | 'waiting') =>
  ({ attempt: 1, startedAt: '2026-03-01T08:00:00.000Z', durationMs: 1, outcome }) as const;
const WAITING = { ...attempt('waiting'), detail: REASON, request: 'N-ACTION', answer: 'taken', sizeBytes: 2048 };

export const describeAskedCommitments: LedgerSuite = (subject) => {
  it('keeps what was asked over a restart, the newest first, and asks nothing twice', async () => {
    const under = subject();
    const delivery = await underWay(under.ledger, under.clock);
    await ask(under.ledger, delivery);
    await ask(under.ledger, delivery);
    await ask(under.ledger, delivery, '2.25.901');

    const ledger = await under.reopen();
    const rows = await ledger.askedCommitments.ofDelivery(delivery.deliveryId);

    expect(rows.map(({ transactionUid }) => transactionUid)).to.deep.equal(['2.25.901', TRANSACTION]);
    expect(rows[1]).to.deep.equal({
      transactionUid: TRANSACTION,
      deliveryId: delivery.deliveryId,
      instances: 2,
      state: 'waiting',
      askedAt: under.clock.now().toISOString(),
      waitUntil: new Date(under.clock.now().getTime() + HOUR_MS),
      isInTime: true,
    });
    expect(await ledger.askedCommitments.result(TRANSACTION)).to.equal(undefined);
  });

  it('is asked for deliveries that are there', async () => {
    const { ledger } = subject();

    const error = await ledger.askedCommitments
      .ask({ transactionUid: TRANSACTION, deliveryId: randomUUID(), instances: 1 }, HOUR_MS)
      .catch((thrown: unknown) => thrown);

    expect(error).to.include({ code: 'resource.not-found' });
  });

  it('leaves a delivery that waits alone until it is reported, and then has it looked at once', async () => {
    const { ledger, clock } = subject();
    const first = await underWay(ledger, clock);
    await ask(ledger, first);
    expect(await park(ledger, clock, first)).to.equal(true);
    expect(await claim(ledger, clock)).to.equal(undefined);
    const waits = await ledger.deliveries.get(first.deliveryId);
    expect(waits).to.include({ state: 'pending', attempts: 0, reason: REASON });
    expect(waits?.history).to.deep.equal([WAITING]);

    clock.advance(1_000);
    const outcome = await ledger.askedCommitments.report({
      transactionUid: TRANSACTION,
      destinations: ['archive'],
      ...RESULT,
    });
    const again = await claim(ledger, clock);

    expect(outcome).to.equal('recorded');
    expect(again).to.deep.include({ deliveryId: first.deliveryId, attempt: 1 });
    expect(again?.delivered.toSorted()).to.deep.equal(['2.25.1.1.1', '2.25.1.1.2']);
    expect(await ledger.askedCommitments.result(TRANSACTION)).to.deep.equal(RESULT);
    const [row] = await ledger.askedCommitments.ofDelivery(first.deliveryId);
    expect(row).to.include({ state: 'reported', reportedAt: clock.now().toISOString() });
  });

  it('has a delivery looked at that was reported on before it could wait', async () => {
    const { ledger, clock } = subject();
    const first = await underWay(ledger, clock);
    await ask(ledger, first);

    await ledger.askedCommitments.report({ transactionUid: TRANSACTION, destinations: ['archive'], ...RESULT });
    await park(ledger, clock, first);

    expect(await claim(ledger, clock)).to.include({ deliveryId: first.deliveryId });
  });

  it('is due when the time to wait is over', async () => {
    const { ledger, clock } = subject();
    const first = await underWay(ledger, clock);
    await ask(ledger, first);
    await park(ledger, clock, first);

    clock.advance(HOUR_MS);
    const [row] = await ledger.askedCommitments.ofDelivery(first.deliveryId);

    expect(row).to.include({ state: 'waiting', isInTime: false });
    expect(await claim(ledger, clock)).to.include({ deliveryId: first.deliveryId });
  });

  it('does not take a report from who speaks for another destination, nor of what nobody asked', async () => {
    const { ledger, clock } = subject();
    const first = await underWay(ledger, clock);
    await ask(ledger, first);
    await park(ledger, clock, first);

    const outcomes = [
      await ledger.askedCommitments.report({ transactionUid: TRANSACTION, destinations: ['other'], ...RESULT }),
      await ledger.askedCommitments.report({ transactionUid: '2.25.999', destinations: ['archive'], ...RESULT }),
    ];

    expect(outcomes).to.deep.equal(['unknown', 'unknown']);
    expect(await claim(ledger, clock)).to.equal(undefined);
  });

  it('keeps the first of two reports', async () => {
    const { ledger, clock } = subject();
    await ask(ledger, await underWay(ledger, clock));
    const report = { transactionUid: TRANSACTION, destinations: ['archive'] };

    await ledger.askedCommitments.report({ ...report, ...RESULT });
    const second = await ledger.askedCommitments.report({ ...report, committed: [], failed: [] });

    expect(second).to.equal('repeated');
    expect(await ledger.askedCommitments.result(TRANSACTION)).to.deep.equal(RESULT);
  });

  for (const [how, end] of [
    [
      'succeeded',
      ({ ledger }, { deliveryId, fence }) => ledger.deliveries.succeed(deliveryId, fence, attempt('succeeded'), []),
    ],
    [
      'failed',
      ({ ledger, clock }, { deliveryId, fence }) =>
        ledger.deliveries.fail(deliveryId, fence, attempt('failed'), [], new Date(clock.now().getTime() + HOUR_MS), []),
    ],
    ['was cancelled', ({ ledger }, { deliveryId }) => ledger.deliveries.cancel(deliveryId)],
  ] satisfies readonly (readonly [
    string,
    (under: { ledger: Ledger; clock: TestClock }, delivery: LeasedDelivery) => Promise<boolean>,
  ])[]) {
    it(`keeps a report of a delivery that ${how} for who looks, and wakes nobody`, async () => {
      const { ledger, clock } = subject();
      const delivery = await underWay(ledger, clock);
      await ask(ledger, delivery);
      await end({ ledger, clock }, delivery);

      const outcome = await ledger.askedCommitments.report({
        transactionUid: TRANSACTION,
        destinations: ['archive'],
        ...RESULT,
      });

      expect(outcome).to.equal('late');
      expect(await claim(ledger, clock)).to.equal(undefined);
      const [row] = await ledger.askedCommitments.ofDelivery(delivery.deliveryId);
      expect(row).to.include({ state: 'over' });
    });
  }

  it('lets only who has the lease wait', async () => {
    const { ledger, clock } = subject();
    const first = await underWay(ledger, clock);
    await ledger.deliveries.giveBack(first.deliveryId, first.fence, [], clock.now());

    expect(await park(ledger, clock, first)).to.equal(false);
  });
};
