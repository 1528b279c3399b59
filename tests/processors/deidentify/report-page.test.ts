import { expect } from 'chai';
import type { Page } from 'puppeteer-core';
import { type HeldInReport, reportPage } from '../../../processors/deidentify/report-page.ts';
import type { DeidentificationReport } from '../../../processors/deidentify/report.ts';
import { createReportSigner } from '../../../processors/deidentify/signature.ts';
import { openBrowser, type OpenBrowser } from '../../support/browser.ts';
import { deidentifyFiles } from '../../support/deidentified.ts';
import { plantedCorpus, type PlantedCorpus } from '../../support/planted/corpus.ts';
import { EXAMINED_POLICIES } from '../../support/planted/policies.ts';
import { CANARY, UID_ROOT } from '../../support/planted/values.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const HELD: HeldInReport = {
  outcome: 'quarantined',
  reason: 'policy.unsafe',
  detail: '1 of 2 instances cannot be released: burned-in annotation',
  instances: 2,
};

describe('the page of a de-identification report', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  let browser: OpenBrowser;
  let corpus: PlantedCorpus;
  let busiest: DeidentificationReport;
  let page: Page;

  before(async () => {
    corpus = plantedCorpus(3);
    const file = corpus.files.find(({ name }) => name.startsWith('MR with everything'));
    const result = await deidentifyFiles([file?.bytes ?? new Uint8Array(0)], { ...EXAMINED_POLICIES['vendor'] });
    if (result.outcome === 'held') throw new Error(result.detail);
    busiest = result.report;
    browser = await openBrowser(folder.path);
    page = await browser.newPage();
  });

  after(() => browser.close());

  const html = (...studies: Parameters<typeof reportPage>[0]) =>
    reportPage(studies, createReportSigner(new Uint8Array(32)).sign({}).signature);

  it('prints on one sheet a study, the busiest one too', async () => {
    await page.setContent(html(busiest, HELD, busiest));

    expect(busiest.attributes.length).to.be.greaterThan(600);
    expect(sheetsOf(await page.pdf({ format: 'A4', preferCSSPageSize: true }))).to.equal(3);
  });

  it('is wide enough for what it says, on paper and on a telephone', async () => {
    for (const width of [1200, 700, 390]) {
      await page.setViewport({ width, height: 900 });
      await page.setContent(html(busiest));

      const scrolled: unknown = await page.evaluate('document.documentElement.scrollWidth');
      expect(scrolled).to.be.at.most(width);
    }
  });

  it('says policy, edition, hash, counts and verdict, and no value of the study', async () => {
    await page.setContent(html(busiest, HELD));
    const said = String(await page.evaluate('document.body.innerText'));

    for (const expected of [busiest.policyHash, busiest.tableEdition, busiest.studyInstanceUid, 'retain-safe-private'])
      expect(said).to.include(expected);
    expect(said).to.include((busiest.counts['removed'] ?? 0).toLocaleString('en'));
    expect(said).to.include('(0019,"EXAMINED MAKER",01)').and.include('Not released').and.include('Released.');
    const { family, given, id, numericId, birthDate, physician } = corpus.patient;
    for (const planted of [family, given, id, numericId, birthDate, physician, UID_ROOT])
      expect(said.toLowerCase()).to.not.include(planted.toLowerCase());
    expect(said).to.not.match(CANARY);
  });

  it('takes markup in a name for text', async () => {
    await page.setContent(
      html({ ...busiest, policy: '<img src=x onerror="document.title=1">', privateKept: ['<b>&"'] }),
    );

    expect(await page.title()).to.equal('De-identification report');
    expect(await page.$$('img')).to.deep.equal([]);
    expect(String(await page.evaluate('document.body.innerText'))).to.include('<b>&"');
  });
});

/** Chromium writes one object of type Page a sheet. */
function sheetsOf(pdf: Uint8Array): number {
  return (
    Buffer.from(pdf)
      .toString('latin1')
      .match(/\/Type\s*\/Page\b(?!s)/g)?.length ?? 0
  );
}
