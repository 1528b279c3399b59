/** What quality control found, as a structured report: a group of TID 1501 for each scan, its numbers and its verdict. */
import type { ScanReport } from '../qc/examine.ts';
import type { Volume } from '../volumes/volume.ts';
import { dcm, sct } from './codes.ts';
import { coded, type ContentItem, image, numeric, text, uidReference } from './content-items.ts';
import { algorithm, type Evidence, measurementGroup, measurementReport } from './measurement-report.ts';
import { conceptOf, QUALITY_ASSESSMENT, VERDICT_CODES } from './quality-concepts.ts';
import { type HubIdentity, type InstanceReference, type ResultObject } from './result-object.ts';
import { derivedUid } from './uids.ts';

/** A scan that became a volume, with what was said about it. */
export interface JudgedScan {
  readonly volume: Pick<Volume, 'header' | 'slices' | 'dims'>;
  readonly report: Pick<ScanReport, 'seriesInstanceUid' | 'kind' | 'verdict' | 'findings' | 'measures'>;
}

const ALGORITHM = 'quality control';
/** Findings of a scan that are told; the report in JSON has all. */
const MAX_FINDINGS = 50;

/** @param scans - of one study and release, at least one */
export function qualityReport(scans: readonly [JudgedScan, ...JudgedScan[]], hub: HubIdentity): ResultObject {
  return measurementReport(
    {
      header: scans[0].volume.header,
      seriesDescription: 'Quality control: measures',
      seriesNumber: 2002,
      identity: ['quality', hub.name],
      serial: hub.name,
      contribution: `Quality of scans measured by ${hub.name} ${hub.version}`,
      groups: scans.map((scan, index) => groupOf(scan, index, hub)),
      evidence: evidenceOf(scans),
    },
    hub,
  );
}

function groupOf({ volume, report }: JudgedScan, index: number, hub: HubIdentity): ContentItem {
  const { seriesInstanceUid, kind, verdict, findings, measures } = report;
  const id = `Scan ${String(index + 1)}: series ${String(volume.header.number('SeriesNumber') ?? '?')}, ${kind}`;
  const uid = derivedUid(['quality', ...instancesOf(volume).map(({ sopInstanceUid }) => sopInstanceUid)]);
  const numbers = Object.entries(measures).flatMap(([measure, value]): readonly ContentItem[] => {
    const known = conceptOf(measure);
    // A value that could not be had is no item: readers stumble over a number without one. The report in JSON says why.
    return known === undefined || value === null ? [] : [numeric('CONTAINS', known.concept, value, known.unit)];
  });
  return measurementGroup('1501', { id, uid }, [
    uidReference('CONTAINS', dcm('112002', 'Series Instance UID'), seriesInstanceUid),
    ...algorithm(ALGORITHM, hub.version, []),
    ...numbers,
    coded('CONTAINS', QUALITY_ASSESSMENT, VERDICT_CODES[verdict]),
    ...findings.slice(0, MAX_FINDINGS).map((finding) => text('CONTAINS', dcm('121106', 'Comment'), finding)),
    ...instancesOf(volume).map((instance) => image('CONTAINS', sct('260753009', 'Source'), instance)),
  ]);
}

/** Of the first repetition, each once: a time series of thousands is known by it. */
function instancesOf({ slices, dims }: JudgedScan['volume']): readonly InstanceReference[] {
  return [...new Map(slices.slice(0, dims[2]).map((slice) => [slice.sopInstanceUid, slice])).values()];
}

function evidenceOf(scans: readonly JudgedScan[]): readonly Evidence[] {
  return [...Map.groupBy(scans, ({ report }) => report.seriesInstanceUid)].map(([seriesInstanceUid, same]) => ({
    seriesInstanceUid,
    instances: same.flatMap(({ volume }) => instancesOf(volume)),
  }));
}
