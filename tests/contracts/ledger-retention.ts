import { expect } from 'chai';
import type { Ledger } from '../../core/ledger.ts';
import { formatBlobRef } from '../../core/store.ts';
import { thrownBy } from '../support/thrown.ts';
import {
  completeStudy,
  hex,
  heldRun,
  inbox,
  newRun,
  received,
  record,
  releasedItem,
  routed,
  STUDY,
  type LedgerSuite,
  type LedgerUnderTest,
} from './ledger-facts.ts';

const DAY_MS = 86_400_000;
const ATTEMPT = { attempt: 1, startedAt: '2026-03-01T08:00:00.000Z', durationMs: 1, outcome: 'succeeded' as const };

export const describeRetention: LedgerSuite = (subject) => {
  it('gives up a study that is delivered and old enough, and nothing younger', async () => {
    const { ledger, clock } = subject();
    await delivered(subject());

    const early = await ledger.retention.expire({ receivedBefore: clock.now() });
    const late = await ledger.retention.expire({ receivedBefore: clock.advance(DAY_MS) });
    const again = await ledger.retention.expire({ receivedBefore: clock.now() });

    expect([early.studies, late.studies, again.studies]).to.deep.equal([[], [STUDY], []]);
    expect(await ledger.instances.ofStudy(STUDY)).to.deep.equal([]);
    expect(await ledger.instances.known(received(1).sopInstanceUid, STUDY)).to.not.have.property('dataSetSha256');
    expect(await ledger.studies.get(STUDY)).to.include({
      state: 'routed',
      instances: 0,
      expiredAt: clock.now().toISOString(),
    });
    expect(await ledger.retention.needed('0001.seg')).to.deep.equal([]);
  });

  it('keeps timeline, runs and deliveries', async () => {
    const { ledger, clock } = subject();
    await delivered(subject());
    const before = (await ledger.studies.timeline(STUDY)).map(({ what }) => what);

    await ledger.retention.expire({ receivedBefore: clock.advance(DAY_MS) });

    expect((await ledger.studies.timeline(STUDY)).map(({ what }) => what)).to.deep.equal([...before, 'study.expired']);
    expect(await ledger.deliveries.list({ limit: 10, study: STUDY })).to.have.length(1);
    expect(await ledger.runs.ofStudy(STUDY)).to.have.length(1);
  });

  const KEPT: readonly {
    readonly because: string;
    readonly arrange: (subject: LedgerUnderTest) => Promise<unknown>;
  }[] = [
    { because: 'receiving', arrange: async ({ ledger }) => record(ledger, received(1)) },
    { because: 'routing', arrange: async ({ ledger, clock }) => completeStudy(ledger, clock) },
    {
      because: 'unrouted',
      arrange: async ({ ledger, clock }) => {
        await completeStudy(ledger, clock);
        await ledger.runs.open(inbox('router'), STUDY, [], []);
      },
    },
    {
      because: 'processing',
      arrange: async (each) => opened(each, { steps: [{ processor: 'qc', argument: undefined }] }),
    },
    { because: 'delivering', arrange: async (each) => opened(each, {}) },
    { because: 'delivering', arrange: async (each) => delivering(each) },
    { because: 'dead-letter', arrange: async (each) => failed(each) },
    { because: 'undelivered', arrange: async (each) => opened(each, { destinations: [] }) },
    {
      because: 'quarantine',
      arrange: async (each) => {
        const run = await opened(each, { steps: [{ processor: 'qc', argument: undefined }] });
        const [job] = await each.ledger.runs.claim('me', DAY_MS, each.clock.now(), 1);
        await each.ledger.runs.quarantine(job?.jobId ?? '', job?.fence ?? 0, heldRun(run));
      },
    },
    {
      because: 'quarantine',
      arrange: async (each) => {
        await delivered(each);
        await record(each.ledger, received(1, { dataSetSha256: hex(9), blob: received(9).blob }));
      },
    },
    {
      because: 'held',
      arrange: async (each) => {
        await delivered(each);
        await record(each.ledger, received(3, { patientDigest: hex(0xdef) }));
      },
    },
    {
      because: 'receiving',
      arrange: async (each) => {
        await delivered(each);
        await record(each.ledger, received(3));
      },
    },
    {
      because: 'unrouted',
      arrange: async (each) => {
        // Its first revision nobody took; the second was delivered.
        await completeStudy(each.ledger, each.clock, received(1));
        await each.ledger.runs.open(inbox('router'), STUDY, [], []);
        await record(each.ledger, received(1, { series: 2 }));
        await each.ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, each.clock.now());
        await deliver(each, await run(each, { revision: 2 }));
      },
    },
    {
      because: 'unrouted',
      arrange: async (each) => {
        // The route took one series of the study and left the other.
        const [one, other] = [received(1), received(1, { series: 2, blob: received(2).blob })];
        await completeStudy(each.ledger, each.clock, one, other);
        await deliver(each, await run(each, { series: [one.seriesInstanceUid] }));
      },
    },
    {
      because: 'undelivered',
      arrange: async (each) => {
        // Two routes share the study; one of them names no destination.
        const [one, other] = [received(1), received(1, { series: 2, blob: received(2).blob })];
        await completeStudy(each.ledger, each.clock, one, other);
        await run(each, { series: [one.seriesInstanceUid], destinations: [] });
        await deliver(each, await run(each, { series: [other.seriesInstanceUid] }));
      },
    },
    {
      because: 'undelivered',
      arrange: async (each) => {
        // Both had their Success; the first was replaced before anybody got it.
        const second = received(1, { dataSetSha256: hex(9), blob: received(9).blob });
        await each.ledger.instances.record(
          [received(1), second].map((instance) => ({
            instance,
            completion: { quietMs: 1, forceMs: 1 },
            sameUid: 'keep-both-as-revision' as const,
          })),
          { segment: '0001', offset: 1 },
        );
        await each.ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, each.clock.now());
        await deliver(each, await run(each));
      },
    },
  ];
  for (const { because, arrange } of KEPT) {
    it(`keeps what is ${because}, however old, and says so`, async () => {
      const { ledger, clock } = subject();
      await arrange(subject());

      const expired = await ledger.retention.expire({ receivedBefore: clock.advance(1000 * DAY_MS) });

      expect(expired.studies).to.deep.equal([]);
      expect((await ledger.retention.usage()).map((row) => row.because)).to.deep.equal([because]);
      expect(await ledger.instances.ofStudy(STUDY)).to.not.be.empty;
    });
  }

  it('says which destination is waited for', async () => {
    await delivering(subject());

    expect(await subject().ledger.retention.usage()).to.deep.equal([
      { because: 'delivering', destinations: 'kct-archive', studies: 1, bytes: 1800 },
    ]);
  });

  it('answers clearly to a replay of what is gone', async () => {
    const { ledger, clock } = subject();
    const { runId } = await delivered(subject());
    await ledger.retention.expire({ receivedBefore: clock.advance(DAY_MS) });

    const [ofRun, ofDelivery] = [
      await thrownBy(ledger.runs.replay(runId)),
      await thrownBy(ledger.deliveries.replay(`${runId}-kct`)),
    ];

    expect(ofRun).to.include({ code: 'study.expired' });
    expect(ofDelivery).to.include({ code: 'study.expired' });
  });

  it('takes what comes again after that as new, and delivers it as the next revision', async () => {
    const { ledger, clock } = subject();
    await delivered(subject());
    await ledger.retention.expire({ receivedBefore: clock.advance(DAY_MS) });

    expect(await record(ledger, received(1, { blob: received(7).blob }))).to.deep.equal(['stored']);
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());

    const study = await ledger.studies.get(STUDY);
    expect(study).to.include({ revision: 2, instances: 1, state: 'completed' });
    expect(study).to.not.have.property('expiredAt');
    await deliver(subject(), await run(subject(), { revision: 2 }));
    expect((await ledger.retention.expire({ receivedBefore: clock.advance(DAY_MS) })).studies).to.deep.equal([STUDY]);
  });

  it('gives up results by themselves: they are no longer to be sent again, the study can be done again', async () => {
    const { ledger, clock } = subject();
    const { runId } = await delivered(subject(), true);

    const expired = await ledger.retention.expire({ resultsBefore: clock.advance(DAY_MS) });

    expect(expired).to.deep.equal({ studies: [], runs: 1, quarantineEntries: 0 });
    expect(await ledger.retention.expiredRuns([runId, 'another'])).to.deep.equal([runId]);
    expect(await thrownBy(ledger.deliveries.replay(`${runId}-kct`))).to.include({ code: 'study.expired' });
    expect(await ledger.runs.replay(runId)).to.be.a('string');
  });

  it('sends results again though what was received is gone, when they do not need it', async () => {
    const { ledger, clock } = subject();
    const { runId } = await delivered(subject(), true);
    await ledger.retention.expire({ receivedBefore: clock.advance(DAY_MS) });

    expect(await ledger.deliveries.replay(`${runId}-kct`)).to.be.true;
  });

  it('gives up the bytes of quarantine entries that have ended, never of those that are held', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1), received(1, { dataSetSha256: hex(9), blob: received(9).blob }));
    const [entry] = await ledger.quarantine.list({ limit: 1 });

    const held = await ledger.retention.expire({ quarantineBefore: clock.advance(1000 * DAY_MS) });
    await ledger.quarantine.release(entry?.quarantineId ?? '');
    const ended = await ledger.retention.expire({ quarantineBefore: clock.advance(DAY_MS) });

    expect([held.quarantineEntries, ended.quarantineEntries]).to.deep.equal([0, 1]);
    expect((await ledger.retention.needed('0001.seg')).map(({ blob }) => blob)).to.deep.equal([received(1).blob]);
  });

  it('never lets the highest number of a segment be forgotten: it would come again', async () => {
    const { ledger } = subject();
    for (const segment of ['0000000001.seg', '0000000002.seg'])
      await ledger.retention.announce({ segment, offset: 16 });

    for (const segment of ['0000000001.seg', '0000000002.seg']) await ledger.retention.forgetSegment(segment);

    expect(await ledger.instances.spoolPositions()).to.deep.equal([{ segment: '0000000002.seg', offset: 16 }]);
  });

  it('keeps the bytes of a released copy whose UID was taken meanwhile: it is held again, as a conflict', async () => {
    const { ledger, clock } = subject();
    const copy = received(3, { patientDigest: hex(0xdef), dataSetSha256: hex(9), blob: received(9).blob });
    await record(ledger, received(1), copy);
    await record(ledger, received(3));
    const [entry] = await ledger.quarantine.list({ limit: 1 });

    await ledger.quarantine.release(entry?.quarantineId ?? '');
    await ledger.retention.expire({ quarantineBefore: clock.advance(1000 * DAY_MS) });

    const [held] = await ledger.quarantine.list({ limit: 1, state: 'held' });
    expect(held).to.include({ reason: 'dataset.conflict', holdsStudy: false });
    expect(held?.items.map(({ blob }) => blob)).to.deep.equal([copy.blob]);
    expect((await ledger.retention.needed('0001.seg')).map(({ blob }) => blob)).to.include(copy.blob);
  });

  describe('moving', () => {
    const move = (n: number) => ({
      from: received(n).blob,
      to: formatBlobRef('spool/0009.seg', n * 1000, 900),
    });

    it('points every row at the new place: instances, versions, quarantine, the items of runs', async () => {
      const { ledger, clock } = subject();
      await ledger.instances.record(
        [received(1), received(1, { dataSetSha256: hex(8), sha256: hex(8), blob: received(8).blob }), received(2)].map(
          (instance) => ({
            instance,
            completion: { quietMs: 1, forceMs: 1 },
            sameUid: 'keep-both-as-revision' as const,
          }),
        ),
        { segment: '0001', offset: 1 },
      );
      await record(ledger, received(3, { patientDigest: hex(0xdef) }));
      const places = [1, 8, 2, 3].map(move);

      expect(await ledger.retention.move(places)).to.be.true;

      expect(await ledger.retention.needed('0001.seg')).to.deep.equal([]);
      expect((await ledger.retention.needed('0009.seg')).map(({ blob }) => blob)).to.have.members(
        places.map(({ to }) => to),
      );
      const [entry] = await ledger.quarantine.list({ limit: 1 });
      await ledger.quarantine.release(entry?.quarantineId ?? '');
      await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());
      expect((await ledger.instances.ofStudy(STUDY)).map(({ blob }) => blob)).to.deep.equal(
        [8, 2, 3].map((n) => move(n).to),
      );
    });

    it('does nothing while somebody works with the old places', async () => {
      const { ledger, clock } = subject();
      const { runId } = await delivering(subject());
      const [delivery] = await ledger.deliveries.claim('me', DAY_MS, clock.now(), { 'kct-archive': 1 });

      const during = await ledger.retention.move([move(1), move(2)]);
      await ledger.deliveries.succeed(`${runId}-kct`, delivery?.fence ?? 0, ATTEMPT, []);
      const after = await ledger.retention.move([move(1), move(2)]);

      expect([during, after]).to.deep.equal([false, true]);
    });
  });
};

async function run({ ledger }: LedgerUnderTest, changes: Parameters<typeof newRun>[0] = {}) {
  const made = newRun({ steps: [], ...changes });
  await ledger.runs.open(inbox('router'), STUDY, [made], [routed(made)]);
  await ledger.runs.start(inbox('runner'), made.runId);
  return made;
}

async function opened(each: LedgerUnderTest, changes: Parameters<typeof newRun>[0]) {
  await completeStudy(each.ledger, each.clock);
  return run(each, changes);
}

async function delivering(each: LedgerUnderTest) {
  const made = await opened(each, {});
  await open(each.ledger, made.runId);
  return made;
}

async function open(ledger: Ledger, runId: string): Promise<void> {
  await ledger.deliveries.open(inbox('connectors'), [
    { deliveryId: `${runId}-kct`, runId, destination: 'kct-archive', releasedStudyInstanceUid: STUDY },
  ]);
}

async function failed(each: LedgerUnderTest): Promise<void> {
  await delivering(each);
  const [lease] = await each.ledger.deliveries.claim('me', DAY_MS, each.clock.now(), { 'kct-archive': 1 });
  if (lease === undefined) throw new Error('nothing to deliver');
  const attempt = { ...ATTEMPT, outcome: 'failed' as const };
  await each.ledger.deliveries.fail(lease.deliveryId, lease.fence, attempt, [], undefined, []);
}

async function deliver(each: LedgerUnderTest, { runId }: { readonly runId: string }): Promise<void> {
  await open(each.ledger, runId);
  const [lease] = await each.ledger.deliveries.claim('me', DAY_MS, each.clock.now(), { 'kct-archive': 1 });
  if (lease === undefined) throw new Error('nothing to deliver');
  await each.ledger.deliveries.succeed(lease.deliveryId, lease.fence, ATTEMPT, []);
}

/** @param hasResults - a step has made what was delivered; otherwise it went as it came */
async function delivered(each: LedgerUnderTest, hasResults = false) {
  const steps = hasResults ? [{ processor: 'deidentify', argument: 'kct' }] : [];
  const made = await opened(each, { steps });
  if (hasResults) {
    const [job] = await each.ledger.runs.claim('me', DAY_MS, each.clock.now(), 1);
    await each.ledger.runs.finishStep(job?.jobId ?? '', job?.fence ?? 0, { items: [releasedItem(1)], events: [] });
  }
  await deliver(each, made);
  return made;
}
