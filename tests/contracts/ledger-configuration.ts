import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { NewActivation } from '../../core/ledger/configuration.ts';
import { completeStudy, type LedgerSuite, received, startRun, STUDY } from './ledger-facts.ts';

const FIRST: NewActivation = {
  version: 'aaaa00000001',
  document: '{"routes":[]}',
  cause: 'start',
  actor: 'hub',
  node: 'one',
  file: '/etc/hub.yaml',
};
const SECOND: NewActivation = { ...FIRST, version: 'aaaa00000002', document: '{}', cause: 'request', actor: 'token' };

export const describeConfiguration: LedgerSuite = (subject) => {
  it('notes each configuration that comes into force once, with the one before it', async () => {
    const { ledger, reopen } = subject();

    const first = await ledger.configuration.activate(FIRST);
    const again = await ledger.configuration.activate({ ...FIRST, cause: 'signal' });
    const second = await ledger.configuration.activate(SECOND);

    expect([first.isNew, again.isNew, second.isNew]).to.deep.equal([true, false, true]);
    expect(again.activation).to.deep.equal(first.activation);
    expect(second.activation).to.deep.include({ previous: FIRST.version, cause: 'request', actor: 'token' });
    const after = await reopen();
    expect(await after.configuration.activations({ limit: 10 })).to.deep.equal([second.activation, first.activation]);
    expect(await after.configuration.document(FIRST.version)).to.equal(FIRST.document);
  });

  it('notes a version that comes back as in force again, and keeps what it said the first time', async () => {
    const { ledger } = subject();
    await ledger.configuration.activate(FIRST);
    await ledger.configuration.activate(SECOND);

    const back = await ledger.configuration.activate({ ...FIRST, document: '{"other":1}', cause: 'rollback' });

    expect(back.activation).to.deep.include({ version: FIRST.version, previous: SECOND.version, cause: 'rollback' });
    expect(await ledger.configuration.document(FIRST.version)).to.equal(FIRST.document);
    const [newest] = await ledger.configuration.activations({ limit: 1 });
    const older = await ledger.configuration.activations({ limit: 5, before: newest?.activationId ?? '' });
    expect(older.map(({ version }) => version)).to.deep.equal([SECOND.version, FIRST.version]);
  });

  it('keeps the nodes of a hub apart', async () => {
    const { ledger } = subject();
    await ledger.configuration.activate(FIRST);

    const other = await ledger.configuration.activate({ ...FIRST, node: 'two' });

    expect(other.isNew).to.equal(true);
    expect(other.activation).not.to.have.property('previous');
    expect(await ledger.configuration.activations({ limit: 10, node: 'two' })).to.deep.equal([other.activation]);
  });

  it('finds versions by how they begin, and knows none that never was', async () => {
    const { ledger } = subject();
    await ledger.configuration.activate(FIRST);
    await ledger.configuration.activate(SECOND);

    expect(await ledger.configuration.versionsLike('aaaa00000002')).to.deep.equal([SECOND.version]);
    expect(await ledger.configuration.versionsLike('aaaa')).to.have.length(2);
    expect(await ledger.configuration.versionsLike('b')).to.deep.equal([]);
    expect(await ledger.configuration.document('b')).to.equal(undefined);
  });

  it('reads completed studies with their series in pages, oldest first, from a moment on', async () => {
    const { ledger, clock } = subject();
    const since = clock.now();
    await completeStudy(ledger, clock);

    const { studies, next } = await ledger.configuration.history(since, { limit: 1 });

    const [study] = studies;
    expect(study).to.deep.include({ studyInstanceUid: STUDY, revision: 1 });
    expect(study?.series.map(({ seriesInstanceUid }) => seriesInstanceUid)).to.deep.equal(
      (await ledger.studies.series(STUDY)).map(({ seriesInstanceUid }) => seriesInstanceUid),
    );
    expect(study?.series[0]?.attributes).to.be.an('object');
    expect(next).not.to.equal(undefined);
    const rest = await ledger.configuration.history(since, {
      limit: 1,
      ...(next === undefined ? {} : { after: next }),
    });
    expect(rest).to.deep.equal({ studies: [] });
    const later = new Date(Date.parse(study?.completedAt ?? '') + 1);
    expect(await ledger.configuration.history(later, { limit: 5 })).to.deep.equal({ studies: [] });
  });

  it('knows how often what is now a study was given away and came back', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const run = await startRun(ledger);
    const back = parseStudyInstanceUid('1.2.826.77');
    const deliver = async (destination: string, releasedStudyInstanceUid: string) => {
      const deliveryId = randomUUID();
      const delivery = { deliveryId, runId: run.runId, destination, releasedStudyInstanceUid };
      await ledger.deliveries.open({ group: 'connectors', eventId: deliveryId }, [delivery]);
    };
    await deliver('one', back);
    await deliver('two', back);
    // As it came: the same instances again are the same study, and no generation of it.
    await deliver('archive', STUDY);
    await completeStudy(ledger, clock, received(9, { studyInstanceUid: back }));

    expect(await ledger.configuration.generationOf(back, 4)).to.equal(1);
    expect(await ledger.configuration.generationOf(back, 0)).to.equal(0);
    expect(await ledger.configuration.generationOf(STUDY, 4)).to.equal(0);
    expect(await ledger.configuration.generationOf(parseStudyInstanceUid('1.9'), 4)).to.equal(0);
    expect(await ledger.configuration.lastOf('b')).to.equal(undefined);
  });
};
