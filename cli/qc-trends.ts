/** `hub qc trends`: measures over time for each scanner and protocol, of the scans that the hub has measured. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { count } from '../core/count.ts';
import { HubError } from '../core/errors.ts';
import { suggest } from '../core/suggestion.ts';
import { MEASURES } from '../processors/qc/measures.ts';
import { type MeasureTrend, type ProtocolTrend, type TrendRow, trendsOf } from '../processors/report/trend-data.ts';
import { MAX_CHARTS, settingsOf, trendChart, trendPage } from '../processors/report/trends.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, DATA_OPTION } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { type HubApi, withHubApi } from './hub-api.ts';
import { makeFolder } from './out-folder.ts';
import { columns, json, type Terminal } from './terminal.ts';

const OPTIONS = {
  scanner: { type: 'string', value: 'KEY', about: 'only this scanner, by its key' },
  protocol: { type: 'string', value: 'KEY', about: 'only this scanner’s protocol, by its key' },
  measure: { type: 'string', value: 'NAME', multiple: true, about: 'only this measure; may be given several times' },
  out: { type: 'string', value: 'DIR', about: 'write a chart of each (SVG) and a page of all (trends.html)' },
  config: CONFIG_OPTION,
  data: DATA_OPTION,
  json: JSON_OPTION,
} as const;

/** Of each question; and in all, as the page of the API has it. */
const PAGE = 500;
const MAX_SCANS = 2_000;

const answer = z.object({
  items: z.array(
    z.object({
      ...{ qualityId: z.string(), studyInstanceUid: z.string(), seriesInstanceUid: z.string(), revision: z.number() },
      ...{ kind: z.string(), verdict: z.string(), accepted: z.boolean(), recordedAt: z.string() },
      ...{ protocolKey: z.string(), scannerKey: z.string() },
      decidedAt: z.string().exactOptional(),
      measures: z.record(z.string(), z.number().nullable()),
      parameters: z.record(z.string(), z.union([z.number(), z.string()])),
    }),
  ),
  cursor: z.string().optional(),
});

/** 0 also when the newest scan is out of limits: this looks back, it judges nothing. */
export async function qcTrends(argv: readonly string[], to: Terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  if (positionals.length > 0)
    throw new HubError('command.usage', { detail: `trends takes no ${positionals[0] ?? ''}` });
  const unknown = values.measure?.find((name) => !MEASURES.has(name));
  if (unknown !== undefined)
    throw new HubError('command.usage', { detail: `no measure ${unknown}${suggest(unknown, [...MEASURES.keys()])}` });
  if (values.out !== undefined) await makeFolder(values.out);
  const rows = await withHubApi(values, false, (api) => scansOf(api, values));
  const trends = trendsOf(rows, {
    ...(values.measure === undefined ? {} : { measures: values.measure }),
    most: MAX_CHARTS,
  });

  if (values.json === true) to.out(json({ trends: trends.map(forMachines) }));
  else if (trends.length === 0) to.out('nothing was measured yet');
  else for (const line of trends.flatMap(linesOf)) to.out(line);
  if (values.out !== undefined)
    for (const file of await writeCharts(values.out, trends, rows)) (values.json === true ? to.err : to.out)(file);
  return EXIT.done;
}

/** The newest. */
async function scansOf(
  api: HubApi,
  { scanner, protocol }: { readonly scanner?: string | undefined; readonly protocol?: string | undefined },
): Promise<readonly TrendRow[]> {
  const rows: TrendRow[] = [];
  let cursor: string | undefined;
  do {
    const query = new URLSearchParams({ limit: String(PAGE) });
    for (const [name, value] of Object.entries({ scanner, protocol, before: cursor }))
      if (value !== undefined) query.set(name, value);
    const page = answer.parse(await api.call('GET', `/quality?${query.toString()}`));
    rows.push(...page.items);
    ({ cursor } = page);
  } while (cursor !== undefined && rows.length < MAX_SCANS);
  return rows;
}

function linesOf(trend: ProtocolTrend): readonly string[] {
  const { kind, scannerKey, protocolKey, scans, measures } = trend;
  const settings = settingsOf(trend);
  const head = `${kind}, ${count(scans.length, 'scan')}, ${scans.filter(({ accepted }) => accepted).length} accepted`;
  return [
    `${head}${settings === '' ? '' : ` (${settings})`}`,
    `  scanner ${scannerKey}, protocol ${protocolKey}`,
    ...(measures.length === 0
      ? ['  no measure has changed yet']
      : columns([['measure', 'unit', 'scans', 'median', 'newest', 'limits', 'state'], ...measures.map(rowOf)]).map(
          (line) => `  ${line}`,
        )),
  ];
}

const STATES: Readonly<Record<MeasureTrend['state'], string>> = {
  within: 'as before',
  warn: 'WARN',
  fail: 'FAIL',
  'too-few': 'too few accepted scans',
};

function rowOf({ measure, unit, points, limits, state }: MeasureTrend): readonly string[] {
  const { warnLow, warnHigh } = limits ?? {};
  const sides = [
    ...(warnLow === undefined ? [] : [`≥ ${format(warnLow)}`]),
    ...(warnHigh === undefined ? [] : [`≤ ${format(warnHigh)}`]),
  ];
  return [
    ...[measure, unit, String(points.length), limits === undefined ? '' : format(limits.middle)],
    ...[format(points.at(-1)?.value ?? Number.NaN), sides.join(', '), STATES[state]],
  ];
}

function forMachines({ scans, measures, ...of }: ProtocolTrend) {
  return { ...of, scans: scans.length, accepted: scans.filter(({ accepted }) => accepted).length, measures };
}

/** Numbered by protocol: keys are too long for names, and say nothing. */
async function writeCharts(
  out: string,
  trends: readonly ProtocolTrend[],
  rows: readonly TrendRow[],
): Promise<readonly string[]> {
  const files: string[] = [];
  for (const [index, { kind, measures }] of trends.entries())
    for (const trend of measures) {
      const file = join(out, `${String(index + 1).padStart(2, '0')}-${kind}-${trend.measure}.svg`);
      await writeFile(file, String(trendChart(trend).svg));
      files.push(file);
    }
  const page = join(out, 'trends.html');
  await writeFile(page, trendPage(rows));
  return [...files, page];
}

const format = (value: number): string => String(Number(value.toPrecision(4)));
