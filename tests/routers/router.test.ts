import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { isEventOf } from '../../core/events.ts';
import { parseSeriesInstanceUid, parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { EventBus, LogFields, Logger } from '../../core/ports.ts';
import { openEmbeddedBus } from '../../platform/bus/embedded.ts';
import { createMetrics } from '../../platform/metrics.ts';
import type { Route } from '../../routers/route.ts';
import { type Router, startRouter } from '../../routers/router.ts';
import { completeStudy, received, record, TestClock } from '../contracts/ledger-facts.ts';
import { openTestLedger } from '../support/open-ledger.ts';
import { silentLog } from '../support/silent-log.ts';
import { waitFor } from '../support/wait-for.ts';
import { aRoute } from './studies.ts';

const STUDY = parseStudyInstanceUid('1.2.826.1');
const BRAIN = { Modality: ['MR'], SeriesDescription: ['brain of Doe^Jane'], PatientName: ['Doe^Jane'] };
const LOCALIZER = { Modality: ['MR'], SeriesDescription: ['localizer'], PatientName: ['Doe^Jane'] };

describe('router', () => {
  const clock = new TestClock();
  let ledger: Ledger;
  let remove: () => Promise<void>;
  let bus: EventBus;
  let router: Router;
  let metrics: ReturnType<typeof createMetrics>;
  let active: { configVersion: string; routes: readonly Route[] };
  const lines: { message: string; fields: LogFields }[] = [];

  beforeEach(async () => {
    lines.length = 0;
    ({ ledger, remove } = await openTestLedger(clock));
    bus = openEmbeddedBus({ ledger, log: silentLog, clock });
    metrics = createMetrics();
    router = await startRouter({ bus, ledger, log: recorder({}), metrics, clock }, () => active);
  });
  afterEach(async () => {
    await router.stop();
    await bus.stop();
    await remove();
  });

  function recorder(bound: LogFields): Logger {
    const write = (message: string, fields: LogFields = {}) =>
      void lines.push({ message, fields: { ...bound, ...fields } });
    return { ...silentLog, info: write, warn: write, child: (fields) => recorder({ ...bound, ...fields }) };
  }

  const receive = () =>
    completeStudy(
      ledger,
      clock,
      received(1, { attributes: BRAIN }),
      received(2, { attributes: BRAIN }),
      received(1, { series: 2, attributes: LOCALIZER, sha256: 'f'.repeat(64), dataSetSha256: 'f'.repeat(64) }),
    );
  const decisions = () => ledger.events.read({ streams: ['hub.work.v1'], after: 0, limit: 100 });
  const decided = (count: number) =>
    waitFor(`${String(count)} decisions`, async () => {
      const events = await decisions();
      return events.length >= count && events;
    });
  const counted = async (metric: string) =>
    (await metrics.render()).body.split('\n').filter((line) => line.startsWith(metric) && !line.startsWith('#'));

  it('opens a run and appends study.routed for each matching route, in one go', async () => {
    active = {
      configVersion: 'abc123',
      routes: [
        aRoute(
          'brain',
          { SeriesDescription: { matches: 'brain' } },
          {
            perSeries: true,
            process: [
              { processor: 'deidentify', argument: 'kct' },
              { processor: 'qc', argument: undefined },
            ],
            deliver: ['kct-pacs'],
          },
        ),
        aRoute('archive', {}, { deliver: ['ours'] }),
        aRoute('ct', { Modality: 'CT' }),
        aRoute('off', {}, { enabled: false }),
      ],
    };

    await receive();

    const events = await decided(2);
    const runs = await ledger.runs.ofStudy(STUDY);
    expect(events.map(({ type, key }) => [type, key])).to.deep.equal([
      ['study.routed', STUDY],
      ['study.routed', STUDY],
    ]);
    expect(
      runs
        .map(({ route, series, steps, destinations, configVersion, revision }) => ({
          route,
          series,
          steps,
          destinations,
          configVersion,
          revision,
        }))
        .toSorted((a, b) => (a.route < b.route ? 1 : -1)),
    ).to.deep.equal([
      {
        route: 'brain',
        series: [`${STUDY}.1`],
        steps: [{ processor: 'deidentify', argument: 'kct' }, { processor: 'qc' }],
        destinations: ['kct-pacs'],
        configVersion: 'abc123',
        revision: 1,
      },
      { route: 'archive', series: undefined, steps: [], destinations: ['ours'], configVersion: 'abc123', revision: 1 },
    ]);
    const [brain, archive] = events;
    const [completed] = await ledger.events.read({
      streams: ['hub.ingest.v1'],
      after: 0,
      limit: 10,
      types: ['study.completed'],
    });
    expect(brain?.causationId).to.equal(completed?.id);
    expect(brain?.correlationId).to.equal(completed?.correlationId).and.to.be.a('string');
    expect(brain?.data).to.deep.equal({
      studyInstanceUid: STUDY,
      revision: 1,
      runId: runs.find(({ route }) => route === 'brain')?.runId,
      route: 'brain',
      instances: 2,
      series: [`${STUDY}.1`],
      processors: ['deidentify', 'qc'],
      destinations: ['kct-pacs'],
      configVersion: 'abc123',
    });
    expect(archive?.data).to.deep.include({ route: 'archive', instances: 3, series: [`${STUDY}.1`, `${STUDY}.2`] });
    // Counted when the ledger has answered, a moment after it has the events.
    await waitFor('both routes to be counted', async () => (await counted('hub_routes_matched_total{')).length === 2);
    expect(await counted('hub_routes_matched_total{')).to.deep.equal([
      'hub_routes_matched_total{route="brain"} 1',
      'hub_routes_matched_total{route="archive"} 1',
    ]);
  });

  it('keeps and logs why, without a value of the header or of the rule', async () => {
    active = {
      configVersion: 'v',
      routes: [
        aRoute('jane', { PatientName: 'Doe^Jane' }),
        aRoute('john', { PatientName: { matches: 'John' }, Modality: 'MR' }),
      ],
    };

    await receive();
    await decided(1);
    await waitFor('the log line', () => lines.length > 0);

    const [run] = await ledger.runs.ofStudy(STUDY);
    expect(run?.explanation).to.deep.equal([
      {
        seriesInstanceUid: `${STUDY}.1`,
        kind: 'all',
        matched: true,
        parts: [{ kind: 'test', key: 'PatientName', tests: ['equals'], present: true, matched: true }],
      },
      {
        seriesInstanceUid: `${STUDY}.2`,
        kind: 'all',
        matched: true,
        parts: [{ kind: 'test', key: 'PatientName', tests: ['equals'], present: true, matched: true }],
      },
    ]);
    expect(lines.map(({ message }) => message)).to.deep.equal(['study routed']);
    expect(lines[0]?.fields).to.deep.include({ studyInstanceUid: STUDY, revision: 1, routes: ['jane'] });
    expect(JSON.stringify([run?.explanation, lines, await decisions()]))
      .to.not.contain('Doe')
      .and.to.not.contain('John');
  });

  it('lists a study that no route matches, and says which tests failed', async () => {
    active = {
      configVersion: 'v',
      routes: [aRoute('ct', { Modality: 'CT', PatientName: 'Roe' }), aRoute('pet', { Modality: 'PT' })],
    };

    await receive();

    const [event] = await decided(1);
    await waitFor('the log line', () => lines.length > 0);
    expect(event !== undefined && isEventOf(event, 'study.unrouted') && event.data).to.deep.equal({
      studyInstanceUid: STUDY,
      revision: 1,
      instances: 3,
      routesTried: 2,
      configVersion: 'v',
    });
    expect((await ledger.studies.get(STUDY))?.state).to.equal('unrouted');
    expect(await ledger.runs.ofStudy(STUDY)).to.deep.equal([]);
    expect(lines).to.have.lengthOf(1);
    expect(lines[0]?.message).to.equal('study matched no route');
    expect(lines[0]?.fields['tried']).to.deep.equal({ ct: ['Modality', 'PatientName'], pet: ['Modality'] });
    expect(await counted('hub_studies_unrouted_total')).to.deep.equal(['hub_studies_unrouted_total 1']);
  });

  it('decides once, however often the event comes', async () => {
    active = { configVersion: 'v', routes: [aRoute('all', {})] };
    await receive();
    await decided(1);
    await waitFor('the counter', async () => (await counted('hub_routes_matched_total{')).length === 1);

    await bus.seek('routers', 1);
    await record(ledger, received(3));
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());
    await decided(2);

    const runs = await ledger.runs.ofStudy(STUDY);
    expect(runs.map(({ revision }) => revision).toSorted()).to.deep.equal([1, 2]);
    await waitFor(
      'the counter',
      async () => (await counted('hub_routes_matched_total{'))[0] === 'hub_routes_matched_total{route="all"} 2',
    );
    expect(await decisions()).to.have.lengthOf(2);
  });

  it('holds a study that was given away and came back more often than can be meant', async () => {
    active = { configVersion: 'v', routes: [aRoute('all', {}, { deliver: ['out'] })] };
    const uids = [1, 2, 3, 4, 5].map((n) => parseStudyInstanceUid(`1.2.826.9.${String(n)}`));
    for (const [index, studyInstanceUid] of uids.entries()) {
      const came = { studyInstanceUid, seriesInstanceUid: parseSeriesInstanceUid(`${studyInstanceUid}.1`) };
      await completeStudy(ledger, clock, received(index + 1, { ...came, attributes: BRAIN }));
      await decided(index + 1);
      const next = uids[index + 1];
      const [run] = await ledger.runs.ofStudy(studyInstanceUid);
      if (next === undefined || run === undefined) continue;
      // As two destinations had it, of which one leads back.
      for (const destination of ['out', 'other']) {
        const deliveryId = randomUUID();
        const delivery = { deliveryId, runId: run.runId, destination, releasedStudyInstanceUid: next };
        await ledger.deliveries.open({ group: 'connectors', eventId: deliveryId }, [delivery]);
      }
    }

    const events = (await decisions()).filter(({ type }) => type !== 'study.quarantined');
    expect(events.map(({ type }) => type)).to.deep.equal([
      ...Array.from({ length: 4 }, () => 'study.routed'),
      'study.unrouted',
    ]);
    const [entry, ...more] = await ledger.quarantine.list({ limit: 10 });
    expect(entry).to.deep.include({
      stage: 'routers',
      reason: 'study.loop',
      studyInstanceUid: uids[4],
      holdsStudy: true,
    });
    expect(more).to.deep.equal([]);
    expect((await ledger.studies.get(parseStudyInstanceUid('1.2.826.9.5')))?.held).to.equal(true);
  });

  it('takes the routes that are in force when the study comes', async () => {
    active = { configVersion: 'one', routes: [] };
    await receive();
    await decided(1);

    active = { configVersion: 'two', routes: [aRoute('all', {})] };
    await record(ledger, received(3));
    await ledger.studies.complete({ studyInstanceUid: STUDY, signal: 'manual' }, clock.now());

    const events = await decided(2);
    expect(events.map(({ type, data }) => [type, 'configVersion' in data && data.configVersion])).to.deep.equal([
      ['study.unrouted', 'one'],
      ['study.routed', 'two'],
    ]);
  });

  it('does not route what the ledger has no series of, and asks again', async () => {
    active = { configVersion: 'v', routes: [aRoute('all', {})] };
    await ledger.events.append([
      {
        type: 'study.completed',
        stream: 'hub.ingest.v1',
        key: '1.2.3',
        data: { studyInstanceUid: '1.2.3', revision: 1, instances: 1, source: 'pv-7t', signal: 'manual', quietMs: 0 },
      },
    ]);

    await waitFor('the event is parked', async () => (await ledger.groups.parked('routers')).length === 1);

    expect(await decisions()).to.deep.equal([]);
  });

  it('marks what follows from a replayed event', async () => {
    active = { configVersion: 'v', routes: [aRoute('all', {})] };
    await receive();
    await decided(1);
    await ledger.events.append([
      {
        type: 'study.completed',
        stream: 'hub.ingest.v1',
        key: STUDY,
        replayOf: '00000000-0000-7000-8000-000000000000',
        data: { studyInstanceUid: STUDY, revision: 1, instances: 3, source: 'pv-7t', signal: 'manual', quietMs: 0 },
      },
    ]);

    const [first, second] = await decided(2);

    expect([first?.replayOf, second?.replayOf]).to.deep.equal([undefined, '00000000-0000-7000-8000-000000000000']);
  });

  it('sends what it decides anew to the destinations that a replay names, and nowhere else', async () => {
    active = { configVersion: 'v', routes: [aRoute('all', {}, { deliver: ['kct-pacs'] })] };
    await receive();
    await decided(1);
    await ledger.events.append([
      {
        type: 'study.completed',
        stream: 'hub.ingest.v1',
        key: STUDY,
        data: {
          ...{ studyInstanceUid: STUDY, revision: 1, instances: 3, source: 'pv-7t', signal: 'manual', quietMs: 0 },
          replayTo: ['ours'],
        },
      },
    ]);

    const events = await decided(2);

    expect(events.map(({ data }) => 'destinations' in data && data.destinations)).to.deep.equal([
      ['kct-pacs'],
      ['ours'],
    ]);
    expect((await ledger.runs.ofStudy(STUDY)).map(({ destinations }) => destinations)).to.deep.equal([
      ['kct-pacs'],
      ['ours'],
    ]);
  });

  it('can be stopped twice', async () => {
    await router.stop();
    await router.stop();
  });
});
