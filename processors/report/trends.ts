/** A page on how a scanner has done over time: measures by date, scan by scan, for each protocol. */
import type { QcHistoryRow } from '../../core/ledger/qc-history.ts';
import { count } from '../../core/count.ts';
import { controlChart, controlLimits } from '../pictures/control-chart.ts';
import type { Axis, Svg } from '../pictures/chart.ts';
import { markup, type Markup } from '../pictures/markup.ts';
import { MEASURES } from '../qc/measures.ts';
import { keyNumbersOf } from './key-numbers.ts';
import { document } from './document.ts';
import { VERDICTS } from './verdict-words.ts';

/** What is shown; the newest, or those with most scans. */
const MAX_PROTOCOLS = 40;
const MAX_CHARTS = 8;
const LISTED = 15;
/** Fewer have no limits. */
const MIN_FOR_LIMITS = 5;
const WIDTH = 335;
const DATES = 3;
const HISTORY = { warnZ: 3.5, failZ: 7 };

/** @param rows - of any scanners and protocols, in any order */
export function trendPage(rows: readonly QcHistoryRow[]): string {
  const protocols = [...Map.groupBy(rows, ({ protocolKey }) => protocolKey).values()]
    .toSorted((a, b) => b.length - a.length)
    .slice(0, MAX_PROTOCOLS);
  const sections = protocols.map((scans) =>
    protocolSection(scans.toSorted((a, b) => (a.recordedAt < b.recordedAt ? -1 : 1))),
  );
  return document(
    'Quality over time',
    markup`<h1>Quality over time</h1>
<p class="meta">${count(rows.length, 'scan')}, ${count(protocols.length, 'protocol')}. Dots: accepted; crosses: not accepted; green: median of the accepted; dashed and solid: 3.5 and 7 robust standard deviations on the side that is bad.</p>
${sections}`,
  );
}

function protocolSection(scans: readonly QcHistoryRow[]): Markup {
  const last = scans.at(-1);
  if (last === undefined) return markup``;
  const { kind, scannerKey, protocolKey, parameters } = last;
  const set = ['RepetitionTime', 'EchoTime', 'Columns', 'Rows', 'Slices'].flatMap((name) => {
    const value = parameters[name];
    return value === undefined ? [] : [`${name} ${String(value)}`];
  });
  const charts = chartsOf(scans);
  return markup`<section>
<h2>${kind}, ${count(scans.length, 'scan')}</h2>
<p class="meta">Protocol <code>${protocolKey}</code> of scanner <code>${scannerKey}</code>; ${set.join(', ')}</p>
<div class="charts">${charts.map(({ svg }) => markup`<figure>${svg}</figure>`)}</div>
<table><thead><tr><th>Recorded</th><th>Verdict</th><th>Accepted</th><th>Scan</th><th>Study</th></tr></thead>
<tbody>${scans.slice(-LISTED).toReversed().map(row)}</tbody></table>
</section>`;
}

function row({ recordedAt, verdict, accepted, decidedAt, qualityId, studyInstanceUid }: QcHistoryRow): Markup {
  const known = Object.entries(VERDICTS).find(([name]) => name === verdict)?.[1];
  const who = decidedAt === undefined ? '' : ', by a person';
  return markup`<tr><td>${recordedAt.slice(0, 16).replace('T', ' ')}</td><td class="badge ${verdict}">${known?.word ?? verdict}</td><td>${accepted ? 'yes' : 'no'}${who}</td><td><code>${qualityId}</code></td><td><code>${studyInstanceUid}</code></td></tr>`;
}

function chartsOf(scans: readonly QcHistoryRow[]): readonly Svg[] {
  const [{ kind } = { kind: 'unknown' }] = scans;
  const first = [...keyNumbersOf(kind)].map(({ name }) => name);
  const rest = [...MEASURES].filter(([, { decides }]) => decides.some((one) => one === kind)).map(([name]) => name);
  return [...new Set([...first, ...rest])].flatMap((name) => chartOf(name, scans) ?? []).slice(0, MAX_CHARTS);
}

function chartOf(name: string, scans: readonly QcHistoryRow[]): Svg | undefined {
  const known = MEASURES.get(name);
  const points = scans.flatMap(({ measures, recordedAt, accepted }) => {
    const value = measures[name];
    return typeof value === 'number' ? [{ x: Date.parse(recordedAt), value, isAccepted: accepted }] : [];
  });
  // What never was anything else has no course.
  if (known === undefined || points.length < 2 || points.every(({ value }) => value === points[0]?.value))
    return undefined;
  const accepted = points.filter(({ isAccepted }) => isAccepted).map(({ value }) => value);
  const limits =
    accepted.length < MIN_FOR_LIMITS ? undefined : controlLimits(accepted, known.better, known.resolution, HISTORY);
  return controlChart({
    ...{ title: known.name, unit: known.unit, points, width: WIDTH },
    x: { label: '', ticks: dates(points.map(({ x }) => x)) },
    ...(limits === undefined ? {} : { limits }),
  });
}

/** Evenly between the first and the last day. */
function dates(times: readonly number[]): NonNullable<Axis['ticks']> {
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  return Array.from({ length: DATES }, (_, i) => {
    const at = first + ((last - first) * (i + 0.5)) / DATES;
    return { at, text: new Date(at).toISOString().slice(0, 10) };
  });
}
