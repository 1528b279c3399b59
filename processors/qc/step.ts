/** The step at work: scan by scan it measures, judges and draws, then writes what it found. */
import { createHmac } from 'node:crypto';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';
import type { ProcessorContext, ProcessorResult } from '../../core/plugins.ts';
import type { QcScan } from '../../core/ledger/qc-history.ts';
import type { ArtefactItem, InstanceItem } from '../../core/store.ts';
import { HUB } from '../objects/hub.ts';
import { saidOfVolumes } from '../objects/other-steps.ts';
import { QualityResults } from '../objects/quality-results.ts';
import type { ResultObject } from '../objects/result-object.ts';
import { chartsOf } from '../pictures/scan-charts.ts';
import { picturesOf } from '../pictures/scan-pictures.ts';
import { modelsUsed } from '../report/models-used.ts';
import { StudyReport } from '../report/study-report.ts';
import { assembleVolumes, imagesBySeries } from '../volumes/assemble.ts';
import { brainMasks } from './brain-masks.ts';
import { examine, type Examined, type History, type ScanReport } from './examine.ts';
import type { QcOptions } from './options.ts';
import { factsOf, fittingEvent, type ScanFacts, studyFindings, summarize } from './report.ts';
import { worst } from './verdict.ts';

const NAME = 'qc';
/** All replicas have this key alike already; what scans, scanners and protocols are known by is derived from it. */
const KEY_PURPOSE = 'deidentify';
const HISTORY_CONTEXT = 'hub qc history';
/** Sentences that a quarantine entry shows. */
const HELD_FINDINGS = 5;

export async function run(context: ProcessorContext<QcOptions>): Promise<ProcessorResult> {
  const { items, store, pack, signal, options } = context;
  const instances = items.filter((item): item is InstanceItem => item.kind === 'instance');
  const history = await historyOf(context);
  const brainOf = brainMasks(items, store);
  const reports: (ScanReport & { readonly curves?: unknown })[] = [];
  const scans: QcScan[] = [];
  const facts: ScanFacts[] = [];
  const artefacts: ArtefactItem[] = [];
  const made: InstanceItem[] = [];
  const results = new QualityResults({
    hub: HUB,
    outputs: options.outputs,
    volumes: options.outputs.includes('pdf') ? await saidOfVolumes(items, store) : undefined,
  });
  const allSeries = imagesBySeries(instances);
  const page = new StudyReport({ options, series: allSeries.length });
  for (const [index, images] of allSeries.entries()) {
    const seriesInstanceUid = images[0]?.seriesInstanceUid ?? '';
    // One series at a time: a study of many must not stand in memory as a whole.
    const { volumes, findings } = await assembleVolumes(images, store, signal);
    const examined = await examine({
      seriesInstanceUid,
      volumes,
      findings,
      options,
      brainOf,
      ...(history === undefined ? {} : { history }),
    });
    signal.throwIfAborted();
    reports.push(...examined.map(inReport));
    scans.push(...examined.flatMap(({ scan }) => scan ?? []));
    facts.push(...volumes.map(factsOf));
    for (const { volume, report: said } of examined) {
      const sheet = volume === undefined ? undefined : results.add(volume, said);
      if (sheet !== undefined) made.push(await instanceOf(context, sheet, releaseOf(images)));
    }
    const release = releaseOf(images);
    for (const { name, mediaType, bytes } of drawingsOf(examined[0]))
      artefacts.push({
        ...(await pack.append(bytes)),
        kind: 'artefact',
        name: `qc/${seriesInstanceUid}/${name}`,
        mediaType,
        seriesInstanceUid,
        derivedBy: NAME,
        ...release,
      });
    // A name that left the hub was cleaned by a policy; one that did not may hold anything somebody typed.
    page.add(examined, release.releasedFor === undefined ? 'none' : 'protocol');
    context.progress((index + 1) / allSeries.length);
  }

  const series = summarize(reports);
  const found = studyFindings(facts, options);
  const verdict = worst([...series.map((one) => one.verdict), ...found.map(({ severity }) => severity)]);
  const findings = found.map(({ sentence }) => sentence);
  const report = { schema: 'hub.qc/1', verdict, findings, series: reports };
  const stored = await pack.append(Buffer.from(JSON.stringify(report, undefined, 2)));
  const release = releaseOf(instances);
  const html = page.page({
    studyInstanceUid: instances[0]?.studyInstanceUid ?? context.studyInstanceUid,
    studyFindings: found,
    models: await modelsUsed(items, store),
  });
  artefacts.push({
    ...(await pack.append(Buffer.from(html))),
    kind: 'artefact',
    name: 'qc/report.html',
    mediaType: 'text/html',
    derivedBy: NAME,
    ...release,
  });
  const { report: structured, document, pdf } = await results.finish(verdict, findings);
  for (const object of [structured, document])
    if (object !== undefined) made.push(await instanceOf(context, object, release));
  if (pdf !== undefined)
    artefacts.push({
      ...(await pack.append(pdf)),
      kind: 'artefact',
      name: 'qc/report.pdf',
      mediaType: 'application/pdf',
      derivedBy: NAME,
      ...release,
    });
  context.log.info('quality control done', { series: series.length, verdict });
  const done = {
    items: [
      ...items,
      ...made,
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
    quality: unique(scans),
    events: [
      {
        type: 'qc.completed',
        data: {
          ...(release.releasedFor === undefined ? {} : { partner: release.releasedFor }),
          releasedStudyInstanceUid: instances[0]?.studyInstanceUid ?? context.studyInstanceUid,
          verdict,
          ...(findings.length === 0 ? {} : { findings }),
          series: fittingEvent(series),
          reportRef: stored.blob,
        },
      },
    ],
  } as const;
  if (verdict !== 'fail' || options.hold === 'never') return { outcome: 'done', ...done };
  const failed = series.filter((one) => one.verdict === 'fail');
  const uids = new Set(failed.map(({ seriesInstanceUid }) => seriesInstanceUid));
  return {
    outcome: 'held',
    reason: 'quality.failed',
    detail: [...findings, ...failed.flatMap((one) => one.findings)].slice(0, HELD_FINDINGS).join(' '),
    sopInstanceUids: instances.filter((one) => uids.has(one.seriesInstanceUid)).map((one) => one.sopInstanceUid),
    // Whoever decides has to see the report, and lets go what the report is of.
    kept: done,
  };
}

async function instanceOf(
  { pack, items, studyInstanceUid }: ProcessorContext<QcOptions>,
  { bytes, sopClassUid, sopInstanceUid, seriesInstanceUid }: ResultObject,
  release: { readonly releasedFor?: string },
): Promise<InstanceItem> {
  const source = items.find((item) => item.kind === 'instance');
  return {
    kind: 'instance',
    ...(await pack.append(bytes)),
    studyInstanceUid: source?.studyInstanceUid ?? studyInstanceUid,
    ...{ seriesInstanceUid, sopInstanceUid, sopClassUid },
    transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN,
    derivedBy: NAME,
    ...release,
  };
}

/** Of the first volume of a series: an echo or a component looks like the next. */
function* drawingsOf(examined: Examined | undefined) {
  if (examined?.volume === undefined) return;
  const { volume, measured } = examined;
  for (const { name, png } of picturesOf(volume, measured))
    yield { name: `${name}.png`, mediaType: 'image/png', bytes: png };
  for (const { name, svg } of measured === undefined ? [] : chartsOf(volume, measured))
    yield { name: `${name}.svg`, mediaType: 'image/svg+xml', bytes: Buffer.from(String(svg)) };
}

/** Curves go along: they are what a page draws without asking for the pixels again. */
function inReport({ report, measured }: Examined): ScanReport & { readonly curves?: unknown } {
  return measured === undefined ? report : { ...report, curves: measured.curves };
}

async function historyOf(context: ProcessorContext<QcOptions>): Promise<History | undefined> {
  const { quality, studyInstanceUid } = context;
  if (quality === undefined) return undefined;
  return {
    secret: createHmac('sha256', await context.secret(KEY_PURPOSE))
      .update(HISTORY_CONTEXT)
      .digest(),
    device: await quality.device(),
    studyInstanceUid,
    past: (question) => quality.past(question),
  };
}

/** A study that holds the same scan twice has it once in the history. */
function unique(scans: readonly QcScan[]): readonly QcScan[] {
  return [...new Map(scans.map((scan) => [scan.scanKey, scan])).values()];
}

/** What is made from instances that were all released for one partner may go to that partner, and only then. */
function releaseOf(instances: readonly InstanceItem[]): { readonly releasedFor?: string } {
  const partners = new Set(instances.map(({ releasedFor }) => releasedFor));
  const [partner] = partners;
  return partners.size === 1 && partner !== undefined ? { releasedFor: partner } : {};
}
