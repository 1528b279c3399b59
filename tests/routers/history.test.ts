import { expect } from 'chai';
import { diffRoutes, type HistoricStudy } from '../../routers/history.ts';
import { aRoute, aSeries, STUDY } from './studies.ts';

const BRAIN: HistoricStudy = { studyInstanceUid: '1', revision: 1, series: STUDY };
const KNEE: HistoricStudy = {
  studyInstanceUid: '2',
  revision: 2,
  series: [aSeries('2.1', { Modality: ['MR'], SeriesDescription: ['knee'] })],
};
const CT: HistoricStudy = { studyInstanceUid: '3', revision: 1, series: [aSeries('3.1', { Modality: ['CT'] })] };

describe('diffRoutes', () => {
  it('finds nothing when nothing changed', async () => {
    const routes = [aRoute('mr', { Modality: 'MR' }, { deliver: ['a', 'b'] })];
    const same = [aRoute('mr', { Modality: 'MR' }, { deliver: ['b', 'a'] })];

    expect(await diffRoutes(routes, same, [BRAIN, KNEE, CT])).to.deep.equal({
      studies: 3,
      unroutedBefore: 1,
      unroutedAfter: 1,
      routes: [{ route: 'mr', before: 2, after: 2 }],
      changes: [],
    });
  });

  it('tells which studies a route would gain and lose, and which would go nowhere', async () => {
    const before = [aRoute('mr', { Modality: 'MR' }, { deliver: ['a'] })];
    const after = [
      aRoute('mr', { SeriesDescription: { matches: 'brain' } }, { deliver: ['a'] }),
      aRoute('ct', { Modality: 'CT' }, { deliver: ['b'] }),
    ];

    const diff = await diffRoutes(before, after, [BRAIN, KNEE, CT]);

    expect(diff.routes).to.deep.equal([
      { route: 'mr', before: 2, after: 1 },
      { route: 'ct', before: 0, after: 1 },
    ]);
    expect([diff.unroutedBefore, diff.unroutedAfter]).to.deep.equal([1, 1]);
    expect(diff.changes).to.deep.equal([
      {
        studyInstanceUid: '2',
        revision: 2,
        routes: [{ route: 'mr', change: 'lost', destinations: ['a'] }],
        becomesUnrouted: true,
      },
      {
        studyInstanceUid: '3',
        revision: 1,
        routes: [{ route: 'ct', change: 'gained', destinations: ['b'] }],
        becomesUnrouted: false,
      },
    ]);
  });

  for (const [title, change] of [
    ['another destination', { deliver: ['b'] }],
    ['another step', { process: [{ processor: 'qc', argument: undefined }] }],
    ['fewer series', { perSeries: true }],
  ] as const) {
    it(`sees a route that matches as before and has ${title}`, async () => {
      const before = aRoute('brain', { SeriesDescription: { matches: 'brain' } }, { deliver: ['a'] });

      const { changes } = await diffRoutes([before], [{ ...before, ...change }], [BRAIN]);

      expect(changes.flatMap(({ routes }) => routes.map((each) => each.change))).to.deep.equal(['changed']);
    });
  }

  it('takes a route that is not enabled any more for lost', async () => {
    const { changes } = await diffRoutes([aRoute('all', {})], [aRoute('all', {}, { enabled: false })], [CT]);

    expect(changes[0]?.routes).to.deep.equal([{ route: 'all', change: 'lost', destinations: [] }]);
  });
});
