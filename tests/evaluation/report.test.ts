import { expect } from 'chai';
import type { Page } from 'puppeteer-core';
import { judge } from '../../evaluation/acceptance.ts';
import type { CaseResult } from '../../evaluation/case-result.ts';
import type { EvaluatedLabel } from '../../evaluation/labels.ts';
import { evaluationPage } from '../../evaluation/report-page.ts';
import { makeReport, type ModelIdentity, reportSchema } from '../../evaluation/report.ts';
import { openBrowser, type OpenBrowser } from '../support/browser.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const LABELS: readonly EvaluatedLabel[] = [
  { index: 1, name: 'Brain', type: { scheme: 'SCT', code: '12738006' }, rgb: [1, 2, 3] },
  { index: 2, name: 'Lesion <b>', type: { scheme: 'SCT', code: '52988006' }, rgb: [1, 2, 3] },
  { index: 3, name: 'Never drawn', type: { scheme: 'SCT', code: '1' }, rgb: [1, 2, 3] },
];
/** One pixel. */
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64'); // prettier-ignore

const digest = (letter: string) => letter.repeat(64);
const MODEL: ModelIdentity = {
  name: 'tried',
  version: '1',
  modelSha256: digest('a'),
  manifestSha256: digest('b'),
  preprocessingSha256: digest('c'),
  intendedUse: 'research <only>',
  license: 'MIT',
  species: ['rat'],
};

/** Dice of brain and lesion; undefined is a failure. */
function result(n: number, dice: readonly [number, number] | undefined, changes: Partial<CaseResult> = {}): CaseResult {
  const scores = (value: number | undefined, referenceMm3: number) => ({
    dice: value ?? 0,
    nsd: value ?? 0,
    hd95Mm: value === undefined ? 30 : 1 - value,
    assdMm: value === undefined ? 30 : 1 - value,
    referenceMm3,
    predictedMm3: value === undefined ? null : referenceMm3 * value,
    volumeDifferenceMm3: value === undefined ? null : referenceMm3 * (value - 1),
    volumeDifferencePercent: value === undefined ? null : 100 * (value - 1),
  });
  return {
    name: `case-${n}`,
    subject: `subject-${n}`,
    strata: { site: n % 2 === 0 ? 'Kuopio' : 'Lund' },
    key: digest('d'),
    scanSha256: String(n),
    referenceSha256: digest('e'),
    outcome: dice === undefined ? 'failed' : 'scored',
    ...(dice === undefined ? { failure: 'it broke off' } : { networkSeconds: 0.1, runtime: 'onnxruntime-node 1' }),
    seconds: 1,
    toleranceMm: 0.1,
    diagonalMm: 30,
    voxelMm3: 0.01,
    notes: [],
    labels: [
      { index: 1, scores: scores(dice?.[0], 500 + n) },
      { index: 2, scores: scores(dice?.[1], 20 + n) },
      { index: 3, scores: scores(dice?.[0], 0) },
    ],
    ...changes,
  };
}

const RESULTS = [
  ...Array.from({ length: 11 }, (_, n) => result(n, [0.9 + n / 200, 0.6 + n / 50])),
  result(11, undefined),
];
const WORSE = RESULTS.map((each, n) => result(n, each.outcome === 'failed' ? undefined : [0.85 + n / 300, 0.5]));

const reportOf = (evalMetrics: unknown, results = RESULTS) =>
  makeReport(
    {
      registeredAt: '2026-01-02T03:04:05.000Z',
      model: { ...MODEL, evalMetrics },
      against: { ...MODEL, name: 'other' },
    },
    { name: 'hub', version: '1' },
    { labels: LABELS, results, leftOut: [{ name: 'undrawn', reason: 'it has no reference' }] },
    { labels: LABELS.slice(0, 2), results: WORSE, leftOut: [] },
    '2026-01-02T03:05:05.000Z',
  );

describe('the report of an evaluation', function () {
  this.timeout(60_000);
  const report = reportOf({ dice: { Brain: 0.8 } });

  it('is as its schema says, and has every label, group and comparison', () => {
    expect(reportSchema.safeParse(JSON.parse(JSON.stringify(report))).error).to.equal(undefined);
    const [brain] = report.summary.labels;
    expect(brain?.measures.dice).to.include({ n: 12, min: 0 });
    expect(brain?.measures.dice?.max).to.be.closeTo(0.95, 1e-12);
    expect(brain?.measures.dice?.median).to.be.closeTo(0.9225, 1e-12);
    expect(brain?.measures.volumeDifferenceMm3?.n).to.equal(11);
    expect(brain?.measures.dice?.intervals?.median.low).to.be.within(0.9, 0.9225);
    expect(report.summary.notScored).to.deep.equal(['Never drawn']);
    expect(report.summary.strata.map(({ value, cases, failures }) => [value, cases, failures])).to.deep.equal([
      ['Kuopio', 6, 0],
      ['Lund', 6, 1],
    ]);
    expect(report.summary.strata[0]?.labels[0]?.dice.intervals).to.equal(undefined);
    expect(report.summary.worst[0]).to.equal('case-11');
    expect(report.summary.worst).to.have.lengthOf(5);
    expect(report.comparison?.labels.map(({ name, test }) => [name, test?.pairs, test?.p])).to.deep.equal([
      ['Brain', 11, 2 / 2 ** 11],
      ['Lesion <b>', 11, 2 / 2 ** 11],
    ]);
    expect(report.comparison?.notCompared).to.deep.equal(['Never drawn']);
  });

  for (const [demanded, outcome, met] of [
    [undefined, 'not-registered', []],
    [{}, 'not-accepted', [false]],
    ['0.9', 'not-accepted', [false]],
    [{ dice: { Brain: 0.84 } }, 'accepted', [true]],
    [{ dice: { Brain: 0.92 } }, 'not-accepted', [false]],
    [{ median_dice: { Brain: 0.92 } }, 'accepted', [true]],
    [{ worst_dice: { Brain: 0.1 } }, 'not-accepted', [false]],
    [{ dice: { Brain: 0.5, 'Lesion <b>': 0.5 }, failures_percent: 10 }, 'accepted', [true, true, true]],
    [{ dice: { Brain: 0.5 }, failures_percent: 5 }, 'not-accepted', [true, false]],
    [{ median_hd95_mm: { Brain: 0.08 } }, 'accepted', [true]],
    [{ hd95_mm: { Brain: 0.08 } }, 'not-accepted', [false]],
    [{ median_volume_difference_percent: { Brain: 8 } }, 'accepted', [true]],
    // Nothing is accepted that could not be judged.
    [{ dice: 0.1 }, 'not-accepted', [true, true, false]],
    [{ dice: { Heart: 0.1 } }, 'not-accepted', [false]],
    [{ dice: { Brain: 'high' } }, 'not-accepted', [false]],
    [{ jaccard: 0.1 }, 'not-accepted', [false]],
  ] as const)
    it(`is ${outcome} for ${JSON.stringify(demanded)}`, () => {
      const acceptance = judge(demanded, RESULTS, LABELS, report.summary);

      expect(acceptance.outcome).to.equal(outcome);
      expect(acceptance.criteria.map(({ isMet }) => isMet)).to.deep.equal(met);
    });

  it('says when a scan stands there twice, and when cases are not marked as de-identified', () => {
    const twice = [...RESULTS, result(3, [1, 1], { name: 'again', subject: 'x', isMarkedDeidentified: false })];

    const caveats = reportOf(undefined, twice).caveats.join(' ');

    expect(caveats).to.include('case-3 and again are one and the same scan').and.include('1 cases do not say');
  });

  describe('as a page', () => {
    const folder = temporaryFolder();
    let browser: OpenBrowser;
    let page: Page;
    const requests: string[] = [];
    const card = {
      BasicInfo: { Developer: '<script>alert(1)</script>' },
      Warnings: ['one', { deep: { deeper: { deepest: 1 } } }],
    };

    before(async () => {
      browser = await openBrowser(folder.path);
      page = await browser.newPage();
      page.on('request', (request) => requests.push(request.url()));
      await page.setContent(evaluationPage(report, new Map([['case-11', PNG]]), card));
    });

    after(() => browser.close());

    it('needs nothing from outside and runs nothing that somebody else wrote', async () => {
      expect(requests.filter((url) => !url.startsWith('data:') && url !== 'about:blank')).to.deep.equal([]);
      expect(await page.evaluate('document.scripts.length')).to.equal(0);
      expect(await page.evaluate('document.querySelectorAll("dd b, td b, h3 b").length')).to.equal(0);
      expect(await page.evaluate('document.images[0].naturalWidth')).to.equal(1);
    });

    it('is wide enough for what it says, on a desk and on a telephone', async () => {
      for (const width of [1200, 700, 390]) {
        await page.setViewport({ width, height: 900 });
        expect(await page.evaluate('document.documentElement.scrollWidth')).to.be.at.most(width);
      }
    });

    it('says verdict, figures, failures, what was left out, digests, card and definitions', async () => {
      const said = String(await page.evaluate('document.body.innerText'));

      for (const expected of [
        'Accepted',
        'mean Dice at least 0.8; reached 0.848',
        'it broke off',
        'it has no reference',
        'Kuopio',
      ])
        expect(said).to.include(expected);
      for (const expected of [
        MODEL.modelSha256,
        MODEL.manifestSha256,
        MODEL.preprocessingSha256,
        'Lesion <b>',
        '<script>alert(1)</script>',
      ])
        expect(said).to.include(expected);
      for (const { term, text } of report.definitions) expect(said).to.include(term).and.include(text);
      expect(await page.evaluate('document.querySelectorAll("svg circle").length')).to.equal(12 + 11 + 12 + 11);
    });
  });
});
