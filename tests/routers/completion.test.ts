import { expect } from 'chai';
import { parseSeriesInstanceUid } from '../../core/identifiers.ts';
import type { SeriesRow } from '../../core/ledger/studies.ts';
import { type PatientRoute, patienceOf, shortestQuietMs } from '../../routers/completion.ts';
import type { RouteCompletion } from '../../routers/route.ts';
import { ruleSchema } from '../../routers/rules.ts';

const T1 = { SeriesDescription: { like: '*T1*' } };
const T2 = { SeriesDescription: { like: '*T2*' } };
const NOW = Date.parse('2026-03-01T12:00:00Z');
const STUDY = [aSeries('1.1', 'MR', 'T2 brain'), aSeries('1.2', 'MR', 'localizer')];

describe('the patience of the routes', () => {
  it('is none when no route would match', () => {
    expect(patienceOf([aRoute('ct', { Modality: 'CT' }, { quietMs: 9_000 })], STUDY, NOW)).to.deep.equal({
      quietMs: [],
      forceMs: [],
      required: [],
      whenMissing: 'proceed',
    });
  });

  it('is that of each route that would match, and of no route that is off', () => {
    const routes = [
      aRoute('one', {}, { quietMs: 5_000 }),
      aRoute('two', { Modality: 'MR' }, { forceMs: 60_000 }),
      { ...aRoute('off', {}, { quietMs: 90_000 }), enabled: false },
      { name: 'plain', enabled: true, when: ruleSchema.parse({}) },
    ];

    const { quietMs, forceMs } = patienceOf(routes, STUDY, NOW);

    expect(quietMs).to.deep.equal([5_000, undefined, undefined]);
    expect(forceMs).to.deep.equal([undefined, 60_000, undefined]);
  });

  it('asks for every series that a matching route requires', () => {
    const routes = [
      aRoute('brain', {}, { requiredSeries: [T1, T2] }),
      aRoute('heart', { Modality: 'CT' }, { requiredSeries: [T1] }),
    ];

    expect(patienceOf(routes, STUDY, NOW).required).to.deep.equal([
      { route: 'brain', met: false },
      { route: 'brain', met: true },
    ]);
  });

  it('is judged again as series come', () => {
    const routes = [aRoute('brain', {}, { requiredSeries: [T1] })];

    const { required } = patienceOf(routes, [...STUDY, aSeries('1.3', 'MR', 'T1 brain')], NOW);

    expect(required).to.deep.equal([{ route: 'brain', met: true }]);
  });

  it('holds when a route that holds misses something, whatever the others say', () => {
    const routes = [
      aRoute('proceeds', {}, { requiredSeries: [T1] }),
      aRoute('holds', {}, { requiredSeries: [T1], whenMissing: 'hold' }),
    ];

    expect(patienceOf(routes, STUDY, NOW).whenMissing).to.equal('hold');
  });

  it('does not hold when a route that holds has what it requires', () => {
    const routes = [
      aRoute('proceeds', {}, { requiredSeries: [T1] }),
      aRoute('holds', {}, { requiredSeries: [T2], whenMissing: 'hold' }),
    ];

    expect(patienceOf(routes, STUDY, NOW).whenMissing).to.equal('proceed');
  });

  it('is that of a fallback route only for a study that nothing else takes, and of no route out of effect', () => {
    const routes = [
      { ...aRoute('rest', {}, { quietMs: 9_000 }), fallback: true },
      { ...aRoute('later', {}, { quietMs: 7_000 }), effectiveFrom: '2026-03-02T00:00:00.000Z' },
      aRoute('brain', { SeriesDescription: { like: '*brain' } }, { quietMs: 5_000 }),
    ];

    expect(patienceOf(routes, STUDY, NOW).quietMs).to.deep.equal([5_000]);
    expect(patienceOf(routes, [aSeries('1.4', 'CT', 'knee')], NOW).quietMs).to.deep.equal([9_000]);
  });

  it('has a shortest quiet period where a route that is on has one', () => {
    const routes = [
      aRoute('one', {}, { quietMs: 5_000 }),
      aRoute('two', {}, { quietMs: 3_000 }),
      { ...aRoute('off', {}, { quietMs: 1_000 }), enabled: false },
    ];

    expect(shortestQuietMs(routes)).to.equal(3_000);
    expect(shortestQuietMs([aRoute('none', {}, {})])).to.equal(undefined);
  });
});

type Written = Partial<Omit<RouteCompletion, 'requiredSeries'>> & { readonly requiredSeries?: readonly unknown[] };

function aRoute(name: string, when: unknown, { requiredSeries = [], ...rest }: Written): PatientRoute {
  const rules = requiredSeries.map((rule) => ruleSchema.parse(rule));
  return {
    name,
    enabled: true,
    when: ruleSchema.parse(when),
    completion: { whenMissing: 'proceed', ...rest, requiredSeries: rules },
  };
}

function aSeries(uid: string, modality: string, description: string): SeriesRow {
  return {
    seriesInstanceUid: parseSeriesInstanceUid(uid),
    instances: 10,
    provenance: { door: 'dimse', source: 'pv-7t', associationId: 'association-1' },
    attributes: { Modality: [modality], SeriesDescription: [description] },
  };
}
