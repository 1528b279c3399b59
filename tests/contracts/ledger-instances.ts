import { expect } from 'chai';
import { parseSeriesInstanceUid, parseStudyInstanceUid } from '../../core/identifiers.ts';
import {
  COMPLETION,
  completeStudy,
  eventTypes,
  hex,
  received,
  record,
  startRun,
  STUDY,
  type LedgerSuite,
} from './ledger-facts.ts';

export const describeInstances: LedgerSuite = (subject) => {
  it('records an instance with its study, its series, the fact and the place in the spool', async () => {
    const { ledger, reopen } = subject();

    const outcomes = await record(ledger, received(1), received(2));

    expect(outcomes).to.deep.equal(['stored', 'stored']);
    const again = await reopen();
    expect(await again.studies.get(STUDY)).to.deep.equal({
      studyInstanceUid: STUDY,
      revision: 0,
      source: 'pv-7t',
      instances: 2,
      firstReceivedAt: '2026-03-01T08:00:00.000Z',
      lastReceivedAt: '2026-03-01T08:00:00.000Z',
      correlationId: 'association-1',
      held: false,
      state: 'receiving',
    });
    expect(await again.studies.series(STUDY)).to.deep.equal([
      {
        seriesInstanceUid: `${STUDY}.1`,
        instances: 2,
        provenance: {
          door: 'dimse',
          source: 'pv-7t',
          callingAeTitle: 'PV7T',
          calledAeTitle: 'HUB',
          associationId: 'association-1',
        },
        attributes: { Modality: ['MR'] },
      },
    ]);
    expect(await again.instances.spoolPositions()).to.deep.equal([{ segment: '0001', offset: 2000 }]);
    const events = await again.events.read({ streams: ['hub.ingest.v1'], after: 0, limit: 10 });
    expect(events.map(({ type, key, correlationId }) => ({ type, key, correlationId }))).to.deep.equal([
      { type: 'instance.stored', key: STUDY, correlationId: 'association-1' },
      { type: 'instance.stored', key: STUDY, correlationId: 'association-1' },
    ]);
  });

  it('does nothing for an instance it knows, byte for byte', async () => {
    const { ledger } = subject();
    await record(ledger, received(1));
    const { length } = await eventTypes(ledger);

    const outcomes = await record(ledger, received(1, { associationId: 'association-2' }));

    expect(outcomes).to.deep.equal(['same']);
    expect(await eventTypes(ledger)).to.have.length(length);
    expect(await ledger.studies.get(STUDY)).to.include({ instances: 1, correlationId: 'association-1' });
  });

  it('never takes a place in the spool back', async () => {
    const { ledger } = subject();

    await ledger.instances.record([], { segment: '0001', offset: 5000 });
    await ledger.instances.record([], { segment: '0001', offset: 4000 });
    await ledger.instances.record([], { segment: '0002', offset: 10 });

    expect(await ledger.instances.spoolPositions()).to.deep.equal([
      { segment: '0001', offset: 5000 },
      { segment: '0002', offset: 10 },
    ]);
  });

  it('keeps the first and quarantines the second of two contents with one SOP Instance UID', async () => {
    const { ledger } = subject();
    const first = received(1);
    const other = received(1, { dataSetSha256: hex(99), blob: received(9).blob });

    const outcomes = await record(ledger, first, other);

    expect(outcomes).to.deep.equal(['stored', 'conflict']);
    const [item] = await ledger.instances.ofStudy(STUDY);
    expect(item?.blob).to.equal(first.blob);
    const [entry] = await ledger.quarantine.list({ limit: 10 });
    expect(entry).to.include({ reason: 'dataset.conflict', state: 'held', holdsStudy: false, studyInstanceUid: STUDY });
    const { blob, sopInstanceUid, dataSetSha256 } = other;
    expect(entry?.items).to.deep.equal([{ blob, sizeBytes: 900, sopInstanceUid, dataSetSha256 }]);
    expect(await ledger.studies.get(STUDY)).to.include({ held: false });
    expect(await eventTypes(ledger)).to.deep.equal(['instance.stored', 'study.quarantined']);
  });

  it('gathers what one association brought wrongly in one entry', async () => {
    const { ledger } = subject();
    await record(ledger, received(1), received(2));

    await record(ledger, received(1, { dataSetSha256: hex(91) }), received(2, { dataSetSha256: hex(92) }));
    await record(ledger, received(1, { dataSetSha256: hex(93), associationId: 'association-2' }));

    const entries = await ledger.quarantine.list({ limit: 10 });
    expect(entries.map(({ items }) => items.length)).to.deep.equal([1, 2]);
    const events = await ledger.events.read({ streams: ['hub.work.v1'], after: 0, limit: 10 });
    expect(events.map(({ data }) => ('instances' in data ? data.instances : undefined))).to.deep.equal([2, 1]);
  });

  it('holds a study whose patient changes, and does not complete it', async () => {
    const { ledger, clock } = subject();

    const outcomes = await record(ledger, received(1), received(2, { patientDigest: hex(0xdef) }));

    expect(outcomes).to.deep.equal(['stored', 'patient-mismatch']);
    expect(await ledger.studies.get(STUDY)).to.include({ held: true, instances: 1 });
    const later = clock.advance(COMPLETION.forceMs);
    expect(await ledger.studies.due(later, 10)).to.deep.equal([]);
    expect(await ledger.studies.nextDue()).to.equal(undefined);
    expect(await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, later)).to.equal(false);
  });

  it('says what it knows of an instance and its study before the spool takes it', async () => {
    const { ledger } = subject();
    await record(ledger, received(1));

    const known = await ledger.instances.known(received(1).sopInstanceUid, STUDY);
    const unknown = await ledger.instances.known(received(2).sopInstanceUid, parseStudyInstanceUid('1.2.9'));

    expect(known).to.deep.equal({ dataSetSha256: hex(1), patientDigest: hex(0xabc) });
    expect(unknown).to.deep.equal({});
  });

  it('makes a study due when nothing came for the quiet period', async () => {
    const { ledger, clock } = subject();
    const start = clock.now().getTime();
    await record(ledger, received(1));
    await record(ledger, received(2, { receivedAt: clock.advance(40_000).toISOString() }));

    const tooEarly = await ledger.studies.due(new Date(start + 99_999), 10);
    const due = await ledger.studies.due(new Date(start + 100_000), 10);

    expect(tooEarly).to.deep.equal([]);
    expect(due.map(({ studyInstanceUid, signal }) => ({ studyInstanceUid, signal }))).to.deep.equal([
      { studyInstanceUid: STUDY, signal: 'quiet' },
    ]);
    expect(await ledger.studies.nextDue()).to.deep.equal(new Date(start + 100_000));
  });

  it('counts the quiet period from when an instance was received, not from when it is told a moment later', async () => {
    const { ledger, clock } = subject();
    const receivedAt = clock.now();
    clock.advance(900);
    await record(ledger, received(1, { receivedAt: receivedAt.toISOString() }));

    expect(await ledger.studies.nextDue()).to.deep.equal(new Date(receivedAt.getTime() + COMPLETION.quietMs));
  });

  for (const [what, ms] of [
    ['is told much later', -60_000],
    ['has a time that is still to come', 60_000],
  ] as const)
    it(`counts the quiet period from now where an instance ${what}: clocks differ, and are set`, async () => {
      const { ledger, clock } = subject();
      const receivedAt = new Date(clock.now().getTime() + ms).toISOString();
      await record(ledger, received(1, { receivedAt }));

      expect(await ledger.studies.nextDue()).to.deep.equal(new Date(clock.now().getTime() + COMPLETION.quietMs));
    });

  it('forces a study that never falls silent', async () => {
    const { ledger, clock } = subject();
    const start = clock.now().getTime();
    for (let number = 1; number <= 10; number += 1) {
      await record(ledger, received(number, { receivedAt: clock.now().toISOString() }));
      clock.advance(31_000);
    }

    const due = await ledger.studies.due(new Date(start + COMPLETION.forceMs), 10);

    expect(due.map(({ signal }) => signal)).to.deep.equal(['force']);
    expect(await ledger.studies.nextDue()).to.deep.equal(new Date(start + COMPLETION.forceMs));
  });

  it('completes a due study once, with everything that came', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1), received(2));
    const now = clock.advance(COMPLETION.quietMs);
    const [due] = await ledger.studies.due(now, 10);
    if (due === undefined) throw new Error('not due');

    const outcomes = await Promise.all([ledger.studies.complete(due, now), ledger.studies.complete(due, now)]);

    expect(outcomes).to.deep.equal([true, false]);
    expect(await ledger.studies.get(STUDY)).to.include({ revision: 1, state: 'completed' });
    const [event] = await ledger.events.read({
      streams: ['hub.ingest.v1'],
      types: ['study.completed'],
      after: 0,
      limit: 10,
    });
    expect(event?.correlationId).to.equal('association-1');
    expect(event?.data).to.deep.equal({
      studyInstanceUid: STUDY,
      revision: 1,
      instances: 2,
      source: 'pv-7t',
      signal: 'quiet',
      quietMs: COMPLETION.quietMs,
    });
    expect(await ledger.studies.nextDue()).to.equal(undefined);
  });

  it('does not complete a study that an instance came to since it was due', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1));
    const now = clock.advance(COMPLETION.quietMs);
    const [due] = await ledger.studies.due(now, 10);
    if (due === undefined) throw new Error('not due');
    await record(ledger, received(2));

    const done = await ledger.studies.complete(due, clock.advance(COMPLETION.forceMs));

    expect(done).to.equal(false);
    expect(await ledger.studies.get(STUDY)).to.include({ revision: 0 });
  });

  it('does not complete with a timer of the revision before', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1));
    const now = clock.advance(COMPLETION.quietMs);
    const [due] = await ledger.studies.due(now, 10);
    if (due === undefined) throw new Error('not due');
    await ledger.studies.complete(due, now);
    await record(ledger, received(2));

    const done = await ledger.studies.complete(due, clock.advance(COMPLETION.forceMs));

    expect(done).to.equal(false);
  });

  it('opens a second revision for a late instance, with the whole of the series it belongs to and no other', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock, received(1), received(2), received(1, { series: 2 }));

    await completeStudy(ledger, clock, received(3));

    const numbers = async (revision?: number) =>
      (await ledger.instances.ofStudy(STUDY, revision === undefined ? {} : { revision })).map(({ sopInstanceUid }) =>
        sopInstanceUid.slice(STUDY.length),
      );
    expect(await numbers(1)).to.deep.equal(['.1.1', '.1.2', '.2.1']);
    expect(await numbers(2)).to.deep.equal(['.1.1', '.1.2', '.1.3']);
    expect(await numbers()).to.have.length(4);
    const counts = async (revision?: number) =>
      (await ledger.studies.series(STUDY, revision)).map(({ instances }) => instances);
    expect(await counts(1)).to.deep.equal([2, 1]);
    expect(await counts(2)).to.deep.equal([3]);
    expect(await counts()).to.deep.equal([3, 1]);
    const completions = await ledger.events.read({
      streams: ['hub.ingest.v1'],
      types: ['study.completed'],
      after: 0,
      limit: 10,
    });
    expect(completions.map(({ data }) => ('instances' in data ? data.instances : 0))).to.deep.equal([3, 3]);
  });

  it('gives the instances of chosen series only', async () => {
    const { ledger } = subject();
    await record(ledger, received(1), received(1, { series: 2 }), received(1, { series: 3 }));

    const items = await ledger.instances.ofStudy(STUDY, {
      series: [parseSeriesInstanceUid(`${STUDY}.1`), parseSeriesInstanceUid(`${STUDY}.3`)],
    });

    expect(items.map(({ seriesInstanceUid }) => seriesInstanceUid)).to.deep.equal([`${STUDY}.1`, `${STUDY}.3`]);
  });

  it('completes by hand what is not due, and says so when there is no such study', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1));

    const first = await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());
    const nothingNew = await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());
    const unknown = ledger.studies.complete(
      { studyInstanceUid: parseStudyInstanceUid('1.9'), signal: 'manual' },
      clock.now(),
    );

    expect([first, nothingNew]).to.deep.equal([true, false]);
    expect(await unknown.catch((error: unknown) => error)).to.include({ code: 'resource.not-found' });
  });

  it('lists studies from the newest back, page by page, by state', async () => {
    const { ledger, clock } = subject();
    const uids = [1, 2, 3, 4].map((number) => parseStudyInstanceUid(`1.2.4.${number}`));
    for (const studyInstanceUid of uids) await record(ledger, received(1, { studyInstanceUid }));
    const last = uids[3] ?? STUDY;
    await ledger.studies.complete({ studyInstanceUid: last, signal: 'manual' }, clock.now());

    const first = await ledger.studies.list({ limit: 3 });
    const second = await ledger.studies.list({ limit: 3, before: first.at(-1)?.studyInstanceUid ?? '' });
    const receiving = await ledger.studies.list({ limit: 10, state: 'receiving' });
    const { studies: completed } = await ledger.configuration.history(clock.now(), { limit: 10 });
    const { studies: later } = await ledger.configuration.history(clock.advance(1), { limit: 10 });

    expect([...first, ...second].map(({ studyInstanceUid }) => studyInstanceUid)).to.deep.equal(uids.toReversed());
    expect(receiving).to.have.length(3);
    expect(completed.map(({ studyInstanceUid }) => studyInstanceUid)).to.deep.equal([last]);
    expect(later).to.deep.equal([]);
    const astray = await ledger.studies.list({ limit: 3, before: '1.2.5' }).catch((error: unknown) => error);
    expect(astray).to.include({ code: 'request.invalid' });
  });

  it('tells the history of a study in the order it happened', async () => {
    const { ledger, clock } = subject();
    await record(ledger, received(1), received(2));
    clock.advance(1000);
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());
    clock.advance(1000);
    await startRun(ledger);
    clock.advance(1000);
    await ledger.runs.claim('worker-1', 30_000, clock.now(), 1);

    const timeline = await ledger.studies.timeline(STUDY);

    expect(timeline.map(({ what }) => what)).to.deep.equal([
      'series.received',
      'study.completed',
      'study.routed',
      'run.opened',
      'job.attempted',
    ]);
    expect(timeline[0]?.fields).to.include({ instances: 2, seriesInstanceUid: `${STUDY}.1`, revision: 1 });
    expect(timeline[4]?.fields).to.include({ processor: 'deidentify', attempt: 1 });
  });
};
