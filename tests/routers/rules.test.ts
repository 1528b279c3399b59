import { expect } from 'chai';
import { ruleSchema, sourcesIn } from '../../routers/rules.ts';

function mistakes(rule: unknown): readonly string[] {
  const result = ruleSchema.safeParse(rule);
  return (result.error?.issues ?? []).map((issue) => `${issue.path.join('/')}: ${issue.message}`);
}

describe('ruleSchema', () => {
  it('makes a tree of plain data in which every test knows what it compares', () => {
    const rule = ruleSchema.parse({
      source: 'pv-7t',
      Modality: ['MR', 'PT'],
      EchoTime: { gte: 10, lte: 40.5 },
      any: [{ StudyDescription: { matches: 'brain', ignoreCase: true } }, { BodyPartExamined: { like: 'head*' } }],
      not: { ImageType: 'DERIVED', PatientSex: { exists: false } },
      all: [{ StudyDate: { gte: '2026-01-01' } }, { SoftwareVersions: { absent: true } }],
    });

    expect(rule).to.deep.equal({
      all: [
        { key: 'source', kind: 'text', is: { equals: ['pv-7t'] } },
        { key: 'Modality', kind: 'text', is: { equals: ['MR', 'PT'] } },
        { key: 'EchoTime', kind: 'number', is: { gte: 10, lte: 40.5 } },
        {
          any: [
            { all: [{ key: 'StudyDescription', kind: 'text', is: { matches: 'brain', ignoreCase: true } }] },
            { all: [{ key: 'BodyPartExamined', kind: 'text', is: { like: 'head*' } }] },
          ],
        },
        {
          not: {
            all: [
              { key: 'ImageType', kind: 'text', is: { equals: ['DERIVED'] } },
              { key: 'PatientSex', kind: 'text', is: { exists: false } },
            ],
          },
        },
        {
          all: [
            { all: [{ key: 'StudyDate', kind: 'date', is: { gte: '2026-01-01' } }] },
            { all: [{ key: 'SoftwareVersions', kind: 'text', is: { exists: false } }] },
          ],
        },
      ],
    });
    expect(JSON.parse(JSON.stringify(rule))).to.deep.equal(rule);
  });

  for (const tag of ['(0018,1030)', '00181030', '(0018,1030)'.toLowerCase(), '0018,1030']) {
    it(`takes the tag ${tag} for ProtocolName`, () => {
      expect(ruleSchema.parse({ [tag]: 'T2' })).to.deep.equal(ruleSchema.parse({ ProtocolName: 'T2' }));
    });
  }

  for (const [rule, ...expected] of [
    [undefined, ': a rule is a mapping of attributes to tests, like { Modality: MR }; {} matches every study'],
    ['MR', ': a rule is a mapping of attributes to tests, like { Modality: MR }; {} matches every study'],
    [{ Modalty: 'MR' }, 'Modalty: no such attribute: Modalty; did you mean Modality?'],
    [{ sorce: 'x' }, 'sorce: no such attribute: sorce; did you mean source?'],
    [{ Zzzzzzzzzzzz: 'x' }, 'Zzzzzzzzzzzz: no such attribute: Zzzzzzzzzzzz'],
    [
      { '(0019,100C)': 1 },
      '(0019,100C): no standard attribute has the tag (0019,100C); private attributes are not kept for routing',
    ],
    [
      { PixelData: { exists: true } },
      'PixelData: PixelData (OW) cannot be tested: only text, numbers, dates and times are kept for routing',
    ],
    [
      { ReferencedImageSequence: { exists: true } },
      'ReferencedImageSequence: ReferencedImageSequence (SQ) cannot be tested: only text, numbers, dates and times are kept for routing',
    ],
    [{ PatientID: 7 }, 'PatientID: the attribute is text: write it in quotes, "7"'],
    [
      { BurnedInAnnotation: true },
      'BurnedInAnnotation: the attribute is text: write it in quotes, or use { exists: true }',
    ],
    [{ Modality: null }, 'Modality: no value; to test that the attribute is missing use { exists: false }'],
    [{ Modality: [] }, 'Modality: an empty list never matches'],
    [{ Modality: ['MR', 1] }, 'Modality/1: the attribute is text: write it in quotes, "1"'],
    [{ Modality: [['MR']] }, 'Modality/0: not a text'],
    [{ EchoTime: 'long' }, 'EchoTime: not a number'],
    [{ EchoTime: { gte: 'long' } }, 'EchoTime/gte: not a number'],
    [{ EchoTime: { gte: 2, lte: 1 } }, 'EchoTime: gte is greater than lte: this never matches'],
    [{ StudyDate: '31.03.2026' }, 'StudyDate: not a date like 2026-03-31 or 20260331'],
    [{ StudyDate: 20261331 }, 'StudyDate: not a date like 2026-03-31 or 20260331'],
    [{ StudyTime: { gte: 830 } }, 'StudyTime/gte: not a time like 08:30 or 083000, in quotes'],
    [
      { AcquisitionDateTime: { lte: 'noon' } },
      'AcquisitionDateTime/lte: not a date and time like 2026-03-31T08:30:00 or 20260331083000, in quotes',
    ],
    [{ PatientAge: { gte: '18' } }, 'PatientAge/gte: not an age like 045Y, 008W or 010D'],
    [
      { Modality: { gte: 'A' } },
      'Modality: gte and lte compare numbers, dates, times and ages; this attribute is text',
    ],
    [{ Modality: {} }, 'Modality: a test is missing: matches, ignoreCase, like, exists, absent, gte, lte'],
    [{ Modality: { match: 'M' } }, 'Modality/match: no such test: match'],
    [{ Modality: { matchs: 'M' } }, 'Modality/matchs: no such test: matchs; did you mean matches?'],
    [{ Modality: { matches: 'M(' } }, 'Modality/matches: not a regular expression: Unterminated group'],
    [{ Modality: { matches: 7 } }, 'Modality/matches: a regular expression, in quotes'],
    [{ Modality: { like: 7 } }, 'Modality/like: a text like "rat*"'],
    [{ Modality: { like: 'M*', ignoreCase: true } }, 'Modality/ignoreCase: true or false, beside matches'],
    [{ Modality: { matches: 'M', ignoreCase: 'yes' } }, 'Modality/ignoreCase: true or false, beside matches'],
    [{ Modality: { exists: 'yes' } }, 'Modality/exists: true or false'],
    [{ Modality: { absent: false } }, 'Modality/absent: only true; write { exists: true } instead'],
    [{ Modality: { exists: true, like: 'M*' } }, 'Modality: exists and absent stand alone'],
    [{ door: ['dimse', 'window'] }, 'door: no such door: window; there are dimse, stow-rs, folder'],
    [{ any: [] }, 'any: a list of rules, at least one'],
    [{ all: { Modality: 'MR' } }, 'all: a list of rules, at least one'],
    [{ not: {} }, 'not: not of the empty rule never matches'],
    [
      { any: [{ Modalty: 'MR' }, { not: { PatientID: 1 } }], EchoTime: 'x' },
      'any/0/Modalty: no such attribute: Modalty; did you mean Modality?',
      'any/1/not/PatientID: the attribute is text: write it in quotes, "1"',
      'EchoTime: not a number',
    ],
  ] as const) {
    it(`refuses ${JSON.stringify(rule)}, saying where and why`, () => {
      expect(mistakes(rule)).to.deep.equal(expected);
    });
  }

  it('lets a date be written as YAML reads it, as a number', () => {
    expect(mistakes({ StudyDate: { gte: 20260101 } })).to.deep.equal([]);
  });

  it('tells which sources a rule asks for, wherever it does', () => {
    const rule = ruleSchema.parse({
      source: ['a', 'b'],
      any: [{ source: 'c' }, { Modality: 'MR' }],
      not: { source: 'd', callingAeTitle: 'E' },
      all: [{ source: { like: 'f*' } }, { source: { exists: true } }],
    });

    expect(sourcesIn(rule)).to.deep.equal(['a', 'b', 'c', 'd']);
  });
});
