import { expect } from 'chai';
import { explainStudy, explanationLines } from '../../routers/explain.ts';
import { match } from '../../routers/match.ts';
import { ruleSchema } from '../../routers/rules.ts';
import { aRoute, aSeries, STUDY } from './studies.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');

describe('explainStudy', () => {
  it('says of every route whether it matches, what would go and where', () => {
    const explained = explainStudy(
      [
        aRoute(
          'brain',
          { SeriesDescription: { matches: 'brain' } },
          { perSeries: true, process: [{ processor: 'qc', argument: undefined }], deliver: ['pacs'] },
        ),
        aRoute('ct', { Modality: 'CT' }),
        aRoute('all', {}, { enabled: false }),
      ],
      STUDY,
      NOW,
    );

    expect(explained.matched).to.deep.equal(['brain']);
    expect(
      explained.routes.map(({ route, verdict, going, processors, destinations }) => [
        route,
        verdict,
        going,
        processors,
        destinations,
      ]),
    ).to.deep.equal([
      ['brain', 'matches', ['1.1'], ['qc'], ['pacs']],
      ['ct', 'does not match', [], [], []],
      ['all', 'disabled', [], [], []],
    ]);
    expect(
      explained.routes[0]?.series.map((each) => [each.seriesInstanceUid, each.instances, each.explanation.matched]),
    ).to.deep.equal([
      ['1.1', 20, true],
      ['1.2', 3, false],
      ['1.3', 1, false],
    ]);
  });

  it('says of a fallback route and of one with dates why they are not asked', () => {
    const verdicts = (study: typeof STUDY) =>
      explainStudy(
        [
          aRoute('rest', {}, { fallback: true, deliver: ['other'] }),
          aRoute('next', { Modality: 'MR' }, { effectiveFrom: '2026-03-02T00:00:00.000Z' }),
          aRoute('past', { Modality: 'MR' }, { effectiveUntil: '2026-03-01T12:00:00.000Z' }),
          aRoute('mr', { Modality: 'MR' }),
        ],
        study,
        NOW,
      ).routes.map(({ route, verdict, fallback, going }) => [route, verdict, fallback ?? false, going.length]);

    expect(verdicts(STUDY)).to.deep.equal([
      ['rest', 'not needed', true, 0],
      ['next', 'not in effect', false, 0],
      ['past', 'not in effect', false, 0],
      ['mr', 'matches', false, 3],
    ]);
    expect(verdicts([aSeries('3.1', { Modality: ['CT'] })]).map(([route, verdict]) => [route, verdict])).to.deep.equal([
      ['rest', 'matches'],
      ['next', 'not in effect'],
      ['past', 'not in effect'],
      ['mr', 'does not match'],
    ]);
  });
});

describe('explanationLines', () => {
  const lines = (rule: unknown) =>
    explanationLines(
      match(
        ruleSchema.parse(rule),
        aSeries('1.1', { Modality: ['MR'], StudyDescription: ['Rat Brain'], ImageType: ['A', 'B'] }).facts,
      ),
    );

  it('puts verdict, test, expectation and value in columns', () => {
    expect(
      lines({ source: 'pv-7t', StudyDescription: { matches: 'brain' }, ImageType: ['B'], PatientSex: 'F' }),
    ).to.deep.equal([
      'yes source            equals "pv-7t"   is "pv-7t"',
      'no  StudyDescription  matches /brain/  is "Rat Brain" (differs only in upper and lower case)',
      'yes ImageType         equals "B"       is "A", "B"',
      'no  PatientSex        equals "F"       is not there',
    ]);
  });

  it('indents what nests, and leaves out an all of one', () => {
    expect(
      lines({ any: [{ Modality: 'CT' }, { Modality: 'MR', ImageType: 'A' }], not: { all: [{ Modality: 'CT' }] } }),
    ).to.deep.equal([
      'yes any',
      'no    Modality     equals "CT"  is "MR"',
      'yes   all',
      'yes     Modality   equals "MR"  is "MR"',
      'yes     ImageType  equals "A"   is "A", "B"',
      'yes not',
      'no    Modality     equals "CT"  is "MR"',
    ]);
  });

  it('says that the empty rule is every study', () => {
    expect(lines({})).to.deep.equal(['yes (no condition: every study)']);
  });

  it('explains a part of a rule by itself', () => {
    expect(
      explanationLines(match({ key: 'Modality', kind: 'text', is: { exists: true } }, { attributes: {} })),
    ).to.deep.equal(['no  Modality  has a value  is not there']);
  });
});
