import { expect } from 'chai';
import { diffRoutes, type HistoricStudy, type RoutingView } from '../../routers/history.ts';
import type { Route } from '../../routers/route.ts';
import { ruleSchema } from '../../routers/rules.ts';
import { aRoute, aSeries, STUDY } from './studies.ts';

const NOON = Date.parse('2026-03-01T12:00:00Z');
const BRAIN: HistoricStudy = { studyInstanceUid: '1', revision: 1, completedAtMs: NOON, series: STUDY };
const KNEE: HistoricStudy = {
  studyInstanceUid: '2',
  revision: 2,
  completedAtMs: NOON,
  series: [aSeries('2.1', { Modality: ['MR'], SeriesDescription: ['knee'] })],
};
const CT: HistoricStudy = {
  studyInstanceUid: '3',
  revision: 1,
  completedAtMs: NOON,
  series: [aSeries('3.1', { Modality: ['CT'] })],
};

function view(routes: readonly Route[], rest: Partial<RoutingView> = {}): RoutingView {
  return { routes, destinations: [], meaningOf: (step) => JSON.stringify(step), ...rest };
}

describe('diffRoutes', () => {
  it('finds nothing when nothing changed', async () => {
    const routes = [aRoute('mr', { Modality: 'MR' }, { deliver: ['a', 'b'] })];
    const same = [aRoute('mr', { Modality: 'MR' }, { deliver: ['b', 'a'] })];

    expect(await diffRoutes(view(routes), view(same), [BRAIN, KNEE, CT])).to.deep.equal({
      studies: 3,
      unroutedBefore: 1,
      unroutedAfter: 1,
      heldBefore: 0,
      heldAfter: 0,
      routes: [{ route: 'mr', before: 2, after: 2 }],
      destinations: [
        { destination: 'a', change: 'same', before: 2, after: 2 },
        { destination: 'b', change: 'same', before: 2, after: 2 },
      ],
      steps: [],
      changed: 0,
      changes: [],
    });
  });

  it('tells which studies a route would gain and lose, and which would go nowhere', async () => {
    const before = [aRoute('mr', { Modality: 'MR' }, { deliver: ['a'] })];
    const after = [
      aRoute('mr', { SeriesDescription: { matches: 'brain' } }, { deliver: ['a'] }),
      aRoute('ct', { Modality: 'CT' }, { deliver: ['b'] }),
    ];

    const diff = await diffRoutes(view(before), view(after), [BRAIN, KNEE, CT]);

    expect(diff.routes).to.deep.equal([
      { route: 'mr', before: 2, after: 1 },
      { route: 'ct', before: 0, after: 1 },
    ]);
    expect([diff.unroutedBefore, diff.unroutedAfter, diff.changed]).to.deep.equal([1, 1, 2]);
    expect(diff.changes).to.deep.equal([
      {
        studyInstanceUid: '2',
        revision: 2,
        routes: [{ route: 'mr', change: 'lost', destinations: ['a'] }],
        gains: [],
        losses: ['a'],
        becomesUnrouted: true,
        becomesHeld: false,
      },
      {
        studyInstanceUid: '3',
        revision: 1,
        routes: [{ route: 'ct', change: 'gained', destinations: ['b'] }],
        gains: ['b'],
        losses: [],
        becomesUnrouted: false,
        becomesHeld: false,
      },
    ]);
  });

  for (const [title, why, change] of [
    ['another destination', 'destinations', { deliver: ['b'] }],
    ['another step', 'steps', { process: [{ processor: 'qc', argument: undefined }] }],
    ['fewer series', 'series', { perSeries: true }],
  ] as const) {
    it(`sees a route that matches as before and has ${title}`, async () => {
      const before = aRoute('brain', { SeriesDescription: { matches: 'brain' } }, { deliver: ['a'] });

      const { changes } = await diffRoutes(view([before]), view([{ ...before, ...change }]), [BRAIN]);

      expect(changes.flatMap(({ routes }) => routes.map((each) => [each.change, each.why]))).to.deep.equal([
        ['changed', [why]],
      ]);
    });
  }

  it('sees a policy or model that means something else under the same name, with whom it concerns', async () => {
    const route = aRoute(
      'mr',
      { Modality: 'MR' },
      {
        process: [
          { processor: 'deidentify', argument: 'kct' },
          { processor: 'qc', argument: { limits: {} } },
        ],
        deliver: ['a', 'b'],
      },
    );
    const destinations = [{ name: 'a', partner: 'kct' }, { name: 'b' }];
    const after = view([route], { destinations, meaningOf: (step) => `${JSON.stringify(step)} made stricter` });

    const twice = { ...route, name: 'again', deliver: ['a'] };
    const both = [route, twice];

    const diff = await diffRoutes(view(both, { destinations }), { ...after, routes: both }, [BRAIN, KNEE, CT]);

    expect(diff.changes.map(({ routes }) => routes[0]?.why)).to.deep.equal([['policy-or-model'], ['policy-or-model']]);
    expect(diff.steps).to.deep.equal([
      { step: 'deidentify: kct', routes: ['mr', 'again'], destinations: ['a', 'b'], partners: ['kct'], studies: 2 },
      { step: 'qc', routes: ['mr', 'again'], destinations: ['a', 'b'], partners: ['kct'], studies: 2 },
    ]);
  });

  it('counts what each destination would get, and says which of them are not what they were', async () => {
    const before = view([aRoute('mr', { Modality: 'MR' }, { deliver: ['a', 'gone'] })], {
      destinations: [{ name: 'a', partner: 'kct' }, { name: 'gone' }, { name: 'idle' }],
    });
    const after = view([aRoute('mr', { Modality: 'MR' }, { deliver: ['a', 'new'] })], {
      destinations: [{ name: 'a', partner: 'other' }, { name: 'new' }, { name: 'idle' }],
    });

    const { destinations, changes } = await diffRoutes(before, after, [BRAIN]);

    expect(destinations).to.deep.equal([
      { destination: 'a', partner: 'other', change: 'changed', before: 1, after: 1 },
      { destination: 'gone', change: 'removed', before: 1, after: 0 },
      { destination: 'idle', change: 'same', before: 0, after: 0 },
      { destination: 'new', change: 'added', before: 0, after: 1 },
    ]);
    expect(changes[0]).to.deep.include({ gains: ['new'], losses: ['gone'] });
  });

  it('takes a route that is not enabled any more for lost', async () => {
    const { changes } = await diffRoutes(view([aRoute('all', {})]), view([aRoute('all', {}, { enabled: false })]), [
      CT,
    ]);

    expect(changes[0]?.routes).to.deep.equal([{ route: 'all', change: 'lost', destinations: [] }]);
  });

  it('judges routes with dates by when each study was complete, or by the moment that is asked for', async () => {
    const route = aRoute('mr', { Modality: 'MR' }, { deliver: ['a'] });
    const later = { ...route, effectiveFrom: '2026-06-01T00:00:00.000Z' };
    const rest = aRoute('rest', {}, { fallback: true, deliver: ['b'] });

    const then = await diffRoutes(view([route, rest]), view([later, rest]), [BRAIN]);
    const inJune = await diffRoutes(view([route, rest]), view([later, rest]), [BRAIN], {
      atMs: Date.parse('2026-06-01T00:00:00Z'),
    });

    expect(then.changes[0]).to.deep.include({ gains: ['b'], losses: ['a'] });
    expect(inJune.changed).to.equal(0);
    expect(inJune.routes).to.deep.equal([
      { route: 'mr', before: 1, after: 1, settings: ['effectiveFrom'] },
      { route: 'rest', before: 0, after: 0 },
    ]);
  });

  it('tells which studies would wait for series that never came', async () => {
    const route = aRoute('mr', { Modality: 'MR' });
    const strict = {
      ...route,
      completion: { whenMissing: 'hold' as const, requiredSeries: [ruleSchema.parse({ SeriesDescription: 'knee' })] },
    };

    const diff = await diffRoutes(view([route]), view([strict]), [BRAIN, KNEE, CT]);

    expect([diff.heldBefore, diff.heldAfter, diff.changed]).to.deep.equal([0, 1, 1]);
    expect(diff.changes[0]).to.deep.include({ studyInstanceUid: '1', becomesHeld: true, routes: [] });
    expect(diff.routes[0]?.settings).to.deep.equal(['completion']);
  });

  it('lists as many changed studies as are wanted, and counts all', async () => {
    const { changed, changes } = await diffRoutes(view([]), view([aRoute('all', {})]), [BRAIN, KNEE, CT], {
      maxChanges: 1,
    });

    expect([changed, changes.length]).to.deep.equal([3, 1]);
  });
});
