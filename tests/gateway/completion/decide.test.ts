import { expect } from 'chai';
import type { CompletionFacts, SeriesRow } from '../../../core/ledger/studies.ts';
import { parseSeriesInstanceUid, parseStudyInstanceUid } from '../../../core/identifiers.ts';
import { type Decision, decide, type Moment, type StudyRule } from '../../../gateway/completion/decide.ts';

/** Began at 0, last arrival at 100 s; the quiet period ends at 160 s, the longest time at 1000 s. */
const FACTS: CompletionFacts = {
  studyInstanceUid: parseStudyInstanceUid('1.2.3'),
  source: 'pv-7t',
  version: 7,
  instances: 10,
  beganAtMs: 0,
  lastReceivedAtMs: 100_000,
  series: [series('1.2.3.1', 10, {})],
};
const RULE: StudyRule = {
  quietMs: 60_000,
  forceMs: 1_000_000,
  onCommitment: true,
  isSourceAsked: false,
  required: [],
  whenMissing: 'proceed',
};
const ASKED = { isSourceAsked: true };
const COUNTED = { afterCountsMs: 5_000 };
const MISSING = {
  required: [
    { route: 'brain', met: true },
    { route: 'brain', met: false },
  ],
};
const whole = { transactionUid: '1.9', named: 10, held: 10, isWhole: true };
const counts = (held: number, ImagesInAcquisition: string) => ({
  series: [series('1.2.3.1', held, { ImagesInAcquisition: [ImagesInAcquisition] })],
});

type Row = readonly [
  behaviour: string,
  facts: Partial<CompletionFacts>,
  rule: Partial<StudyRule>,
  seconds: number,
  expected: string,
];

/** `signal`, `ask`, or `wait UNTIL for WHAT …`; `!` after the time: judged at each arrival too. */
const TABLE: readonly Row[] = [
  ['waits out the quiet period', {}, {}, 159, 'wait 160 for quiet'],
  ['is complete when it has been quiet', {}, {}, 160, 'quiet'],
  ['is forced while instances keep coming', { lastReceivedAtMs: 999_000 }, {}, 1000, 'force'],
  ['is forced no later than configured', { lastReceivedAtMs: 990_000 }, {}, 995, 'wait 1000 for force'],

  ['takes no notice of a release unless configured', { releasedAtMs: 100_000 }, {}, 130, 'wait 160 for quiet'],
  ['waits a little after a release', { releasedAtMs: 101_000 }, { afterReleaseMs: 5_000 }, 105, 'wait 106 for release'],
  ['is complete after a release', { releasedAtMs: 101_000 }, { afterReleaseMs: 5_000 }, 106, 'release'],
  ['forgets a release when more comes', { releasedAtMs: 99_000 }, { afterReleaseMs: 5_000 }, 130, 'wait 160 for quiet'],
  [
    'is not kept longer by a release than by silence',
    { releasedAtMs: 150_000 },
    { afterReleaseMs: 90_000 },
    160,
    'quiet',
  ],

  ['is complete at once with the whole list of a commitment', { commitment: whole }, {}, 100, 'commitment'],
  [
    'takes no notice of a list where configured',
    { commitment: whole },
    { onCommitment: false },
    100,
    'wait 160 for quiet',
  ],
  [
    'waits with a list that is not whole',
    { commitment: { ...whole, held: 9, isWhole: false } },
    {},
    100,
    'wait 160! for commitment quiet',
  ],
  [
    'is quiet in the end with a list that stays short',
    { commitment: { ...whole, held: 9, isWhole: false } },
    {},
    160,
    'quiet',
  ],
  ['lets a list win over the source', { commitment: whole, answer: answer(7, 12) }, ASKED, 100, 'commitment'],

  ['asks the source when it is quiet', {}, ASKED, 160, 'ask'],
  ['does not ask the source before', {}, ASKED, 159, 'wait 160 for quiet'],
  ['asks the source when its sender is done', { releasedAtMs: 100_000 }, { ...ASKED, afterReleaseMs: 0 }, 100, 'ask'],
  ['is complete when the source has no more', { answer: answer(7, 10) }, ASKED, 101, 'source-count'],
  ['waits for what the source has more', { answer: answer(7, 12) }, ASKED, 160, 'wait 190! for source-count force'],
  ['asks again whether the source still has more', { answer: answer(7, 12) }, ASKED, 190, 'ask'],
  ['asks less and less often', { answer: answer(7, 12, 4) }, ASKED, 190, 'wait 400! for source-count force'],
  ['waits for the source no longer than configured', { answer: answer(7, 12) }, ASKED, 1000, 'force'],
  ['does not trust an answer from before the last arrival', { answer: answer(6, 10) }, ASKED, 101, 'ask'],
  ['shows an old answer while it waits', { answer: answer(6, 12) }, ASKED, 101, 'wait 160! for source-count quiet'],
  ['leaves it to silence when the source has less than is here', { answer: answer(7, 9) }, ASKED, 160, 'quiet'],
  ['asks again when the source fails', { answer: failed(7, 1) }, ASKED, 170, 'ask'],
  ['waits between failures', { answer: failed(7, 1) }, ASKED, 163, 'wait 165 for source-answer'],
  ['waits longer after the second', { answer: failed(7, 2) }, ASKED, 170, 'wait 175 for source-answer'],
  ['does without the source in the end', { answer: failed(7, 3) }, ASKED, 161, 'quiet'],
  [
    'compares no counts when a part was removed',
    { isPartlyRemoved: true, ...counts(1, '20') },
    { ...ASKED, ...COUNTED },
    160,
    'quiet',
  ],
  ['asks anew after an arrival', { answer: failed(6, 3) }, ASKED, 160, 'ask'],

  ['takes no notice of headers unless configured', counts(10, '20'), {}, 160, 'quiet'],
  ['is complete sooner with the counts of its headers', counts(10, '10'), COUNTED, 105, 'header-count'],
  ['is complete with counts only when quiet', counts(10, '10'), COUNTED, 104, 'wait 105 for quiet'],
  ['waits for what the headers have more', counts(10, '20'), COUNTED, 500, 'wait 1000! for header-count force'],
  ['waits for headers no longer than configured', counts(10, '20'), COUNTED, 1000, 'force'],
  ['leaves it to silence when headers cannot be understood', counts(10, '3'), COUNTED, 160, 'quiet'],
  [
    'lets the source win over headers',
    { ...counts(10, '10'), answer: answer(7, 12) },
    { ...COUNTED, ...ASKED },
    161,
    'wait 190! for source-count force',
  ],
  ['lets the source be asked before headers count', counts(10, '10'), { ...COUNTED, ...ASKED }, 105, 'ask'],
  [
    'lets headers that lack something win over a release',
    { ...counts(10, '20'), releasedAtMs: 100_000 },
    { ...COUNTED, afterReleaseMs: 0 },
    120,
    'wait 1000! for header-count force',
  ],

  ['waits for a required series', {}, MISSING, 160, 'wait 1000! for required-series force'],
  ['is complete with all required series', {}, { required: [{ route: 'brain', met: true }] }, 160, 'quiet'],
  ['goes on without a required series', {}, MISSING, 1000, 'force'],
  [
    'is held without a required series',
    {},
    { ...MISSING, whenMissing: 'hold' },
    1000,
    'wait never! for required-series',
  ],
  [
    'lets a required series win over a list',
    { commitment: whole },
    MISSING,
    100,
    'wait 1000! for required-series force',
  ],
  [
    'lets a required series win over the source',
    { answer: answer(7, 10) },
    { ...MISSING, ...ASKED },
    160,
    'wait 1000! for required-series force',
  ],
];

describe('the decision whether a study is complete', () => {
  for (const [behaviour, facts, rule, seconds, expected] of TABLE) {
    it(behaviour, () => {
      const decision = decide({ ...FACTS, ...facts }, { ...RULE, ...rule }, at(seconds * 1000));

      expect(inWords(decision)).to.equal(expected);
    });
  }

  it('waits as long as the association of its sender is open, and no longer than configured', () => {
    const connected = (nowMs: number) => decide(FACTS, RULE, { ...at(nowMs), isSenderConnected: true });

    expect(inWords(connected(165_000))).to.equal('wait 225 for association force');
    expect(inWords(connected(1_000_000))).to.equal('force');
  });

  it('gives its senders the quiet period again when the hub was down', () => {
    const decision = decide(FACTS, RULE, { ...at(165_000), listeningSinceMs: 130_000 });

    expect(inWords(decision)).to.equal('wait 190 for quiet');
  });

  it('explains itself with everything it knew', () => {
    const facts = {
      ...FACTS,
      ...counts(10, '10'),
      commitment: { ...whole, held: 9, isWhole: false },
      answer: answer(7, 10),
      releasedAtMs: 101_000,
      releasedBy: 'association-1',
    };
    const required = [{ route: 'brain', met: true }];

    const decision = decide(facts, { ...RULE, ...ASKED, ...COUNTED, required }, at(106_000));

    expect(decision).to.deep.equal({
      kind: 'complete',
      signal: 'source-count',
      evidence: [
        { what: 'received', held: 10, series: 1 },
        { what: 'silence', ms: 6_000 },
        { what: 'commitment', id: '1.9', held: 9, expected: 10 },
        { what: 'source-count', held: 10, expected: 10 },
        { what: 'header-count', seriesInstanceUid: '1.2.3.1', held: 10, expected: 10 },
        { what: 'release', ms: 5_000, id: 'association-1' },
        { what: 'required-series', route: 'brain', held: 1, expected: 1 },
      ],
    });
  });

  it('says what the source failed with', () => {
    const decision = decide({ ...FACTS, answer: failed(7, 3) }, { ...RULE, ...ASKED }, at(200_000));

    expect(decision)
      .to.have.property('evidence')
      .that.deep.includes({ what: 'source-count', held: 10, failures: 3, code: 'partner.timeout' });
  });

  it('counts the required series of each route', () => {
    const required = [...MISSING.required, { route: 'spine', met: false }];

    const decision = decide(FACTS, { ...RULE, required }, at(100_000));

    expect(decision)
      .to.have.property('reasons')
      .that.deep.includes.members([
        { what: 'required-series', route: 'brain', met: 1, required: 2 },
        { what: 'required-series', route: 'spine', met: 0, required: 1 },
      ]);
  });
});

function at(nowMs: number): Moment {
  return { nowMs, listeningSinceMs: 0, isSenderConnected: false };
}

function series(uid: string, instances: number, attributes: SeriesRow['attributes']): SeriesRow {
  const provenance = { door: 'dimse', source: 'pv-7t', associationId: 'association-1' } as const;
  return { seriesInstanceUid: parseSeriesInstanceUid(uid), instances, attributes, provenance };
}

/** Asked at 160 s. */
function answer(version: number, instances: number, attempts = 1) {
  return { version, atMs: 160_000, attempts, instances };
}

function failed(version: number, attempts: number) {
  return { version, atMs: 160_000, attempts, failure: 'partner.timeout' };
}

function inWords(decision: Decision): string {
  if (decision.kind === 'ask') return 'ask';
  if (decision.kind === 'complete') return decision.signal;
  const { untilMs, atArrival, reasons } = decision;
  const until = untilMs === undefined ? 'never' : String(untilMs / 1000);
  return `wait ${until}${atArrival ? '!' : ''} for ${reasons.map(({ what }) => what).join(' ')}`;
}
