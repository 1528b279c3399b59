/** What quality control says about a study: series by UID, no name and no free text of the header. */
import type { Finding, Volume, VolumeKind } from '../volumes/volume.ts';
import { measure } from './measure.ts';
import type { Measures } from './scan.ts';
import type { QcOptions } from './options.ts';
import { judge, type Verdict, worst } from './verdict.ts';

export interface SeriesReport {
  readonly seriesInstanceUid: string;
  readonly kind: VolumeKind;
  readonly verdict: Verdict;
  readonly findings: readonly string[];
  readonly measures: Measures;
}

/**
 * Reports of one series: one for each volume in it (echoes, components), or one that says why there is none.
 *
 * @param found - what assembling it brought up
 */
export function reportSeries(
  seriesInstanceUid: string,
  volumes: readonly Volume[],
  found: readonly Finding[],
  options: QcOptions,
): readonly SeriesReport[] {
  if (volumes.length === 0) {
    const { verdict, findings } = judge('unknown', undefined, found, options);
    return [{ seriesInstanceUid, kind: 'unknown', verdict, findings, measures: {} }];
  }
  return volumes.map((volume) => {
    const measured = measure(volume);
    const { verdict, findings } = judge(volume.kind, measured, found, options);
    return { seriesInstanceUid, kind: volume.kind, verdict, findings, measures: measured.measures };
  });
}

/** One entry a series, as the event has it: the largest volume's measures, the worst verdict, all findings. */
export function summarize(reports: readonly SeriesReport[]): readonly SeriesReport[] {
  return [...Map.groupBy(reports, ({ seriesInstanceUid }) => seriesInstanceUid).values()].flatMap((series) => {
    const first = series[0];
    if (first === undefined) return [];
    return [
      {
        ...first,
        verdict: worst(series.map(({ verdict }) => verdict)),
        findings: [...new Set(series.flatMap(({ findings }) => findings))],
      },
    ];
  });
}
