/** Quality control: measures each series, judges it, and leaves a report and a contact sheet. */
import type { ProcessorContext, ProcessorPlugin, ProcessorResult } from '../../core/plugins.ts';
import type { ArtefactItem, InstanceItem } from '../../core/store.ts';
import { mosaicPng } from '../pictures/mosaic.ts';
import { assembleVolumes, imagesBySeries } from '../volumes/assemble.ts';
import { parseQcOptions, type QcOptions } from './options.ts';
import { reportSeries, type SeriesReport, summarize } from './report.ts';
import { worst } from './verdict.ts';

const NAME = 'qc';
/** An event is at most 64 KiB: beyond so many series it keeps verdicts and findings, the measures stand in the report. */
const EVENT_SERIES_WITH_MEASURES = 40;
const EVENT_SERIES = 150;
const EVENT_FINDINGS = 3;

export const qc: ProcessorPlugin<QcOptions> = {
  name: NAME,
  resolve: parseQcOptions,
  run,
};

async function run(context: ProcessorContext<QcOptions>): Promise<ProcessorResult> {
  const { items, store, pack, signal, options } = context;
  const instances = items.filter((item): item is InstanceItem => item.kind === 'instance');
  const reports: SeriesReport[] = [];
  const artefacts: ArtefactItem[] = [];
  const allSeries = imagesBySeries(instances);
  for (const [index, images] of allSeries.entries()) {
    const seriesInstanceUid = images[0]?.seriesInstanceUid ?? '';
    // One series at a time: a study of many must not stand in memory as a whole.
    const { volumes, findings } = await assembleVolumes(images, store, signal);
    reports.push(...reportSeries(seriesInstanceUid, volumes, findings, options));
    const largest = volumes[0];
    if (largest !== undefined)
      artefacts.push({
        ...(await pack.append(mosaicPng(largest))),
        kind: 'artefact',
        name: `qc/${seriesInstanceUid}/mosaic.png`,
        mediaType: 'image/png',
        seriesInstanceUid,
        derivedBy: NAME,
        ...releaseOf(images),
      });
    context.progress((index + 1) / allSeries.length);
  }

  const series = summarize(reports);
  const verdict = worst(series.map((one) => one.verdict));
  const report = { schema: 'hub.qc/1', verdict, series: reports };
  const stored = await pack.append(Buffer.from(JSON.stringify(report, undefined, 2)));
  const release = releaseOf(instances);
  context.log.info('quality control done', { series: series.length, verdict });
  return {
    outcome: 'done',
    items: [
      ...items,
      ...artefacts,
      {
        ...stored,
        kind: 'artefact',
        name: 'qc/report.json',
        mediaType: 'application/json',
        derivedBy: NAME,
        ...release,
      },
    ],
    events: [
      {
        type: 'qc.completed',
        data: {
          ...(release.releasedFor === undefined ? {} : { partner: release.releasedFor }),
          releasedStudyInstanceUid: instances[0]?.studyInstanceUid ?? context.studyInstanceUid,
          verdict,
          series: series.slice(0, EVENT_SERIES).map((one) => ({
            ...one,
            measures: series.length > EVENT_SERIES_WITH_MEASURES ? {} : one.measures,
            findings: one.findings.slice(0, EVENT_FINDINGS),
          })),
          reportRef: stored.blob,
        },
      },
    ],
  };
}

/** What is made from instances that were all released for one partner may go to that partner, and only then. */
function releaseOf(instances: readonly InstanceItem[]): { readonly releasedFor?: string } {
  const partners = new Set(instances.map(({ releasedFor }) => releasedFor));
  const [partner] = partners;
  return partners.size === 1 && partner !== undefined ? { releasedFor: partner } : {};
}
