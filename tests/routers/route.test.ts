import { expect } from 'chai';
import { decide, decideAll, seriesFacts } from '../../routers/route.ts';
import { parseSeriesInstanceUid } from '../../core/identifiers.ts';
import { aRoute, aSeries, STUDY } from './studies.ts';

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
});
