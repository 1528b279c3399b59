/** What quality control says about a study as a whole, and how much of it fits into an event. */
import type { Volume } from '../volumes/volume.ts';
import type { ScanReport } from './examine.ts';
import { isMatch, type QcOptions } from './options.ts';
import { protocolNames } from './protocol.ts';
import { type Judgement, type Verdict, worst } from './verdict.ts';

/** One entry a series, as the event has it. */
export interface SeriesSummary {
  readonly seriesInstanceUid: string;
  readonly kind: string;
  readonly verdict: Verdict;
  readonly findings: readonly string[];
  readonly judgements: readonly Judgement[];
  readonly measures: ScanReport['measures'];
}

/** The largest volume's measures, the worst verdict, all findings. */
export function summarize(reports: readonly ScanReport[]): readonly SeriesSummary[] {
  return [...Map.groupBy(reports, ({ seriesInstanceUid }) => seriesInstanceUid).values()].flatMap((series) => {
    const first = series[0];
    if (first === undefined) return [];
    const judgements = new Map(series.flatMap((one) => one.judgements.map((each) => [each.sentence, each] as const)));
    return [
      {
        seriesInstanceUid: first.seriesInstanceUid,
        kind: first.kind,
        verdict: worst(series.map(({ verdict }) => verdict)),
        findings: [...judgements.keys()],
        judgements: [...judgements.values()],
        measures: first.measures,
      },
    ];
  });
}

export interface StudyFinding {
  readonly severity: 'warn' | 'fail';
  readonly sentence: string;
}

/** What is kept of a scan when its volume is let go of: a study of many must not stand in memory as a whole. */
export interface ScanFacts {
  readonly seriesInstanceUid: string;
  readonly names: readonly string[];
  readonly digest: string;
}

export function factsOf(volume: Volume): ScanFacts {
  const { seriesInstanceUid, dims, data } = volume;
  let sum = 0;
  // Enough to tell two scans apart: noise makes no two pictures alike.
  for (let i = 0; i < data.length; i += 97) sum = (sum * 31 + (data[i] ?? 0)) % 9_007_199_254_740_881;
  return { seriesInstanceUid, names: protocolNames(volume), digest: `${dims.join('x')} ${sum}` };
}

/** What only the study as a whole shows: series that every study should have, a scan that came twice. */
export function studyFindings(scans: readonly ScanFacts[], { protocols }: QcOptions): readonly StudyFinding[] {
  const seriesOf = (some: readonly ScanFacts[]) => new Set(some.map(({ seriesInstanceUid }) => seriesInstanceUid)).size;
  const missing = protocols.flatMap(({ match, series }): readonly StudyFinding[] => {
    const found = seriesOf(scans.filter(({ names }) => isMatch(match, names)));
    if (found >= series) return [];
    return [{ severity: 'fail', sentence: `${found} of ${series} expected series match ${match}: a scan is missing.` }];
  });
  const copies = [...Map.groupBy(scans, ({ digest }) => digest).values()].filter((same) => seriesOf(same) > 1);
  return [
    ...missing,
    ...copies.map((same): StudyFinding => {
      const sentence = `${seriesOf(same)} series hold the very same picture: all but one are copies.`;
      return { severity: 'warn', sentence };
    }),
  ];
}

/** An event is at most 64 KiB, and its envelope needs some of that. */
const EVENT_BYTES = 48 * 1024;
const EVENT_SERIES = 150;
const EVENT_FINDINGS = 3;
const EVENT_JUDGEMENTS = 5;

/** As much as an event holds: judgements go first, then measures; the report has all of it. */
export function fittingEvent(series: readonly SeriesSummary[]): SeriesSummaryInEvent[] {
  const cut = series.slice(0, EVENT_SERIES).map(({ judgements, findings, ...one }) => ({
    ...one,
    measures: { ...one.measures },
    findings: findings.slice(0, EVENT_FINDINGS),
    judgements: judgements.slice(0, EVENT_JUDGEMENTS).map((each) => ({ ...each })),
  }));
  const fits = (value: unknown) => Buffer.byteLength(JSON.stringify(value)) <= EVENT_BYTES;
  if (fits(cut)) return cut;
  const withoutJudgements = cut.map(({ judgements: _, ...one }) => one);
  if (fits(withoutJudgements)) return withoutJudgements;
  return withoutJudgements.map((one) => ({ ...one, measures: {} }));
}

type SeriesSummaryInEvent = Omit<SeriesSummary, 'judgements' | 'findings' | 'measures'> & {
  readonly findings: string[];
  readonly measures: Record<string, number | null>;
  readonly judgements?: Judgement[];
};
