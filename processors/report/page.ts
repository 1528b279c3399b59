/** The report on a study for people: verdict first, then a row a scan, then what there is to be seen of each. */
import { createHash } from 'node:crypto';
import { count } from '../../core/count.ts';
import { SOFTWARE } from '../../core/software.ts';
import { markup, type Markup } from '../pictures/markup.ts';
import { MEASURES } from '../qc/measures.ts';
import { worst } from '../qc/verdict.ts';
import { document } from './document.ts';
import { keyNumbersOf } from './key-numbers.ts';
import type { ReportedScan } from './reported-scan.ts';
import { numberOf, scanSection } from './scan-section.ts';
import { RANK, VERDICTS } from './verdict-words.ts';

export interface QualityPage {
  /** As the study is known to whoever may see the report; absent where files were measured that belong to none. */
  readonly studyInstanceUid?: string;
  readonly scans: readonly ReportedScan[];
  /** What only the study as a whole shows. */
  readonly studyFindings: readonly { readonly severity: 'warn' | 'fail'; readonly sentence: string }[];
  /** Models whose masks were measured in. */
  readonly models: readonly ModelUsed[];
}

export interface ModelUsed {
  readonly name: string;
  readonly version: string;
  readonly onnxSha256: string;
  readonly manifestSha256: string;
}

/** What a browser opens at once and a mail takes: pictures of scans that passed are left out beyond it. */
export const MAX_BYTES = 2_900_000;

export function qualityPage(page: QualityPage): string {
  const whole = write(page, page.scans);
  let size = Buffer.byteLength(whole);
  if (size <= MAX_BYTES) return whole;
  // The largest of what nobody has to act on go first; which verdict a scan has never depends on its pictures.
  const order = page.scans
    .map((scan, place) => ({ place, bytes: picturesBytes(scan), rank: RANK[scan.report.verdict] }))
    .toSorted((a, b) => a.rank - b.rank || b.bytes - a.bytes);
  const bare = new Set<number>();
  for (const { place, bytes } of order) {
    if (size <= MAX_BYTES - 50_000) break;
    bare.add(place);
    size -= bytes;
  }
  return write(
    page,
    page.scans.map((scan, place) => (bare.has(place) ? { ...scan, pictures: [], charts: [], history: [] } : scan)),
  );
}

function picturesBytes({ pictures, charts, history }: ReportedScan): number {
  const drawn = [...charts, ...history].reduce((sum, { svg }) => sum + String(svg).length, 0);
  return drawn + pictures.reduce((sum, { png }) => sum + Math.ceil(png.length / 3) * 4, 0);
}

function write(page: QualityPage, scans: readonly ReportedScan[]): string {
  const sections = scans.map((scan, index) => scanSection(scan, index));
  return document('Quality of a study', markup`${top(page)}${sections}${definitions(scans)}${provenance(page)}`);
}

function top({ studyInstanceUid, scans, studyFindings }: QualityPage): Markup {
  const verdict = worst([
    ...scans.map(({ report }) => report.verdict),
    ...studyFindings.map(({ severity }) => severity),
  ]);
  const { word, title } = VERDICTS[verdict];
  const study =
    studyInstanceUid === undefined ? markup`` : markup`<p class="meta">Study <code>${studyInstanceUid}</code></p>`;
  return markup`<header>
<h1>Quality of the study</h1>
${study}
<div class="verdict ${verdict}"><p class="word">${word}: ${title}</p><p>${summary(scans)}</p>${sentences(scans, studyFindings)}</div>
</header>
<table>
<thead><tr><th>Scan</th><th>Verdict</th><th>Why</th><th class="number">Key numbers</th></tr></thead>
<tbody>${scans.map((scan, index) => row(scan, index))}</tbody>
</table>`;
}

function summary(scans: readonly ReportedScan[]): string {
  const counts = (['fail', 'warn', 'pass', 'not-enough-history'] as const).flatMap((verdict) => {
    const number = scans.filter(({ report }) => report.verdict === verdict).length;
    return number === 0 ? [] : [`${number} ${VERDICTS[verdict].counted}`];
  });
  return scans.length === 0 ? 'No scan could be measured.' : `${count(scans.length, 'scan')}: ${counts.join(', ')}.`;
}

/** Listed at the top; the rest stands with its scan. */
const MAX_SENTENCES = 12;

/** Worst first, each once, with the scans it is about. */
function sentences(scans: readonly ReportedScan[], studyFindings: QualityPage['studyFindings']): Markup {
  const all = [
    ...studyFindings.map(({ severity, sentence }) => ({ severity, sentence, index: -1 })),
    ...scans.flatMap(({ report }, index) =>
      report.judgements.map(({ severity, sentence }) => ({ severity, sentence, index })),
    ),
  ].toSorted((a, b) => RANK[b.severity] - RANK[a.severity]);
  if (all.length === 0) return markup``;
  const once = [...Map.groupBy(all, ({ sentence }) => sentence)];
  const shown = once.slice(0, MAX_SENTENCES).map(([sentence, places]) => {
    const which = places
      .filter(({ index }) => index >= 0)
      .map(({ index }) => markup`<a href="#scan-${index + 1}">scan ${index + 1}</a> `);
    return markup`<li>${which}${sentence}</li>`;
  });
  const more =
    once.length > MAX_SENTENCES ? markup`<li>and ${once.length - MAX_SENTENCES} more, with their scans</li>` : markup``;
  return markup`<ul>${shown}${more}</ul>`;
}

function row({ title, report }: ReportedScan, index: number): Markup {
  const { verdict, judgements, kind, measures } = report;
  const [first] = judgements.toSorted((a, b) => RANK[b.severity] - RANK[a.severity]);
  const why =
    first?.sentence ??
    (verdict === 'not-enough-history'
      ? 'Too few accepted scans before it, and no limit of the site.'
      : 'Nothing found.');
  const more = judgements.length > 1 ? ` (and ${judgements.length - 1} more)` : '';
  const key = keyNumbersOf(kind)
    .slice(0, 2)
    .flatMap(({ name, short }) => {
      const value = measures[name];
      return typeof value === 'number' ? [`${short} ${numberOf(value)} ${MEASURES.get(name)?.unit ?? ''}`.trim()] : [];
    });
  return markup`<tr><td><a href="#scan-${index + 1}">${index + 1}</a> ${title}</td><td class="badge ${verdict}">${VERDICTS[verdict].word}</td><td>${why}${more}</td><td class="number">${key.map((one) => markup`${one}<br>`)}</td></tr>`;
}

function definitions(scans: readonly ReportedScan[]): Markup {
  const used = [...MEASURES].filter(([name]) => scans.some(({ report }) => typeof report.measures[name] === 'number'));
  const good = { high: 'high', low: 'low', same: 'as before', note: '–' };
  return markup`<section>
<h2>Definitions</h2>
<p class="small">Verdicts: ${Object.values(VERDICTS).map(({ word, meaning }) => markup`<strong>${word}</strong> ${meaning} `)}</p>
<p class="small">z: distance from the median of the accepted scans of the same scanner and protocol, in robust standard deviations (1.4826 × median absolute deviation).</p>
<table class="definitions"><thead><tr><th>Measure</th><th>How it is computed</th><th>After</th><th>Good</th></tr></thead>
<tbody>${used.map(([name, { name: title, unit, formula, source, better }]) => markup`<tr><td>${title}${unit === '' ? '' : ` (${unit})`}<br><code>${name}</code></td><td>${formula}</td><td>${source}</td><td>${good[better]}</td></tr>`)}</tbody></table>
</section>`;
}

/** Names this table of measures: two reports with the same one compute alike. */
function measuresEdition(): string {
  return createHash('sha256')
    .update(JSON.stringify([...MEASURES]))
    .digest('hex')
    .slice(0, 12);
}

function provenance({ models }: QualityPage): Markup {
  return markup`<section>
<h2>Provenance</h2>
<table>
<tr><th>Made by</th><td>${SOFTWARE.name} ${SOFTWARE.version}</td></tr>
<tr><th>Measures</th><td>hub.qc/1, edition <code>${measuresEdition()}</code> (digest of names, formulas and deciding kinds)</td></tr>
<tr><th>Models</th><td>${
    models.length === 0
      ? 'none; masks of the object are found by threshold and morphology'
      : models.map(
          ({ name, version, onnxSha256, manifestSha256 }) =>
            markup`${name} ${version}, ONNX SHA-256 <code>${onnxSha256}</code>, manifest <code>${manifestSha256}</code><br>`,
        )
  }</td></tr>
</table>
<p class="small">For quality control of the scanning, not for diagnosis.</p>
</section>`;
}
