import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import type { Ledger } from '../../core/ledger.ts';
import type { DeliveryAttempt, LeasedDelivery, NewDelivery } from '../../core/ledger/deliveries.ts';
import type { NewRun } from '../../core/ledger/runs.ts';
import type { BreakerRule, ClaimOptions } from '../../core/ledger/deliveries.ts';
import {
  completeStudy,
  inbox,
  type LedgerSuite,
  received,
  record,
  releasedItem,
  startRun,
  STUDY,
  type TestClock,
} from './ledger-facts.ts';

const LEASE_MS = 30_000;
const RULE: BreakerRule = { failures: 3, pauseMs: 1_000, maxPauseMs: 3_000 };
const FAILED: DeliveryAttempt = {
  ...{ attempt: 1, startedAt: '2026-03-01T08:00:00.000Z', durationMs: 12, outcome: 'failed' },
  ...{ code: 'partner.unreachable', retry: 'transient', detail: 'no connection' },
};
const SUCCEEDED: DeliveryAttempt = {
  ...{ attempt: 1, startedAt: '2026-03-01T08:00:00.000Z', durationMs: 12, outcome: 'succeeded' },
  ...{ request: 'POST https://pacs.example.org, 500 bytes', answer: '200, 0 bytes', sizeBytes: 500 },
};

/** A run of a revision whose results are there, and its deliveries. */
async function processedRun(ledger: Ledger, clock: TestClock, changes: Partial<NewRun> = {}): Promise<NewRun> {
  const run = await startRun(ledger, { steps: [{ processor: 'deidentify', argument: 'kct' }], ...changes });
  const [job] = await ledger.runs.claim('worker-1', LEASE_MS, clock.now(), 1);
  if (job === undefined) throw new Error('nothing to claim');
  await ledger.runs.finishStep(job.jobId, job.fence, { items: [releasedItem(1), releasedItem(2)], events: [] });
  return run;
}

async function open(
  ledger: Ledger,
  run: NewRun,
  ...wanted: readonly Partial<NewDelivery>[]
): Promise<readonly string[]> {
  const deliveries = wanted.map((changes) => ({
    ...{ deliveryId: randomUUID(), runId: run.runId, destination: 'archive', partner: 'kct' },
    releasedStudyInstanceUid: '2.25.1',
    ...changes,
  }));
  await ledger.deliveries.open(inbox('dispatcher'), deliveries);
  return deliveries.map(({ deliveryId }) => deliveryId);
}

const idsOf = (leased: readonly LeasedDelivery[]): readonly string[] => leased.map(({ deliveryId }) => deliveryId);

export const describeDeliveryTurns: LedgerSuite = (subject) => {
  const claim = async (limits: Readonly<Record<string, number>>, options: ClaimOptions = {}) => {
    const { ledger, clock } = subject();
    return await ledger.deliveries.claim('dispatcher-1', LEASE_MS, clock.now(), limits, options);
  };
  const fail = async (
    leased: LeasedDelivery | undefined,
    notes: Parameters<Ledger['deliveries']['fail']>[6] = { breaker: RULE },
    delayMs = 1,
  ) => {
    const { ledger, clock } = subject();
    if (leased === undefined) throw new Error('nothing to fail');
    const retryAt = new Date(clock.now().getTime() + delayMs);
    await ledger.deliveries.fail(leased.deliveryId, leased.fence, FAILED, [], retryAt, [], notes);
  };
  /** `count` deliveries that failed in a row, so that the breaker of `archive` is open. */
  const openBreaker = async (count = 3): Promise<readonly string[]> => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const ids = await open(ledger, await processedRun(ledger, clock), ...Array.from({ length: count }, () => ({})));
    for (const each of await claim({ archive: count })) await fail(each);
    clock.advance(10);
    return ids;
  };

  it('lets what is urgent go first, then by time', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = await processedRun(ledger, clock);
    const [low, normal, high] = await open(ledger, run, { priority: 'low' }, {}, { priority: 'high' });
    clock.advance(1);
    const [later] = await open(ledger, run, { priority: 'high' });

    const claimed = [...(await claim({ archive: 2 })), ...(await claim({ archive: 4 }))];

    expect(idsOf(claimed)).to.deep.equal([high, later, normal, low]);
    expect(claimed.map(({ priority }) => priority)).to.deep.equal(['high', 'high', 'normal', 'low']);
  });

  it('gives each destination one before any gets a second, where there is not room for all', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = await processedRun(ledger, clock);
    const many = Array.from({ length: 8 }, () => ({ destination: 'busy' }));
    await open(ledger, run, ...many, { destination: 'quiet' }, { destination: 'other' });

    const claimed = await claim({ busy: 8, other: 8, quiet: 8 }, { atMost: 4 });

    expect(claimed.map(({ destination }) => destination).toSorted()).to.deep.equal(['busy', 'busy', 'other', 'quiet']);
  });

  it('keeps revisions of a study in their order where that is asked, and no other study waiting', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const [first] = await open(ledger, await processedRun(ledger, clock), { destination: 'ordered' });
    await record(ledger, received(3));
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());
    const [second, elsewhere] = await open(
      ledger,
      await processedRun(ledger, clock, { revision: 2 }),
      { destination: 'ordered' },
      { destination: 'free' },
    );
    const both = { ordered: 9, free: 9 };

    const before = await claim(both, { ordered: ['ordered'] });
    const during = await claim(both, { ordered: ['ordered'] });
    await fail(
      before.find(({ deliveryId }) => deliveryId === first),
      { breaker: RULE },
      60_000,
    );
    const failed = await claim(both, { ordered: ['ordered'] });
    clock.advance(60_000);
    const [again] = await claim({ ordered: 9 }, { ordered: ['ordered'] });
    await ledger.deliveries.succeed(again?.deliveryId ?? '', again?.fence ?? 0, SUCCEEDED, []);
    const after = await claim({ ordered: 9 }, { ordered: ['ordered'] });

    expect(idsOf(before)).to.have.members([first, elsewhere]);
    expect([during, failed, again === undefined ? [] : [again], after].map(idsOf)).to.deep.equal([
      [],
      [],
      [first],
      [second],
    ]);
  });

  it('leaves a destination alone after failures in a row, then lets one delivery see, and opens again when it succeeds', async () => {
    const { ledger, clock } = subject();
    await openBreaker();

    const [open] = await ledger.deliveries.breakers(clock.now());
    const paused = await claim({ archive: 9 });
    expect(await ledger.deliveries.nextDue(clock.now())).to.deep.equal(new Date(clock.now().getTime() + 990));
    clock.advance(990);
    const probes = await claim({ archive: 9 });
    const others = await claim({ archive: 9 });
    await fail(probes[0], { breaker: RULE, isCounted: false });
    const [still] = await ledger.deliveries.breakers(clock.now());
    clock.advance(2_000);
    const [probe] = await claim({ archive: 9 });
    await ledger.deliveries.succeed(probe?.deliveryId ?? '', probe?.fence ?? 0, SUCCEEDED, []);
    const rest = await claim({ archive: 9 });

    expect(open).to.include({ destination: 'archive', state: 'open', failures: 3, reason: 'partner.unreachable' });
    expect([paused.length, probes.length, others.length]).to.deep.equal([0, 1, 0]);
    expect(probes[0]?.breakerOpenedAt).to.equal(open?.openedAt);
    // Twice as long as before, from the failure on.
    expect(Date.parse(still?.until ?? '') - clock.now().getTime()).to.equal(0);
    expect(still?.openedAt).to.equal(open?.openedAt);
    expect(rest).to.have.length(2);
    expect(rest[0]?.breakerOpenedAt).to.equal(undefined);
    expect(await ledger.deliveries.breakers(clock.now())).to.deep.equal([]);
  });

  it('does not count an attempt that only was to see whether the destination is back', async () => {
    const { ledger, clock } = subject();
    await openBreaker();
    clock.advance(990);
    const [probe] = await claim({ archive: 9 });

    await fail(probe, { breaker: RULE, isCounted: false });

    const row = await ledger.deliveries.get(probe?.deliveryId ?? '');
    expect([probe?.attempt, row?.attempts, row?.history.length]).to.deep.equal([2, 1, 2]);
  });

  it("takes one delivery that fails again and again for its own trouble, not for the destination's", async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    await open(ledger, await processedRun(ledger, clock), {});

    for (let time = 0; time < 5; time += 1) {
      const [leased] = await claim({ archive: 9 });
      await fail(leased);
      clock.advance(1);
    }

    expect(await ledger.deliveries.breakers(clock.now())).to.deep.include.members([
      { destination: 'archive', state: 'closed', failures: 5, reason: 'partner.unreachable' },
    ]);
    expect(await claim({ archive: 9 })).to.have.length(1);
  });

  it('takes a refusal for an answer', async () => {
    const { clock } = subject();
    await openBreaker();
    clock.advance(990);
    const [probe] = await claim({ archive: 9 });

    await fail(probe, { breaker: 'answered' }, 60_000);

    expect(await claim({ archive: 9 })).to.have.length(2);
  });

  it('tries what waits at once when somebody asks for it, whatever its destination did', async () => {
    const { ledger, clock } = subject();
    const [first] = await openBreaker();

    const asked = [await ledger.deliveries.retry(first ?? ''), await ledger.deliveries.retry(randomUUID())];

    expect(asked).to.deep.equal([true, false]);
    expect(await claim({ archive: 9 })).to.have.length(1);
    expect(await ledger.deliveries.nextDue()).not.to.equal(undefined);
    expect((await ledger.deliveries.breakers(clock.now()))[0]?.state).to.equal('half-open');
  });

  it('gives up what waits or is under way, and refuses the end of what was under way', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const ids = await open(ledger, await processedRun(ledger, clock), {}, {});
    const [leased] = await claim({ archive: 1 });

    const cancelled = await Promise.all(ids.map((id) => ledger.deliveries.cancel(id)));

    expect(cancelled).to.deep.equal([true, true]);
    expect(await ledger.deliveries.succeed(leased?.deliveryId ?? '', leased?.fence ?? 0, SUCCEEDED, [])).to.equal(
      false,
    );
    expect(await claim({ archive: 9 })).to.deep.equal([]);
    expect(await ledger.deliveries.cancel(ids[0] ?? '')).to.equal(false);
  });

  it('sends again what the destination was found not to have, though it had confirmed it', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    await open(ledger, await processedRun(ledger, clock), {});
    const [first] = await claim({ archive: 1 });
    if (first === undefined) throw new Error('nothing to claim');
    const [kept, lost] = ['2.25.1.1.1', '2.25.1.1.2'];

    await ledger.deliveries.fail(first.deliveryId, first.fence, FAILED, [kept], clock.now(), [], { missing: [lost] });
    const [second] = await claim({ archive: 1 });
    await ledger.deliveries.giveBack(first.deliveryId, second?.fence ?? 0, [kept, lost], clock.now());
    const [third] = await claim({ archive: 1 });

    expect(second?.delivered).to.deep.equal([kept]);
    expect([...(third?.delivered ?? [])].toSorted()).to.deep.equal([kept, lost]);
  });

  it('keeps what an attempt asked, was answered and read', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    await open(ledger, await processedRun(ledger, clock), {});
    const [leased] = await claim({ archive: 1 });
    if (leased === undefined) throw new Error('nothing to claim');

    await ledger.deliveries.succeed(leased.deliveryId, leased.fence, SUCCEEDED, []);

    expect((await ledger.deliveries.get(leased.deliveryId))?.history).to.deep.equal([SUCCEEDED]);
  });

  it('counts and changes what matches, newest first and a page at a time', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = await processedRun(ledger, clock);
    const ids = await open(ledger, run, {}, {}, {}, { destination: 'pacs' });
    for (const { deliveryId, fence } of await claim({ archive: 9, pacs: 9 })) {
      await ledger.deliveries.fail(deliveryId, fence, FAILED, [], undefined, []);
    }
    const filter = { state: 'dead', destination: 'archive', reason: 'partner.unreachable', route: run.route } as const;

    const counts = [
      await ledger.deliveries.count(filter, 10),
      await ledger.deliveries.count(filter, 2),
      await ledger.deliveries.count({ ...filter, reason: 'partner.refused' }, 10),
      await ledger.deliveries.count({ ...filter, since: clock.advance(1) }, 10),
      await ledger.deliveries.count({ partner: 'kct' }, 10),
    ];
    const first = await ledger.deliveries.actOnMany('replay', filter, { limit: 2 });
    const second = await ledger.deliveries.actOnMany('replay', filter, { limit: 2, before: first.cursor ?? '' });

    expect(counts).to.deep.equal([3, 2, 0, 0, 4]);
    expect([first, second]).to.deep.equal([
      { done: [ids[2], ids[1]], skipped: 0, cursor: ids[1] },
      { done: [ids[0]], skipped: 0 },
    ]);
    expect(await ledger.deliveries.dead()).to.deep.equal([{ destination: 'pacs', deliveries: 1 }]);
    expect(await ledger.deliveries.pending()).to.deep.equal([{ destination: 'archive', deliveries: 3 }]);
  });

  it('sends what a run made to any destination, once at a time', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = await processedRun(ledger, clock);
    const wanted: NewDelivery = {
      ...{ deliveryId: randomUUID(), runId: run.runId, destination: 'elsewhere', releasedStudyInstanceUid: '2.25.1' },
    };

    const first = await ledger.deliveries.send(wanted);
    const busy = await ledger.deliveries.send({ ...wanted, deliveryId: randomUUID() }).catch((error: unknown) => error);
    const [leased] = await claim({ elsewhere: 1 });
    await ledger.deliveries.cancel(leased?.deliveryId ?? '');
    const again = await ledger.deliveries.send({ ...wanted, deliveryId: randomUUID() });

    expect([first, again]).to.deep.equal([wanted.deliveryId, wanted.deliveryId]);
    expect(busy).to.include({ code: 'resource.conflict' });
    expect(idsOf(await claim({ elsewhere: 1 }))).to.deep.equal([wanted.deliveryId]);
  });
};
