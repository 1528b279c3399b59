import { expect } from 'chai';
import { parseSeriesInstanceUid, parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { LeasedDelivery } from '../../core/ledger/deliveries.ts';
import type { SameUidRule, StoredInstance } from '../../core/ledger/instances.ts';
import {
  COMPLETION,
  completeStudy,
  eventTypes,
  hex,
  inbox,
  newRun,
  received,
  record,
  routed,
  STUDY,
  type LedgerSuite,
} from './ledger-facts.ts';

const FIRST = received(1);
/** The same SOP Instance UID, other bytes. */
const later = (number: number, changes: Partial<StoredInstance> = {}): StoredInstance =>
  received(1, {
    sopInstanceUid: FIRST.sopInstanceUid,
    dataSetSha256: hex(number),
    sha256: hex(number),
    blob: received(number).blob,
    associationId: 'association-2',
    attributes: { Modality: ['MR'], StudyDescription: ['corrected'] },
    ...changes,
  });

export const describeVersions: LedgerSuite = (subject) => {
  it('says whoever delivers a later revision what is changed there, and what is not', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock, FIRST, received(2));
    const sent = await delivery(ledger, clock.now(), 1);
    const attempt = { attempt: 1, startedAt: clock.now().toISOString(), durationMs: 1, outcome: 'succeeded' as const };
    await ledger.deliveries.succeed(sent.deliveryId, sent.fence, attempt, []);
    await keepBoth(ledger, later(91));
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());

    const next = await delivery(ledger, clock.now(), 2);

    expect([sent.delivered, sent.revised]).to.deep.equal([[], []]);
    expect(next.delivered).to.deep.equal([received(2).sopInstanceUid]);
    expect(next.revised).to.deep.equal([FIRST.sopInstanceUid]);
  });

  it('keeps both where that is the rule: the next revision has the new one, the earlier one the old', async () => {
    const { ledger, clock, reopen } = subject();
    await completeStudy(ledger, clock, FIRST, received(2), received(1, { series: 2 }));

    const outcomes = await keepBoth(ledger, later(91));
    const inBetween = { now: await blobs(ledger), first: await blobs(ledger, 1) };
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());

    const again = await reopen();
    expect(outcomes).to.deep.equal(['revised']);
    expect(inBetween.now[0]).to.equal(later(91).blob);
    expect(inBetween.first[0]).to.equal(FIRST.blob);
    expect(await blobs(again, 1)).to.deep.equal([FIRST.blob, received(2).blob, received(1, { series: 2 }).blob]);
    // Only the series that the revision touched.
    expect(await blobs(again, 2)).to.deep.equal([later(91).blob, received(2).blob]);
    expect(await again.studies.get(STUDY)).to.include({ revision: 2, instances: 3, state: 'completed' });
    expect((await again.instances.versions(FIRST.sopInstanceUid)).map(({ blob, isCurrent }) => [blob, isCurrent]))
      .to.deep //
      .equal([
        [FIRST.blob, false],
        [later(91).blob, true],
      ]);
    expect(await again.quarantine.list({ limit: 10 })).to.deep.equal([]);
    expect((await eventTypes(again)).slice(-2)).to.deep.equal(['instance.stored', 'study.completed']);
  });

  it('shows routes what the new version says, and the history what the old one said', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock, FIRST, received(2));
    await keepBoth(ledger, later(91));
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());

    const [before] = await ledger.studies.series(STUDY, 1);
    const [after] = await ledger.studies.series(STUDY, 2);
    const [now] = await ledger.studies.series(STUDY);

    expect(before).to.deep.include({ instances: 2, attributes: { Modality: ['MR'] } });
    expect(after).to.deep.include({
      instances: 2,
      attributes: { Modality: ['MR'], StudyDescription: ['corrected'] },
    });
    expect(after?.provenance.associationId).to.equal('association-2');
    expect(now).to.deep.equal(after);
  });

  it('takes a version that was replaced, when it comes again, for the repeat it is', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock, FIRST);
    await keepBoth(ledger, later(91));

    const outcomes = [await keepBoth(ledger, FIRST), await keepBoth(ledger, later(91))];

    expect(outcomes).to.deep.equal([['same'], ['same']]);
    expect(await blobs(ledger)).to.deep.equal([later(91).blob]);
  });

  it('makes one revision of versions that follow each other before it is complete', async () => {
    const { ledger, clock } = subject();
    await keepBoth(ledger, FIRST, later(91));
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());
    await keepBoth(ledger, later(92), later(93));
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());

    expect([await blobs(ledger, 1), await blobs(ledger, 2)]).to.deep.equal([[later(91).blob], [later(93).blob]]);
    expect((await ledger.instances.versions(FIRST.sopInstanceUid)).map(({ blob }) => blob)).to.deep.equal(
      [FIRST, later(91), later(92), later(93)].map(({ blob }) => blob),
    );
  });

  const REFUSED: readonly { readonly why: string; readonly second: StoredInstance; readonly reason: string }[] = [
    {
      why: 'another series',
      second: later(91, { seriesInstanceUid: parseSeriesInstanceUid(`${STUDY}.9`) }),
      reason: 'dataset.conflict',
    },
    {
      why: 'another study',
      second: later(91, { studyInstanceUid: parseStudyInstanceUid('1.2.826.77') }),
      reason: 'dataset.conflict',
    },
    { why: 'another patient', second: later(91, { patientDigest: hex(0xdef) }), reason: 'dataset.patient-mismatch' },
  ];
  for (const { why, second, reason } of REFUSED) {
    it(`quarantines what names ${why}: that is no later version of the same thing`, async () => {
      const { ledger } = subject();
      await record(ledger, FIRST);

      expect(await keepBoth(ledger, second)).to.deep.equal([reason.replace('dataset.', '')]);

      expect(await blobs(ledger)).to.deep.equal([FIRST.blob]);
      const [entry] = await ledger.quarantine.list({ limit: 10 });
      expect(entry?.reason).to.equal(reason);
    });
  }

  it('makes a version of what was held for its patient, once it is released', async () => {
    const { ledger } = subject();
    await record(ledger, FIRST);
    await keepBoth(ledger, later(91, { patientDigest: hex(0xdef) }));
    const [entry] = await ledger.quarantine.list({ limit: 10 });

    await ledger.quarantine.release(entry?.quarantineId ?? '');

    expect(await blobs(ledger)).to.deep.equal([later(91).blob]);
  });

  it('quarantines under the rule to reject what is durable already: its sender may have had a Success', async () => {
    const { ledger } = subject();
    await record(ledger, FIRST);

    expect(await recordUnder('reject', ledger, later(91))).to.deep.equal(['conflict']);

    expect((await ledger.quarantine.list({ limit: 10 })).map(({ reason }) => reason)).to.deep.equal([
      'dataset.conflict',
    ]);
  });

  it('sends a destination the new version, and not what it has already', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock, FIRST, received(2));
    await delivered(ledger, 1);
    await keepBoth(ledger, later(91));
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());

    const [delivery] = await opened(ledger, 2);

    expect(delivery?.items.map(({ blob }) => blob)).to.deep.equal([later(91).blob, received(2).blob]);
    expect(delivery?.delivered).to.deep.equal([received(2).sopInstanceUid]);
  });

  it('tells in the timeline what was replaced', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock, FIRST);
    await keepBoth(ledger, later(91));
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());

    const replaced = (await ledger.studies.timeline(STUDY)).find(({ what }) => what === 'instance.replaced');

    expect(replaced?.fields).to.deep.equal({
      sopInstanceUid: FIRST.sopInstanceUid,
      sha256: FIRST.sha256,
      receivedAt: FIRST.receivedAt,
      revision: 1,
      endedRevision: 2,
    });
  });
};

async function keepBoth(ledger: Ledger, ...instances: readonly StoredInstance[]) {
  return recordUnder('keep-both-as-revision', ledger, ...instances);
}

async function recordUnder(sameUid: SameUidRule, ledger: Ledger, ...instances: readonly StoredInstance[]) {
  return ledger.instances.record(
    instances.map((instance) => ({ instance, completion: COMPLETION, sameUid })),
    { segment: '0001', offset: 1 },
  );
}

async function blobs(ledger: Ledger, revision?: number): Promise<readonly string[]> {
  const items = await ledger.instances.ofStudy(STUDY, revision === undefined ? {} : { revision });
  return items.map(({ blob }) => blob);
}

async function opened(ledger: Ledger, revision: number) {
  const run = newRun({ revision, steps: [] });
  await ledger.runs.open(inbox('router'), STUDY, [run], [routed(run)]);
  await ledger.runs.start(inbox('runner'), run.runId);
  const deliveryId = `${run.runId}-kct`;
  await ledger.deliveries.open(inbox('connectors'), [
    { deliveryId, runId: run.runId, destination: 'kct-archive', releasedStudyInstanceUid: STUDY },
  ]);
  return ledger.deliveries.claim('me', 60_000, new Date('2027-01-01'), { 'kct-archive': 1 });
}

async function delivered(ledger: Ledger, revision: number): Promise<void> {
  const [delivery] = await opened(ledger, revision);
  if (delivery === undefined) throw new Error('nothing to deliver');
  const attempt = { attempt: 1, startedAt: '2026-03-01T08:00:00.000Z', durationMs: 1, outcome: 'succeeded' as const };
  await ledger.deliveries.succeed(delivery.deliveryId, delivery.fence, attempt, []);
}

/** A run of the revision without steps, and its only delivery, leased. */
async function delivery(ledger: Ledger, now: Date, revision: number): Promise<LeasedDelivery> {
  const run = newRun({ revision, steps: [] });
  await ledger.runs.open(inbox('router'), STUDY, [run], [routed(run)]);
  await ledger.runs.start(inbox('runner'), run.runId);
  const [destination = ''] = run.destinations;
  await ledger.deliveries.open(inbox('connectors'), [
    { deliveryId: run.runId, runId: run.runId, destination, releasedStudyInstanceUid: STUDY },
  ]);
  const [lease] = await ledger.deliveries.claim('me', 60_000, now, { [destination]: 1 });
  if (lease === undefined) throw new Error('nothing to deliver');
  return lease;
}
