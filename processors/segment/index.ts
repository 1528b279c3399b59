/** The `segment` processor: a model's mask of each series it fits, as DICOM Segmentation, picture and numbers. */
import { existsSync } from 'node:fs';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isAbsolute, join } from 'node:path';
import type { DataSet } from '../../core/dicom/data-set.ts';
import { HubError, toHubError } from '../../core/errors.ts';
import type { Catalogue, ProcessorContext, ProcessorPlugin, ProcessorResult } from '../../core/plugins.ts';
import type { ArtefactItem, InstanceItem, RunItem } from '../../core/store.ts';
import { assembleVolumes } from '../volumes/assemble.ts';
import type { Volume } from '../volumes/volume.ts';
import { openInference } from './inference.ts';
import { type Model, readModel } from './manifest.ts';
import { inspectOnnx } from './onnx-guard.ts';
import { overlayPicture } from './overlay.ts';
import { SEGMENTATION_STORAGE, segmentationObject } from './segmentation-object.ts';
import { type SegmentedVolume, segmentVolume, type Species } from './segment-volume.ts';

export interface SegmentOptions {
  readonly model: Model;
  readonly hub: { readonly name: string; readonly version: string };
}

const BUNDLED = fileURLToPath(new URL('./models/', import.meta.url));
export const HUB = { name: 'imaging-hub', version: '0.1.0' };
const DEFAULT_MODEL = 'rodent-brain';
/** An event is at most 64 KiB; the report holds all series. */
const EVENT_SERIES = 200;
/** Smaller than this and there is no organ to find. */
const MIN_IN_PLANE = 16;
const MIN_SLICES = 4;
/** A rodent's head and coil; a larger field of view is another species, whatever the header says. */
const MAX_RODENT_FOV_MM = 80;

export const segment: ProcessorPlugin<SegmentOptions> = {
  name: 'segment',
  resolve(argument, catalogue) {
    return { model: openModel(modelName(argument), catalogue), hub: HUB };
  },
  run,
};

async function run(context: ProcessorContext<SegmentOptions>): Promise<ProcessorResult> {
  const { model, hub } = context.options;
  const images = context.items.filter(
    (item): item is InstanceItem => item.kind === 'instance' && item.derivedBy === undefined,
  );
  const { volumes, findings } = await assembleVolumes(images, context.store, context.signal);
  const made: RunItem[] = [];
  const series: {
    seriesInstanceUid: string;
    segmentationSopInstanceUid: string;
    segments: { label: string; voxels: number; volumeMm3: number }[];
  }[] = [];
  const report: Record<string, unknown>[] = findings.map((finding) => ({ ...finding }));
  let seconds = 0;
  let runtime = '';
  for await (const { volume, segmented, finding } of segmentVolumes(volumes, model, context.signal)) {
    const release = releaseOf(images.filter((item) => item.seriesInstanceUid === volume.seriesInstanceUid));
    if (segmented === undefined || segmented.voxels === 0) {
      report.push({
        seriesInstanceUid: volume.seriesInstanceUid,
        finding: finding ?? 'the model found nothing in this series',
      });
      continue;
    }
    seconds += segmented.seconds;
    runtime = segmented.runtime;
    const object = segmentationObject(
      volume,
      [{ label: model.manifest.labels[0], mask: segmented.mask }],
      model.manifest,
      hub,
    );
    made.push({
      kind: 'instance',
      ...(await context.pack.append(object.bytes)),
      studyInstanceUid: volume.studyInstanceUid,
      seriesInstanceUid: object.seriesInstanceUid,
      sopInstanceUid: object.sopInstanceUid,
      sopClassUid: SEGMENTATION_STORAGE,
      transferSyntaxUid: '1.2.840.10008.1.2.1',
      derivedBy: 'segment',
      ...release,
    });
    made.push(
      await artefact(
        context,
        `segment/${volume.seriesInstanceUid}/overlay.png`,
        'image/png',
        overlayPicture(volume, segmented.mask),
        release,
        volume.seriesInstanceUid,
      ),
    );
    const label = model.manifest.labels[0].name;
    series.push({
      seriesInstanceUid: volume.seriesInstanceUid,
      segmentationSopInstanceUid: object.sopInstanceUid,
      segments: [{ label, voxels: segmented.voxels, volumeMm3: round(segmented.volumeMm3) }],
    });
    report.push({
      seriesInstanceUid: volume.seriesInstanceUid,
      label,
      voxels: segmented.voxels,
      volumeMm3: round(segmented.volumeMm3),
      confidence: round(segmented.confidence),
      scaledAs: segmented.species,
      seconds: round(segmented.seconds),
    });
    context.progress(series.length / volumes.length);
  }
  const { manifest } = model;
  const result = {
    model: manifest.name,
    modelVersion: manifest.version,
    modelSha256: manifest.onnx.sha256,
    intendedUse: manifest.intended_use,
    runtime,
    seconds: round(seconds),
    series: report,
  };
  const release = releaseOf(images);
  made.push(
    await artefact(
      context,
      'segment/result.json',
      'application/json',
      Buffer.from(`${JSON.stringify(result, null, 2)}\n`),
      release,
    ),
  );
  return {
    outcome: 'done',
    items: [...context.items, ...made],
    events: [
      {
        type: 'segmentation.completed',
        data: {
          ...(release.releasedFor === undefined ? {} : { partner: release.releasedFor }),
          releasedStudyInstanceUid: images[0]?.studyInstanceUid ?? context.studyInstanceUid,
          model: manifest.name,
          modelVersion: manifest.version,
          modelSha256: manifest.onnx.sha256,
          runtime,
          seconds: round(seconds),
          series: series.slice(0, EVENT_SERIES),
        },
      },
    ],
  };
}

/** Volumes one by one, in one inference process that starts with the first volume that needs it. */
export async function* segmentVolumes(
  volumes: readonly Volume[],
  model: Model,
  signal: AbortSignal,
): AsyncGenerator<{ volume: Volume; segmented?: SegmentedVolume; finding?: string | undefined }> {
  const usable = volumes.map((volume) => ({ volume, finding: whyNot(volume, model) }));
  if (!usable.some(({ finding }) => finding === undefined)) {
    for (const { volume, finding } of usable) yield { volume, finding };
    return;
  }
  const session = await openInference(model, signal);
  try {
    for (const { volume, finding } of usable) {
      if (finding !== undefined) yield { volume, finding };
      else yield { volume, segmented: await segmentVolume(volume, speciesOf(volume.header), model.manifest, session) };
    }
  } finally {
    await session.close();
  }
}

/** A sentence for the report when a series is not for this model. */
function whyNot(volume: Volume, model: Model): string | undefined {
  const [nx, ny, nz] = volume.dims;
  if (nx < MIN_IN_PLANE || ny < MIN_IN_PLANE || nz < MIN_SLICES)
    return `not a volume to segment: ${String(nx)} × ${String(ny)} × ${String(nz)}`;
  const modality = volume.header.string('Modality');
  if (modality !== undefined && modality !== model.manifest.modality)
    return `modality ${modality}; the model is for ${model.manifest.modality}`;
  if (!volume.isRegular)
    return 'its slices are missing or not equally far apart: a mask would not lie where the scan does';
  const fovMm = Math.max(nx * volume.spacingMm[0], ny * volume.spacingMm[1]);
  if (!model.manifest.species.includes('human') && fovMm > MAX_RODENT_FOV_MM)
    return `a field of view of ${fovMm.toFixed(0)} mm is no rodent head; the model is for ${model.manifest.species.join(' and ')}`;
  return undefined;
}

/** (0010,2202) by code (CID 7454), else (0010,2201) by word. */
function speciesOf(header: DataSet): Species | undefined {
  const code = header.items('PatientSpeciesCodeSequence')[0]?.string('CodeValue');
  if (code === '447612001' || code === 'L-8B935') return 'mouse';
  if (code === '371564000' || code === 'L-8B934') return 'rat';
  const word = header.string('PatientSpeciesDescription')?.toLowerCase() ?? '';
  if (/\b(mouse|mus musculus)\b/.test(word)) return 'mouse';
  if (/\b(rat|rattus)\b/.test(word)) return 'rat';
  return undefined;
}

/** What is made from images that were all released for one partner may go to that partner, and only then. */
function releaseOf(images: readonly InstanceItem[]): { readonly releasedFor?: string } {
  const partners = new Set(images.map(({ releasedFor }) => releasedFor));
  const [partner] = partners;
  return partners.size === 1 && partner !== undefined ? { releasedFor: partner } : {};
}

async function artefact(
  context: ProcessorContext<SegmentOptions>,
  name: string,
  mediaType: string,
  bytes: Uint8Array,
  release: { releasedFor?: string },
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

function modelName(argument: unknown): string {
  if (argument === undefined) return DEFAULT_MODEL;
  if (typeof argument === 'string') return argument;
  throw new HubError('config.invalid', { detail: 'segment takes the name of a model: { segment: rodent-brain }' });
}

/** A configured model by its folder, else a bundled one. @throws {HubError} `config.invalid`, `model.invalid` */
export function openModel(name: string, catalogue: Catalogue): Model {
  const configured = catalogue.models.find((model) => model.name === name);
  const folder = configured === undefined ? join(BUNDLED, name) : configured.path;
  if (!/^[A-Za-z0-9_-]+$/.test(name) || (configured === undefined && !existsSync(folder))) {
    throw new HubError('config.invalid', {
      detail: `there is no model ${JSON.stringify(name)}: add it under models, or use ${DEFAULT_MODEL}`,
    });
  }
  try {
    const model = readModel(isAbsolute(folder) ? folder : join(process.cwd(), folder));
    const { opset } = inspectOnnx(readFileSync(model.file));
    if (opset > model.manifest.onnx.opset_max)
      throw new HubError('model.invalid', {
        model: name,
        detail: `it needs operator set ${String(opset)}, its manifest allows ${String(model.manifest.onnx.opset_max)}`,
      });
    return model;
  } catch (error) {
    throw toHubError(error);
  }
}

function round(value: number): number {
  return Number(value.toPrecision(6));
}
