/** A page on how a scanner has done over time: measures by date, scan by scan, for each protocol. */
import { count } from '../../core/count.ts';
import { controlChart } from '../pictures/control-chart.ts';
import type { Axis, Svg } from '../pictures/chart.ts';
import { markup, type Markup } from '../pictures/markup.ts';
import { document } from './document.ts';
import { type MeasureTrend, type ProtocolTrend, type TrendRow, trendsOf } from './trend-data.ts';
import { VERDICTS } from './verdict-words.ts';

/** What is shown; the newest, or those with most scans. */
const MAX_PROTOCOLS = 40;
export const MAX_CHARTS = 8;
const LISTED = 15;
const WIDTH = 335;
const DATES = 3;

/** @param rows - of any scanners and protocols, in any order */
export function trendPage(rows: readonly TrendRow[]): string {
  const protocols = trendsOf(rows, { most: MAX_CHARTS }).slice(0, MAX_PROTOCOLS);
  return document(
    'Quality over time',
    markup`<h1>Quality over time</h1>
<p class="meta">${count(rows.length, 'scan')}, ${count(protocols.length, 'protocol')}. Dots: accepted; crosses: not accepted; green: median of the accepted; dashed and solid: 3.5 and 7 robust standard deviations on the side that is bad.</p>
${protocols.map(protocolSection)}`,
  );
}

/** What the newest scan of a protocol was set to, in a line. */
export function settingsOf({ scans }: Pick<ProtocolTrend, 'scans'>): string {
  const parameters = scans.at(-1)?.parameters ?? {};
  return ['RepetitionTime', 'EchoTime', 'Columns', 'Rows', 'Slices']
    .flatMap((name) => {
      const value = parameters[name];
      return value === undefined ? [] : [`${name} ${String(value)}`];
    })
    .join(', ');
}

export function trendChart({ name, unit, points, limits }: MeasureTrend): Svg {
  const places = points.map(({ recordedAt, value, isAccepted }) => ({ x: Date.parse(recordedAt), value, isAccepted }));
  return controlChart({
    ...{ title: name, unit, points: places, width: WIDTH },
    x: dates(places.map(({ x }) => x)),
    ...(limits === undefined ? {} : { limits }),
  });
}

function protocolSection(trend: ProtocolTrend): Markup {
  const { kind, scannerKey, protocolKey, scans, measures } = trend;
  return markup`<section>
<h2>${kind}, ${count(scans.length, 'scan')}</h2>
<p class="meta">Protocol <code>${protocolKey}</code> of scanner <code>${scannerKey}</code>; ${settingsOf(trend)}</p>
<div class="charts">${measures.map((each) => markup`<figure>${trendChart(each).svg}</figure>`)}</div>
<table><thead><tr><th>Recorded</th><th>Verdict</th><th>Accepted</th><th>Scan</th><th>Study</th></tr></thead>
<tbody>${scans.slice(-LISTED).toReversed().map(row)}</tbody></table>
</section>`;
}

function row({ recordedAt, verdict, accepted, decidedAt, qualityId, studyInstanceUid }: TrendRow): Markup {
  const known = Object.entries(VERDICTS).find(([name]) => name === verdict)?.[1];
  const who = decidedAt === undefined ? '' : ', by a person';
  return markup`<tr><td>${recordedAt.slice(0, 16).replace('T', ' ')}</td><td class="badge ${verdict}">${known?.word ?? verdict}</td><td>${accepted ? 'yes' : 'no'}${who}</td><td><code>${qualityId}</code></td><td><code>${studyInstanceUid}</code></td></tr>`;
}

/**
 * Evenly along the axis, each as short as it may be to differ from the next: days, or hours and minutes of a day that the
 * label names. In UTC.
 */
function dates(times: readonly number[]): Pick<Axis, 'label' | 'ticks'> {
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  // The axis goes half a scan further on either side.
  const beyond = times.length > 1 ? (last - first) / (times.length - 1) / 2 : 0;
  const length = last - first + 2 * beyond;
  const places = Array.from({ length: DATES }, (_, i) => first - beyond + (length * (i + 0.5)) / DATES);
  const [day, hour] = [10, 16].map((end) => places.map((at) => new Date(at).toISOString().slice(0, end)));
  if (day === undefined || hour === undefined || new Set(day).size === DATES)
    return { label: '', ticks: places.map((at, i) => ({ at, text: day?.[i] ?? '' })) };
  const isOneDay = new Set(day).size === 1;
  return {
    label: `${isOneDay ? (day[0] ?? '') : (day[0] ?? '').slice(0, 4)}, UTC`,
    ticks: places.map((at, i) => ({ at, text: (hour[i] ?? '').slice(isOneDay ? 11 : 5).replace('T', ' ') })),
  };
}
