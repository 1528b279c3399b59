import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import type { Page } from 'puppeteer-core';
import type { PastScan } from '../../../core/ledger/qc-history.ts';
import { examine, type Examined } from '../../../processors/qc/examine.ts';
import { parseQcOptions, type QcOptions } from '../../../processors/qc/options.ts';
import { MAX_BYTES, qualityPage } from '../../../processors/report/page.ts';
import type { Naming } from '../../../processors/report/reported-scan.ts';
import { reportedScan } from '../../../processors/report/reported-scan.ts';
import { StudyReport } from '../../../processors/report/study-report.ts';
import type { Volume } from '../../../processors/volumes/volume.ts';
import { openBrowser, type OpenBrowser } from '../../support/browser.ts';
import { seeded } from '../../support/seeded.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { head, moved, noisy, volumeOf } from '../qc/scans.ts';

const PLANTED = 'Salainen';
const NAMES = {
  PatientName: `${PLANTED}^Potilas`,
  PatientID: 'INV-77',
  ProtocolName: `T2 ${PLANTED} <b>`,
  SeriesNumber: 5,
};
const STUDY = { studyInstanceUid: '2.25.77', studyFindings: [], models: [] } as const;

describe('the page of quality', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const options = parseQcOptions({ limits: { anatomical: { snr_normal_db: { failBelow: 90 } } } });
  const anatomical = volumeOf([noisy(head(), 10)], 'anatomical', NAMES);
  const functional = volumeOf(
    Array.from({ length: 24 }, (_, t) => noisy(moved(head(), t === 15 ? 2 : 0), 8, t + 1)),
    'functional',
    NAMES,
  );

  it('says first what to do, the worst before the rest, and then a row for each scan', async () => {
    const html = await pageOf([functional, anatomical], options, 'none', {
      ...STUDY,
      studyFindings: [{ severity: 'warn', sentence: '2 series hold the very same picture.' }],
    });

    const words = textOf(html);
    expect(words).to.match(/Quality of the study Study 2\.25\.77 ✗ Fail: repeat or repair/);
    expect(words).to.include('2 scans: 1 failed, 1 to look at.');
    const [failed, copied] = ["below the site's limit of 90", 'the very same picture'].map((part) =>
      words.indexOf(part),
    );
    expect(failed)
      .to.be.above(0)
      .and.below(copied ?? 0);
    expect(html.match(/<a href="#scan-\d">\d<\/a>/g)).to.have.length(2);
    expect(html).to.include('id="scan-1"').and.to.include('id="scan-2"');
    // What the site's own limit does not say: what to do.
    expect(words).to.include('Check coil, tuning and matching');
  });

  it('holds nothing that anybody typed into a header, unless it may be seen; then as text', async () => {
    const inside = await pageOf([anatomical], options, 'none');
    const outside = await pageOf([anatomical], options, 'protocol');

    expect(inside).not.to.match(/Salainen|Potilas|INV-77/);
    expect(inside).to.include('Series 5 · anatomical');
    expect(outside).to.include(`T2 ${PLANTED} &lt;b&gt;`).and.not.to.include(`T2 ${PLANTED} <b>`);
    expect(outside).not.to.match(/Potilas|INV-77/);
  });

  it('holds no date: of a study that left, even the day of its scan is hidden', async () => {
    const past = pastLike((await examined(functional, parseQcOptions({})))[0], 25);

    const html = await pageOf([functional], parseQcOptions({}), 'none', STUDY, past);

    expect(html).to.include('Against 25 accepted scans');
    expect(html).not.to.match(/20\d\d-\d\d-\d\d/);
  });

  it('asks for nothing from outside and runs nothing', async () => {
    const html = await pageOf([functional, anatomical], options, 'none');

    for (const [, address] of html.matchAll(/\s(?:src|href|xlink:href|action|data)="([^"]*)"/g))
      expect(address).to.match(/^(?:data:image\/png;base64,|#scan-\d+$)/);
    expect(html).not.to.match(/<script|<link|<iframe|<object|<foreignObject|@import|url\(|\son\w+=|\sstyle=/i);
    expect(html.replaceAll('http://www.w3.org/2000/svg', '')).not.to.match(/https?:/);
  });

  it('keeps its size for a study of many scans, and the pictures of those that somebody has to look at', async () => {
    const noise = volumeOf(
      [noisy(head({ columns: 96, rows: 72, slices: 40, spacingMm: [0.24, 0.28, 0.24] }), 300)],
      'anatomical',
    );
    const passing = reported(await examined(noise, parseQcOptions({ limits: { any: { slices: { warnBelow: 1 } } } })));
    const failing = reported(await examined(noise, options));
    const scans = [...Array.from({ length: 30 }, () => passing), failing];
    expect([passing.report.verdict, failing.report.verdict]).to.deep.equal(['pass', 'fail']);

    const html = qualityPage({ ...STUDY, scans });

    const images = (section: string) => section.match(/<img /g)?.length ?? 0;
    const sections = html.split('<section class="scan"').slice(1);
    expect(scans.length * (failing.pictures[0]?.png.length ?? 0)).to.be.above(MAX_BYTES);
    expect(Buffer.byteLength(html)).to.be.within(MAX_BYTES / 2, MAX_BYTES);
    expect(sections).to.have.length(31);
    expect(images(sections.at(-1) ?? '')).to.equal(2);
    expect(sections.map(images).filter((number) => number === 0).length).to.be.within(1, 30);
  });

  it('names what it was made by: version, edition of the measures, models by their digests', async () => {
    const model = {
      name: 'rodent-brain',
      version: '1.2.0',
      onnxSha256: 'ab'.repeat(32),
      manifestSha256: 'cd'.repeat(32),
    };

    const html = await pageOf([anatomical], options, 'none', { ...STUDY, models: [model] });

    expect(textOf(html))
      .to.match(/Made by imaging hub \d+\.\d+\.\d+/)
      .and.to.match(/edition [0-9a-f]{12}/);
    expect(html).to.include(model.onnxSha256).and.to.include(model.manifestSha256);
    expect(html).to.equal(await pageOf([anatomical], options, 'none', { ...STUDY, models: [model] }));
  });

  describe('in Chromium', () => {
    let browser: OpenBrowser;
    let page: Page;
    const complaints: string[] = [];
    const requests: string[] = [];

    before(async () => {
      browser = await openBrowser(folder.path);
      page = await browser.newPage();
      page.on('console', (message) => complaints.push(message.text()));
      page.on('request', (request) => requests.push(request.url().slice(0, 12)));
      const past = pastLike((await examined(functional, options))[0], 30);
      const file = join(folder.path, 'report.html');
      await writeFile(file, await pageOf([functional, anatomical], options, 'none', STUDY, past));
      await page.goto(pathToFileURL(file).href);
    });
    after(() => browser.close());

    it('shows every picture under its own policy, without a word of complaint', async () => {
      const images = await page.evaluate(
        `[...document.images].map(({ complete, naturalWidth, alt }) => complete && naturalWidth > 50 && alt.length > 20)`,
      );
      const font = await page.evaluate(`getComputedStyle(document.querySelector('h2')).borderTopStyle`);

      expect(complaints).to.deep.equal([]);
      expect(images)
        .to.have.length.of.at.least(6)
        .and.to.satisfy((all: readonly boolean[]) => all.every(Boolean));
      expect(font).to.equal('solid');
      expect(new Set(requests.map((url) => url.split(':')[0]))).to.deep.equal(new Set(['file', 'data']));
    });

    it('has drawings that are XML, inside of their frames, with words for those who do not see them', async () => {
      const drawings = (await page.evaluate(`[...document.querySelectorAll('svg')].map((svg) => ({
        isXml: new DOMParser().parseFromString(svg.outerHTML, 'image/svg+xml').querySelector('parsererror') === null,
        label: svg.getAttribute('aria-label'),
        isInside: [...svg.querySelectorAll('path, circle, rect, text')].every((part) => {
          const [one, all] = [part.getBoundingClientRect(), svg.getBoundingClientRect()];
          return one.left > all.left - 2 && one.right < all.right + 2 && one.top > all.top - 2 && one.bottom < all.bottom + 2;
        }),
      }))`)) as readonly { readonly isXml: boolean; readonly label: string; readonly isInside: boolean }[];

      expect(drawings).to.have.length.of.at.least(8);
      expect(drawings.filter(({ isXml, isInside }) => !isXml || !isInside)).to.deep.equal([]);
      expect(drawings.every(({ label }) => label.length > 15)).to.equal(true);
    });

    it('prints on A4 without anything cut off', async () => {
      await page.emulateMediaType('print');
      await page.setViewport({ width: 688, height: 1000 });

      const widest = await page.evaluate('document.documentElement.scrollWidth');
      const pdf = Buffer.from(await page.pdf({ format: 'A4', preferCSSPageSize: true }));

      expect(widest).to.be.at.most(688);
      expect(
        pdf
          .toString('latin1')
          .match(/\/MediaBox\s*\[0 0 (\d+)[\d.]* (\d+)/)
          ?.slice(1),
      ).to.deep.equal(['594', '841']);
    });
  });
});

async function examined(volume: Volume, options: QcOptions, past?: readonly PastScan[]): Promise<readonly Examined[]> {
  return await examine({
    ...{ seriesInstanceUid: volume.seriesInstanceUid, volumes: [volume], findings: [], options },
    ...(past === undefined
      ? {}
      : {
          history: {
            ...{ secret: new Uint8Array(32), device: { source: 'pv-7t' }, studyInstanceUid: '2.25.1' },
            past: async () => past,
          },
        }),
  });
}

async function pageOf(
  volumes: readonly Volume[],
  options: QcOptions,
  naming: Naming,
  study: Parameters<StudyReport['page']>[0] = STUDY,
  past?: readonly PastScan[],
): Promise<string> {
  const report = new StudyReport({ options, series: volumes.length });
  for (const volume of volumes) report.add(await examined(volume, options, past), naming);
  return report.page(study);
}

function reported([first]: readonly Examined[]) {
  if (first === undefined) throw new Error('nothing examined');
  const options = parseQcOptions({});
  return reportedScan(first, { options, size: { maxPixels: 500_000 }, naming: 'none', isDrawn: true });
}

/** Scans like this one, each a little different. */
function pastLike(one: Examined | undefined, count: number): readonly PastScan[] {
  const random = seeded(9);
  return Array.from({ length: count }, (_, i) => ({
    recordedAt: `2026-03-${String(1 + (i % 28)).padStart(2, '0')}T10:00:00Z`,
    parameters: one?.report.parameters ?? {},
    measures: Object.fromEntries(
      Object.entries(one?.report.measures ?? {}).map(([name, value]) => [
        name,
        value === null ? null : value * (0.97 + 0.06 * random()),
      ]),
    ),
  }));
}

function textOf(html: string): string {
  return html
    .replaceAll(/<style>[^]*?<\/style>/g, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ');
}
