/** One scan in the report: sentences, pictures, charts, protocol and numbers. */
import { count } from '../../core/count.ts';
import { markup, type Markup } from '../pictures/markup.ts';
import { MEASURES } from '../qc/measures.ts';
import type { Limit } from '../qc/options.ts';
import type { ComplianceRow, MeasureLimits, ReportedScan } from './reported-scan.ts';
import { RANK, VERDICTS } from './verdict-words.ts';

export function scanSection(scan: ReportedScan, index: number): Markup {
  const { title, report, history, charts } = scan;
  const { verdict, seriesInstanceUid, pastScans } = report;
  const series =
    seriesInstanceUid === '' ? markup`` : markup`<p class="meta">Series <code>${seriesInstanceUid}</code></p>`;
  return markup`<section class="scan" id="scan-${index + 1}">
<h2>${index + 1}. ${title} <span class="badge ${verdict}">${VERDICTS[verdict].word}</span></h2>
${series}
${actions(scan)}
${pictures(scan)}
${charts.length === 0 ? markup`` : markup`${charts.map(figure)}`}
${history.length === 0 ? markup`` : markup`<h3>Against ${pastScans} accepted scans of the same scanner and protocol</h3><p class="small">Dots: scans before, oldest first; diamond: this scan; green: median; dashed: look; solid red: fail. On the right how often each value came.</p><div class="charts">${history.map(figure)}</div>`}
${protocol(scan.compliance)}
${measures(scan)}
</section>
`;
}

function actions({ report: { judgements, verdict, pastScans }, neededScans }: ReportedScan): Markup {
  if (judgements.length === 0)
    return markup`<p>${verdict === 'pass' ? 'Nothing was found that has to be looked at.' : `Nothing wrong was found. Of this scanner and protocol ${count(pastScans, 'accepted scan')} ${pastScans === 1 ? 'is' : 'are'} known, and ${neededScans} are needed to judge the numbers below by; nor has the site set a limit for them.`}</p>`;
  return markup`<ul>${judgements
    .toSorted((a, b) => RANK[b.severity] - RANK[a.severity])
    .map(({ sentence, severity, measure }) => {
      const act = MEASURES.get(measure)?.act;
      // History's sentences say what to do, the site's limits do not.
      const isSaid = act === undefined || !sentence.includes("the site's limit");
      return markup`<li><span class="badge ${severity}">${VERDICTS[severity].word}</span> ${sentence}${isSaid ? '' : ` ${act}`}</li>`;
    })}</ul>`;
}

function pictures({ pictures: all, title }: ReportedScan): Markup {
  if (all.length === 0)
    return markup`<p class="small">No pictures here: there is none of this scan, or the report would be too large; they are beside it.</p>`;
  const image = ({ png, width, height, caption }: (typeof all)[number]) =>
    markup`<figure><img src="data:image/png;base64,${Buffer.from(png).toString('base64')}" width="${width}" height="${height}" alt="${title}: ${caption}"><figcaption>${caption}</figcaption></figure>`;
  const large = all.filter(({ name }) => name === 'mosaic' || name === 'slices');
  const small = all.filter(({ name }) => name !== 'mosaic' && name !== 'slices');
  return markup`<div class="wide">${large.filter(({ name }) => name === 'mosaic').map(image)}</div><div class="pair">${small.map(image)}</div><div class="wide">${large.filter(({ name }) => name === 'slices').map(image)}</div>`;
}

function figure({ svg }: { readonly svg: Markup }): Markup {
  return markup`<figure>${svg}</figure>`;
}

const OUTCOMES = { compliant: '✓', deviates: '✗ deviates', undetermined: '? not in the header' } as const;

function protocol(rows: readonly ComplianceRow[]): Markup {
  if (rows.length === 0) return markup``;
  const off = rows.filter(({ outcome }) => outcome === 'deviates').length;
  return markup`<h3>Protocol: ${off === 0 ? 'as it should be' : `${off} of ${rows.length} parameters deviate`}</h3>
<table><thead><tr><th>Parameter</th><th class="number">This scan</th><th class="number">Reference</th><th>Of</th><th></th></tr></thead>
<tbody>${rows.map(({ parameter, unit, value, reference, from, outcome }) => markup`<tr${outcome === 'deviates' ? markup` class="off"` : markup``}><td>${parameter}${unit === '' ? '' : ` (${unit})`}</td><td class="number">${value ?? ''}</td><td class="number">${reference}</td><td>${from === 'site' ? 'the site' : 'accepted scans'}</td><td>${OUTCOMES[outcome]}</td></tr>`)}</tbody></table>`;
}

function measures({ report, limits }: ReportedScan): Markup {
  const judged = new Map(report.judgements.map((one) => [one.measure, one]));
  // What decides on this kind of scan comes first: of a phantom its evenness, not the slices it has.
  const [decisive, others] = [true, false].map((wanted) =>
    [...MEASURES].filter(([, { decides }]) => decides.some((kind) => kind === report.kind) === wanted),
  );
  const rows = [...(decisive ?? []), ...(others ?? [])].flatMap(([name, { name: title, unit }]) => {
    const value = report.measures[name];
    if (typeof value !== 'number') return [];
    const limit = limits.get(name);
    const judgement = judged.get(name);
    const z = judgement?.z;
    return [
      markup`<tr${judgement === undefined ? markup`` : markup` class="off"`}><td>${title}</td><td class="number">${numberOf(value)} ${unit}</td><td class="number">${limit?.history === undefined ? '' : numberOf(limit.history.middle)}</td><td class="number">${acceptable(limit)}</td><td class="number">${typeof z === 'number' ? z.toFixed(1) : ''}</td></tr>`,
    ];
  });
  if (rows.length === 0) return markup``;
  return markup`<h3>Numbers</h3>
<div class="numbers"><table><thead><tr><th>Measure</th><th class="number">This scan</th><th class="number">Usual</th><th class="number">Acceptable</th><th class="number">z</th></tr></thead><tbody>${rows}</tbody></table></div>
${notMeasured(report)}`;
}

/** Grouped by why: one reason often stands for many. */
function notMeasured({ measures: all, reasons }: ReportedScan['report']): Markup {
  const missing = Object.entries(reasons).filter(([name]) => all[name] === null && MEASURES.has(name));
  if (missing.length === 0) return markup``;
  const groups = [...Map.groupBy(missing, ([, why]) => why)];
  return markup`<p class="small">Not measured: ${groups.map(([why, names]) => markup`${names.map(([name]) => MEASURES.get(name)?.name ?? name).join(', ')} (${why}). `)}</p>`;
}

/** The site's limits before those of history. */
function acceptable(limits: MeasureLimits | undefined): string {
  const { site, history } = limits ?? {};
  const low = lowOf(site) ?? history?.warnLow;
  const high = highOf(site) ?? history?.warnHigh;
  if (low !== undefined && high !== undefined) return `${numberOf(low)} to ${numberOf(high)}`;
  if (low !== undefined) return `≥ ${numberOf(low)}`;
  return high === undefined ? '' : `≤ ${numberOf(high)}`;
}

const lowOf = (limit: Limit | undefined): number | undefined => limit?.warnBelow ?? limit?.failBelow;
const highOf = (limit: Limit | undefined): number | undefined => limit?.warnAbove ?? limit?.failAbove;

/** Four digits: more tell nothing. */
export function numberOf(value: number): string {
  return String(Number(value.toPrecision(4)));
}
