import { expect } from 'chai';
import { decide, decideAll, seriesFacts, takenBy } from '../../routers/route.ts';
import { parseSeriesInstanceUid } from '../../core/identifiers.ts';
import { aRoute, aSeries, STUDY } from './studies.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');

describe('a route', () => {
  const uids = (series: readonly { seriesInstanceUid: string }[]) => series.map((each) => each.seriesInstanceUid);

  it('takes the whole study when one of its series fulfils the rule', () => {
    const decision = decide(aRoute('r', { SeriesDescription: { matches: 'brain' } }), STUDY);

    expect(decision.matched).to.equal(true);
    expect(uids(decision.going)).to.deep.equal(['1.1', '1.2', '1.3']);
    expect(decision.series.map(({ explanation }) => explanation.matched)).to.deep.equal([true, false, false]);
  });

  it('takes the matching series alone with perSeries', () => {
    const decision = decide(aRoute('r', { Modality: 'MR' }, { perSeries: true }), STUDY);

    expect(uids(decision.going)).to.deep.equal(['1.1', '1.2']);
  });

  it('does not take a study whose series fulfil the rule only together', () => {
    const decision = decide(aRoute('r', { Modality: 'SR', SeriesDescription: { exists: true } }), STUDY);

    expect(decision.matched).to.equal(false);
    expect(decision.going).to.deep.equal([]);
  });

  it('takes nothing from a study without series', () => {
    expect(decide(aRoute('r', {}), []).matched).to.equal(false);
  });

  it('is not asked when it is not enabled', () => {
    const decisions = decideAll(
      [aRoute('a', {}), aRoute('b', {}, { enabled: false }), aRoute('c', { Modality: 'CT' })],
      STUDY,
      NOW,
    );

    expect(decisions.map(({ route, matched }) => [route.name, matched])).to.deep.equal([
      ['a', true],
      ['c', false],
    ]);
  });

  it('sees a row of the ledger as facts', () => {
    const row = {
      seriesInstanceUid: parseSeriesInstanceUid('1.1'),
      instances: 20,
      provenance: { source: 'pv-7t', door: 'dimse', callingAeTitle: 'PV7T', calledAeTitle: 'HUB', associationId: 'x' },
      attributes: { Modality: ['MR'] },
    } as const;

    expect(seriesFacts(row)).to.deep.equal(aSeries('1.1', { Modality: ['MR'] }, 20));
  });

  it('takes as a fallback only what nothing else takes', () => {
    const routes = [aRoute('rest', {}, { fallback: true }), aRoute('mr', { Modality: 'MR' })];

    const taken = (study: typeof STUDY) =>
      decideAll(routes, study, NOW).map(({ route, matched }) => [route.name, matched]);

    expect(taken(STUDY)).to.deep.equal([['mr', true]]);
    expect(taken([aSeries('2.1', { Modality: ['CT'] })])).to.deep.equal([
      ['rest', true],
      ['mr', false],
    ]);
  });

  it('takes as a fallback with perSeries the series that nothing else takes, and is not asked when there are none', () => {
    const routes = (when: unknown) => [
      aRoute('mr', when, { perSeries: true }),
      aRoute('rest', {}, { fallback: true, perSeries: true }),
    ];

    const going = (when: unknown) =>
      decideAll(routes(when), STUDY, NOW).map((decision) => [decision.route.name, uids(decision.going)]);

    expect(going({ Modality: 'MR' })).to.deep.equal([
      ['mr', ['1.1', '1.2']],
      ['rest', ['1.3']],
    ]);
    expect(going({})).to.deep.equal([['mr', ['1.1', '1.2', '1.3']]]);
  });

  it('holds from its first moment until the one that is named', () => {
    const route = aRoute(
      'r',
      {},
      { effectiveFrom: '2026-03-01T00:00:00.000Z', effectiveUntil: '2026-03-02T00:00:00.000Z' },
    );

    const isAsked = (time: string) => decideAll([route], STUDY, Date.parse(time)).length === 1;

    expect(
      ['2026-02-28T23:59:59.999Z', '2026-03-01T00:00:00Z', '2026-03-01T23:59:59.999Z', '2026-03-02T00:00:00Z'].map(
        isAsked,
      ),
    ).to.deep.equal([false, true, true, false]);
  });

  it('is taken the same way with and without an explanation', () => {
    const routes = [
      aRoute('brain', { SeriesDescription: { matches: 'brain' } }),
      aRoute('not-mr', { not: { Modality: 'MR' } }, { perSeries: true }),
      aRoute('any', { any: [{ Modality: 'CT' }, { SeriesDescription: { exists: false } }] }),
      aRoute('off', {}, { enabled: false }),
      aRoute('rest', {}, { fallback: true }),
      aRoute('left', { Modality: 'MR' }, { fallback: true, perSeries: true }),
    ];
    const studies = [STUDY, STUDY.slice(0, 1), STUDY.slice(1, 2), STUDY.slice(2), []];

    // Every subset of the routes.
    for (let mask = 0; mask < 2 ** routes.length; mask += 1) {
      const some = routes.filter((_, index) => (mask & (1 << index)) !== 0);
      for (const study of studies) {
        const explained = decideAll(some, study, NOW).filter(({ matched }) => matched);
        expect([...takenBy(some, study, NOW)]).to.deep.equal(explained.map(({ route, going }) => [route, going]));
      }
    }
  });
});
