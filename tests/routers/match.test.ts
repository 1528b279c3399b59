import { expect } from 'chai';
import type { SeriesRow } from '../../core/ledger/studies.ts';
import { parseSeriesInstanceUid } from '../../core/identifiers.ts';
import { type Facts, factsOf, failedKeys, match, redacted } from '../../routers/match.ts';
import { type Rule, ruleSchema } from '../../routers/rules.ts';

const SERIES: Facts = {
  source: 'pv-7t',
  door: 'dimse',
  callingAeTitle: 'PV7T',
  calledAeTitle: 'HUB',
  attributes: {
    Modality: ['MR'],
    StudyDescription: ['Rat Brain T2'],
    ImageType: ['ORIGINAL', 'PRIMARY', 'M'],
    EchoTime: ['30.0'],
    SliceThickness: ['thin'],
    MagneticFieldStrength: ['7'],
    PixelSpacing: ['0.1', '0.2'],
    StudyDate: ['20260331'],
    StudyTime: ['083000'],
    AcquisitionDateTime: ['20260331083000+0200'],
    PatientAge: ['008W'],
    PatientID: ['007'],
    PatientName: ['Doe^Jane'],
    AccessionNumber: [''],
    LargestMonochromePixelValue: ['2.8940000534057617'],
    RealWorldValueSlope: ['2.5'],
  },
};

function verdict(rule: unknown, facts: Facts = SERIES): boolean {
  return match(ruleSchema.parse(rule), facts).matched;
}

describe('match', () => {
  for (const [rule, expected] of [
    [{}, true],
    [{ source: 'pv-7t' }, true],
    [{ source: ['pv-9t', 'pv-7t'] }, true],
    [{ source: 'PV-7T' }, false],
    [{ source: { like: 'PV-*' } }, true],
    [{ door: 'dimse' }, true],
    [{ door: ['stow-rs', 'folder'] }, false],
    [{ callingAeTitle: 'PV7T', calledAeTitle: 'HUB' }, true],
    [{ callingAeTitle: { matches: '^PV\\dT$' } }, true],
    [{ Modality: 'MR' }, true],
    [{ Modality: 'mr' }, false],
    [{ Modality: ['CT', 'MR'] }, true],
    [{ '(0008,0060)': 'MR' }, true],
    [{ PatientID: '007' }, true],
    [{ PatientID: '7' }, false],
    [{ ImageType: 'PRIMARY' }, true],
    [{ ImageType: 'DERIVED' }, false],
    [{ ImageType: { matches: '^M$' } }, true],
    [{ EchoTime: 30 }, true],
    [{ EchoTime: '30.00' }, true],
    [{ EchoTime: { gte: 30, lte: 30 } }, true],
    [{ EchoTime: { gte: 30.1 } }, false],
    [{ EchoTime: { lte: 29 } }, false],
    [{ SliceThickness: { gte: 0 } }, false],
    [{ SliceThickness: 1 }, false],
    [{ RealWorldValueSlope: 2.5 }, true],
    [{ PixelSpacing: 0.2 }, true],
    // One and the same value must be inside.
    [{ PixelSpacing: { gte: 0.15, lte: 0.16 } }, false],
    [{ PixelSpacing: { gte: 0.15, lte: 0.25 } }, true],
    [{ StudyDate: '2026-03-31' }, true],
    [{ StudyDate: { gte: 20260101, lte: '20261231' } }, true],
    [{ StudyDate: { gte: '2026-04-01' } }, false],
    [{ StudyTime: { gte: '08:00', lte: '09:00' } }, true],
    [{ AcquisitionDateTime: { gte: '2026-03-31T06:00:00', lte: '2026-03-31T07:00:00Z' } }, true],
    [{ PatientAge: { lte: '012W' } }, true],
    [{ PatientAge: { gte: '1Y' } }, false],
    [{ StudyDescription: { matches: 'Brain' } }, true],
    [{ StudyDescription: { matches: 'brain' } }, false],
    [{ StudyDescription: { matches: 'brain', ignoreCase: true } }, true],
    [{ StudyDescription: { matches: '^Brain' } }, false],
    [{ StudyDescription: { like: 'rat*' } }, true],
    [{ StudyDescription: { like: 'brain' } }, false],
    [{ StudyDescription: { like: 'r?t brain t2' } }, true],
    [{ StudyDescription: { like: '*[b]*' } }, false],
    [{ StudyDescription: { like: '*brain*', matches: 'T2$' } }, true],
    [{ StudyDescription: { like: '*brain*', matches: 'T1$' } }, false],
    [{ StudyDescription: { exists: true } }, true],
    [{ StudyDescription: { exists: false } }, false],
    [{ StudyDescription: { absent: true } }, false],
    [{ AccessionNumber: { exists: true } }, false],
    [{ AccessionNumber: { absent: true } }, true],
    [{ BodyPartExamined: { exists: false } }, true],
    [{ BodyPartExamined: 'BRAIN' }, false],
    [{ BodyPartExamined: { like: '*' } }, false],
    [{ Modality: 'MR', EchoTime: 30 }, true],
    [{ Modality: 'MR', EchoTime: 31 }, false],
    [{ any: [{ Modality: 'CT' }, { EchoTime: 30 }] }, true],
    [{ any: [{ Modality: 'CT' }, { EchoTime: 31 }] }, false],
    [{ all: [{ Modality: 'MR' }, { EchoTime: 30 }] }, true],
    [{ not: { Modality: 'MR', EchoTime: 31 } }, true],
    [{ not: { Modality: 'MR' } }, false],
    [{ not: { BodyPartExamined: 'HEAD' } }, true],
    [{ Modality: 'MR', not: { any: [{ EchoTime: { gte: 100 } }, { not: { source: 'pv-7t' } }] } }, true],
  ] as const) {
    it(`${expected ? 'holds' : 'does not hold'}: ${JSON.stringify(rule)}`, () => {
      expect(verdict(rule)).to.equal(expected);
    });
  }

  it('compares single precision as the header holds it', () => {
    const facts = { attributes: { RecommendedDisplayFrameRateInFloat: ['2.8940000534057617'] } };

    expect(verdict({ RecommendedDisplayFrameRateInFloat: 2.894 }, facts)).to.equal(true);
    expect(verdict({ RecommendedDisplayFrameRateInFloat: 2.895 }, facts)).to.equal(false);
  });

  it('knows no source where none is known', () => {
    expect(verdict({ source: { exists: true } }, { attributes: {} })).to.equal(false);
    expect(verdict({ source: 'pv-7t' }, { attributes: {} })).to.equal(false);
  });

  it('explains every test, also those that no longer decide', () => {
    const rule = ruleSchema.parse({
      Modality: ['CT', 'PT'],
      StudyDescription: { matches: 'brain' },
      EchoTime: { gte: 10, lte: 40 },
      BodyPartExamined: { exists: true },
      AccessionNumber: { absent: true },
      source: { like: 'pv*' },
      PatientSex: { matches: 'm', ignoreCase: true },
    });

    const explanation = match(rule, SERIES);

    expect(explanation.matched).to.equal(false);
    expect('parts' in explanation ? explanation.parts : []).to.deep.equal([
      {
        kind: 'test',
        key: 'Modality',
        tests: ['equals'],
        expected: 'equals "CT" or "PT"',
        present: true,
        actual: ['MR'],
        matched: false,
      },
      {
        kind: 'test',
        key: 'StudyDescription',
        tests: ['matches'],
        expected: 'matches /brain/',
        present: true,
        actual: ['Rat Brain T2'],
        matched: false,
        note: 'differs only in upper and lower case',
      },
      {
        kind: 'test',
        key: 'EchoTime',
        tests: ['range'],
        expected: 'at least 10 and at most 40',
        present: true,
        actual: ['30.0'],
        matched: true,
      },
      {
        kind: 'test',
        key: 'BodyPartExamined',
        tests: ['exists'],
        expected: 'has a value',
        present: false,
        actual: [],
        matched: false,
      },
      {
        kind: 'test',
        key: 'AccessionNumber',
        tests: ['absent'],
        expected: 'has no value',
        present: false,
        actual: [],
        matched: true,
      },
      {
        kind: 'test',
        key: 'source',
        tests: ['like'],
        expected: 'like "pv*"',
        present: true,
        actual: ['pv-7t'],
        matched: true,
      },
      {
        kind: 'test',
        key: 'PatientSex',
        tests: ['matches'],
        expected: 'matches /m/i',
        present: false,
        actual: [],
        matched: false,
      },
    ]);
  });

  it('notes a value that differs only in case, and no other near miss', () => {
    const note = (rule: unknown) => {
      const explanation = match(ruleSchema.parse(rule), SERIES);
      const [part] = 'parts' in explanation ? explanation.parts : [];
      return part?.kind === 'test' ? part.note : undefined;
    };

    expect(note({ Modality: 'mr' })).to.equal('differs only in upper and lower case');
    expect(note({ Modality: 'ct' })).to.equal(undefined);
    expect(note({ StudyDescription: { like: 'cat*' } })).to.equal(undefined);
    expect(note({ EchoTime: 31 })).to.equal(undefined);
  });

  it('redacts every value, of the header and of the rule, and keeps tests and verdicts', () => {
    const rule = ruleSchema.parse({
      PatientName: 'Doe^Jane',
      any: [{ PatientID: { matches: '^007' } }, { not: { PatientAge: { lte: '012W' } } }],
    });

    const text = JSON.stringify(redacted(match(rule, SERIES)));

    expect(JSON.parse(text)).to.deep.equal({
      kind: 'all',
      matched: true,
      parts: [
        { kind: 'test', key: 'PatientName', tests: ['equals'], present: true, matched: true },
        {
          kind: 'any',
          matched: true,
          parts: [
            {
              kind: 'all',
              matched: true,
              parts: [{ kind: 'test', key: 'PatientID', tests: ['matches'], present: true, matched: true }],
            },
            {
              kind: 'all',
              matched: false,
              parts: [
                {
                  kind: 'not',
                  matched: false,
                  part: {
                    kind: 'all',
                    matched: true,
                    parts: [{ kind: 'test', key: 'PatientAge', tests: ['range'], present: true, matched: true }],
                  },
                },
              ],
            },
          ],
        },
      ],
    });
    for (const value of ['Doe', 'Jane', '007', '008W', '012W']) expect(text).to.not.contain(value);
  });

  it('names the tests that failed, each once', () => {
    const failed = (rule: unknown) => failedKeys(match(ruleSchema.parse(rule), SERIES));

    expect(failed({ Modality: 'MR' })).to.deep.equal([]);
    expect(failed({ Modality: 'CT', EchoTime: 30, StudyDate: '20250101' })).to.deep.equal(['Modality', 'StudyDate']);
    expect(failed({ any: [{ Modality: 'CT' }, { Modality: 'PT' }] })).to.deep.equal(['Modality']);
    expect(failed({ not: { any: [{ Modality: 'MR' }, { not: { Modality: 'CT', EchoTime: 1 } }] } })).to.deep.equal([
      'Modality',
      'EchoTime',
    ]);
  });

  it('takes the facts of a series from its row', () => {
    const row: SeriesRow = {
      seriesInstanceUid: parseSeriesInstanceUid('1.2.3'),
      instances: 3,
      provenance: { door: 'stow-rs', source: 'lab', associationId: 'a' },
      attributes: { Modality: ['MR'] },
    };

    expect(factsOf(row)).to.deep.equal({ source: 'lab', door: 'stow-rs', attributes: { Modality: ['MR'] } });
    expect(
      factsOf({ ...row, provenance: { ...row.provenance, callingAeTitle: 'A', calledAeTitle: 'B' } }),
    ).to.deep.include({
      callingAeTitle: 'A',
      calledAeTitle: 'B',
    });
  });

  describe('on rules made at random', () => {
    const random = randomNumbers(7);
    const rules = Array.from({ length: 500 }, () => randomRule(random, 3));

    it('finds that not of not changes nothing', () => {
      for (const rule of rules)
        expect(match({ not: { not: rule } }, SERIES).matched).to.equal(match(rule, SERIES).matched);
    });

    it('finds that the order of any and all does not matter', () => {
      for (const rule of rules) expect(match(reversed(rule), SERIES).matched).to.equal(match(rule, SERIES).matched);
    });

    it("finds De Morgan's laws", () => {
      for (let index = 0; index + 1 < rules.length; index += 2) {
        const pair = rules.slice(index, index + 2);
        const negated = pair.map((rule) => ({ not: rule }));
        expect(match({ not: { all: pair } }, SERIES).matched).to.equal(match({ any: negated }, SERIES).matched);
        expect(match({ not: { any: pair } }, SERIES).matched).to.equal(match({ all: negated }, SERIES).matched);
      }
    });

    it('names a failed test exactly when the rule does not hold', () => {
      for (const rule of rules) {
        const explanation = match(rule, SERIES);
        if (explanation.matched) expect(failedKeys(explanation)).to.deep.equal([]);
      }
    });

    it('is made of rules that hold and rules that do not', () => {
      const holding = rules.filter((rule) => match(rule, SERIES).matched).length;

      expect(holding).to.be.within(100, 400);
    });
  });
});

function randomRule(random: () => number, depth: number): Rule {
  const tests: readonly Rule[] = [
    { key: 'Modality', kind: 'text', is: { equals: ['MR'] } },
    { key: 'Modality', kind: 'text', is: { equals: ['CT'] } },
    { key: 'EchoTime', kind: 'number', is: { gte: 20 } },
    { key: 'EchoTime', kind: 'number', is: { lte: 20 } },
    { key: 'BodyPartExamined', kind: 'text', is: { exists: false } },
    { key: 'StudyDescription', kind: 'text', is: { matches: 'x|Brain' } },
    { key: 'StudyDescription', kind: 'text', is: { like: '*head*' } },
  ];
  const choice = depth === 0 ? 0 : Math.floor(random() * 4);
  const parts = () => Array.from({ length: 1 + Math.floor(random() * 3) }, () => randomRule(random, depth - 1));
  if (choice === 1) return { all: parts() };
  if (choice === 2) return { any: parts() };
  if (choice === 3) return { not: randomRule(random, depth - 1) };
  return tests[Math.floor(random() * tests.length)] ?? { all: [] };
}

function reversed(rule: Rule): Rule {
  if ('all' in rule) return { all: rule.all.toReversed().map(reversed) };
  if ('any' in rule) return { any: rule.any.toReversed().map(reversed) };
  return 'not' in rule ? { not: reversed(rule.not) } : rule;
}

/** Park and Miller's generator: the same rules on every run. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
