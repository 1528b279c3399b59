/** The step at work: series by series through the model, then what came of the study. */
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';
import type { ProcessorContext, ProcessorResult, ResultEvent } from '../../core/plugins.ts';
import type { ArtefactItem, InstanceItem, RunItem } from '../../core/store.ts';
import { assembleVolumes, imagesBySeries } from '../volumes/assemble.ts';
import { subjectLabel } from '../objects/bids.ts';
import { saidOfQuality } from '../objects/other-steps.ts';
import type { ResultObject } from '../objects/result-object.ts';
import { SegmentResults } from '../objects/segment-results.ts';
import { labelMap } from './mask-nifti.ts';
import { overlayPicture } from './overlay.ts';
import { leftOutSentence, reasonLeftOut, type ReasonLeftOut } from './left-out.ts';
import { hasMask, ResultHead, round, seriesResult } from './result.ts';
import type { SegmentedVolume } from './segment-volume.ts';
import { segmentVolumes, type VolumeOutcome } from './segment-volumes.ts';
import type { SegmentOptions } from './options.ts';

/** Of the key that subjects are given labels by, where the study has no pseudonym. */
const SUBJECT_SECRET = 'bids-subject';
/** An event is at most 64 KiB; the report holds all series. */
const EVENT_SERIES = 100;
const EVENT_SEGMENTS = 20;
const EVENT_REASONS = 5;
/** A held run's detail is read by a person. */
const HELD_SERIES = 10;

type EventData = Extract<ResultEvent, { type: 'segmentation.completed' }>['data'];

export async function run(context: ProcessorContext<SegmentOptions>): Promise<ProcessorResult> {
  const { model, isRequired } = context.options;
  const images = context.items.filter(
    (item): item is InstanceItem => item.kind === 'instance' && item.derivedBy === undefined,
  );
  const { volumes, findings } = await assembleVolumes(images, context.store, context.signal);
  const made: RunItem[] = [];
  const series: EventData['series'] = [];
  const report: Record<string, unknown>[] = findings.map((finding) => ({ ...finding }));
  const head = new ResultHead(model);
  const results = await resultsOf(context);
  const segmented: InstanceItem[] = [];
  // A series may have several volumes: with one mask it is not left out.
  const leftOut = new Map<string, ReasonLeftOut>(
    imagesBySeries(images).flatMap(([first]) => (first === undefined ? [] : [[first.seriesInstanceUid, 'no-volume']])),
  );
  let seen = 0;
  let failed = 0;
  for await (const outcome of segmentVolumes(volumes, model, context.signal)) {
    const { seriesInstanceUid } = outcome.volume;
    if (outcome.failure !== undefined) {
      if (isRequired) throw outcome.failure;
      failed += 1;
      context.log.warn('a model failed', { seriesInstanceUid, code: outcome.failure.code, ...outcome.failure.fields });
    }
    head.add(outcome);
    report.push({ seriesInstanceUid, ...seriesResult(outcome) });
    leftOut.set(seriesInstanceUid, reasonLeftOut(outcome));
    if (hasMask(outcome)) {
      // What came of several series may go where all of them may.
      const seen = new Set([outcome.volume, ...(outcome.beside ?? [])].map((each) => each.seriesInstanceUid));
      const sources = images.filter((item) => seen.has(item.seriesInstanceUid));
      segmented.push(...sources);
      const products = await keep(context, outcome, results, releaseOf(sources));
      made.push(...products.items);
      series.push(products.event);
    }
    seen += 1;
    context.progress(seen / volumes.length);
  }
  for (const { seriesInstanceUid } of series) leftOut.delete(seriesInstanceUid);
  made.push(...(await keepOfStudy(context, results, segmented)));
  const release = releaseOf(images);
  const { intendedUse, confinement, ...identity } = head.values;
  const result = { ...identity, intendedUse, ...(confinement === undefined ? {} : { confinement }), series: report };
  const bytes = Buffer.from(`${JSON.stringify(result, null, 2)}\n`);
  made.push(await artefact(context, 'segment/result.json', 'application/json', bytes, release));
  const done = {
    items: [...context.items, ...made],
    events: [
      {
        type: 'segmentation.completed',
        data: {
          ...(release.releasedFor === undefined ? {} : { partner: release.releasedFor }),
          releasedStudyInstanceUid: images[0]?.studyInstanceUid ?? context.studyInstanceUid,
          ...identity,
          ...(failed === 0 ? {} : { failedSeries: failed }),
          series: series.slice(0, EVENT_SERIES),
          ...(leftOut.size === 0
            ? {}
            : {
                leftOut: [...leftOut]
                  .slice(0, EVENT_SERIES)
                  .map(([seriesInstanceUid, reason]) => ({ seriesInstanceUid, reason })),
              }),
        },
      },
    ],
  } as const;
  if (!isRequired || series.length > 0) return { outcome: 'done', ...done };
  return {
    outcome: 'held',
    reason: 'segmentation.missing',
    detail: heldDetail(model.manifest.name, leftOut),
    sopInstanceUids: images.map(({ sopInstanceUid }) => sopInstanceUid),
    kept: done,
  };
}

function heldDetail(model: string, leftOut: ReadonlyMap<string, ReasonLeftOut>): string {
  const said = [...leftOut].slice(0, HELD_SERIES).map(([uid, reason]) => `${uid}: ${leftOutSentence(reason)}`);
  const more = leftOut.size > HELD_SERIES ? [`and ${String(leftOut.size - HELD_SERIES)} series more`] : [];
  return [`No series was segmented by ${model}.`, ...said, ...more].join(' ');
}

interface Release {
  readonly releasedFor?: string;
}

async function resultsOf(context: ProcessorContext<SegmentOptions>): Promise<SegmentResults> {
  const { items, store, options } = context;
  const { model, hub, outputs } = options;
  const key = outputs.includes('nifti') ? await context.secret(SUBJECT_SECRET) : new Uint8Array(0);
  return new SegmentResults({
    model: { ...model.manifest, manifestSha256: model.manifestSha256 },
    hub,
    outputs,
    subject: (header) => subjectLabel(header, key),
    quality: outputs.includes('pdf') ? await saidOfQuality(items, store) : new Map(),
  });
}

/** Puts the results of one series into the pack. */
async function keep(
  context: ProcessorContext<SegmentOptions>,
  { volume, segmented }: VolumeOutcome & { readonly segmented: SegmentedVolume },
  results: SegmentResults,
  release: Release,
): Promise<{ readonly items: readonly RunItem[]; readonly event: EventData['series'][number] }> {
  const { seriesInstanceUid } = volume;
  const { segmentation, capture, files } = await results.add({ volume, ...segmented, labelMap: labelMap(segmented) });
  if (segmentation === undefined) throw new TypeError('a volume of a study was read from DICOM');
  const picture = overlayPicture(
    volume,
    segmented.labels.map(({ mask, label }) => ({ mask, rgb: label.rgb })),
  );
  const items: RunItem[] = [await instance(context, segmentation, release)];
  if (capture !== undefined) items.push(await instance(context, capture, release));
  const name = `segment/${seriesInstanceUid}/overlay.png`;
  items.push(await artefact(context, name, 'image/png', picture, release, seriesInstanceUid));
  for (const { path, mediaType, bytes } of files)
    items.push(await artefact(context, `${BIDS_FOLDER}/${path}`, mediaType, bytes, release, seriesInstanceUid));
  const { verdict, reasons } = segmented.reliability;
  return {
    items,
    event: {
      seriesInstanceUid,
      segmentationSopInstanceUid: segmentation.sopInstanceUid,
      segments: segmented.labels
        .filter(({ voxels }) => voxels > 0)
        .slice(0, EVENT_SEGMENTS)
        .map(({ label, voxels, volumeMm3 }) => ({ label: label.name, voxels, volumeMm3: round(volumeMm3) })),
      reliability: { verdict, reasons: reasons.slice(0, EVENT_REASONS) },
    },
  };
}

const BIDS_FOLDER = 'segment/bids';

/** What is about all series that were segmented. */
async function keepOfStudy(
  context: ProcessorContext<SegmentOptions>,
  results: SegmentResults,
  segmented: readonly InstanceItem[],
): Promise<readonly RunItem[]> {
  const { report, document, pdf, files } = await results.finish();
  const release = releaseOf(segmented);
  const items: RunItem[] = [];
  for (const object of [report, document])
    if (object !== undefined) items.push(await instance(context, object, release));
  if (pdf !== undefined) items.push(await artefact(context, 'segment/report.pdf', 'application/pdf', pdf, release));
  for (const { path, mediaType, bytes } of files)
    items.push(await artefact(context, `${BIDS_FOLDER}/${path}`, mediaType, bytes, release));
  return items;
}

async function instance(
  context: ProcessorContext<SegmentOptions>,
  { bytes, sopClassUid, sopInstanceUid, seriesInstanceUid }: ResultObject,
  release: Release,
): Promise<InstanceItem> {
  const [source] = context.items.filter((item) => item.kind === 'instance');
  return {
    kind: 'instance',
    ...(await context.pack.append(bytes)),
    studyInstanceUid: source?.studyInstanceUid ?? context.studyInstanceUid,
    seriesInstanceUid,
    sopInstanceUid,
    sopClassUid,
    transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN,
    derivedBy: 'segment',
    ...release,
  };
}

/** What is made from images that were all released for one partner may go to that partner, and only then. */
function releaseOf(images: readonly InstanceItem[]): Release {
  const partners = new Set(images.map(({ releasedFor }) => releasedFor));
  const [partner] = partners;
  return partners.size === 1 && partner !== undefined ? { releasedFor: partner } : {};
}

async function artefact(
  context: ProcessorContext<SegmentOptions>,
  name: string,
  mediaType: string,
  bytes: Uint8Array,
  release: Release,
  seriesInstanceUid?: string,
): Promise<ArtefactItem> {
  return {
    kind: 'artefact',
    name,
    mediaType,
    derivedBy: 'segment',
    ...(await context.pack.append(bytes)),
    ...release,
    ...(seriesInstanceUid === undefined ? {} : { seriesInstanceUid }),
  };
}
