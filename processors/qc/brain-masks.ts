/** Masks of the brain for the measures: what an earlier step of the run has made, or a person drew; NIfTI and DICOM Segmentation. */
import type { ArtefactItem, ByteSource, InstanceItem, ObjectStore, RunItem } from '../../core/store.ts';
import { HubError } from '../../core/errors.ts';
import { readHeader } from '../../core/dicom/part10.ts';
import {
  readSegmentation,
  SEGMENTATION_STORAGE,
  type SegmentName,
  segmentName,
} from '../../pixels/segmentation-reader.ts';
import type { Grid } from '../../pixels/voxel-grid.ts';
import { readNifti } from '../volumes/nifti.ts';
import { finding, type Volume } from '../volumes/volume.ts';
import { fitMask, type FittedMask, type GivenMask } from './mask-fit.ts';

const MASK_NAME = /(?:^|[/_-])(?:brain_?)?mask\.nii(?:\.gz)?$/i;
/** A mask compresses to a few hundred kilobytes. */
const MAX_BYTES = 64 * 1024 * 1024;
/** SNOMED CT, and what people call it. */
const BRAIN = { code: '12738006', scheme: 'SCT', name: /^brain([ _-]?mask)?$/i } as const;

/** Puts a mask onto a volume; undefined where there is none for it. */
export type BrainOf = (volume: Volume) => Promise<FittedMask | undefined>;

/** Of a run's items: artefacts in NIfTI, one a series; else a Segmentation that refers to the series. */
export function brainMasks(items: readonly RunItem[], store: ObjectStore): BrainOf {
  const artefacts = new Map(
    items
      .filter((item): item is ArtefactItem => item.kind === 'artefact' && MASK_NAME.test(item.name))
      .map((item) => [item.seriesInstanceUid, item]),
  );
  const segmentations = segmentationMasks(
    items.filter((item): item is InstanceItem => item.kind === 'instance'),
    store,
  );
  return async (volume) => {
    const item = artefacts.get(volume.seriesInstanceUid);
    if (item === undefined) return await segmentations(volume);
    if (item.sizeBytes > MAX_BYTES) return undefined;
    const source = await store.open(item.blob);
    try {
      return fitMask(maskOfNifti(await source.read(0, source.sizeBytes)), volume);
    } catch (error) {
      return unreadable(error, volume);
    } finally {
      await source.close();
    }
  };
}

/** Of Segmentations among instances: those that refer to the volume's series and have a segment that is the brain. */
export function segmentationMasks(instances: readonly InstanceItem[], store: ObjectStore): BrainOf {
  const candidates = instances.filter(({ sopClassUid }) => sopClassUid === SEGMENTATION_STORAGE);
  let bySeries: Promise<ReadonlyMap<string, InstanceItem>> | undefined;
  return async (volume) => {
    if (candidates.length === 0) return undefined;
    bySeries ??= byReferencedSeries(candidates, store);
    const item = (await bySeries).get(volume.seriesInstanceUid);
    if (item === undefined || item.sizeBytes > MAX_BYTES) return undefined;
    const source = await store.open(item.blob);
    try {
      return await fitSegmentation(source, volume, 'brain-only');
    } finally {
      await source.close();
    }
  };
}

/**
 * @param which - `any`: where no segment is called brain all of them are; somebody said that it is the mask
 * @returns undefined when no segment is the brain
 */
export async function fitSegmentation(
  source: ByteSource,
  volume: Volume,
  which: 'brain-only' | 'any',
): Promise<FittedMask | undefined> {
  try {
    const segments = await readSegmentation(source, gridOf(volume));
    const brains = segments.filter(isBrain);
    const used = brains.length > 0 || which === 'brain-only' ? brains : segments;
    if (used.length === 0) return undefined;
    const values = new Float32Array(volume.dims[0] * volume.dims[1] * volume.dims[2]);
    for (const { mask } of used) mask.forEach((value, voxel) => (values[voxel] = Math.max(values[voxel] ?? 0, value)));
    return fitMask({ grid: gridOf(volume), values }, volume);
  } catch (error) {
    return unreadable(error, volume);
  }
}

/** @throws {HubError} `dataset.unreadable` */
export function maskOfNifti(nifti: Uint8Array): GivenMask {
  const volume = readNifti(nifti);
  if (volume.dims[3] > 1) throw new HubError('dataset.unreadable', { reason: 'a mask has one repetition' });
  return { grid: gridOf(volume), values: volume.data };
}

function isBrain({ name, type }: SegmentName): boolean {
  return (type?.code === BRAIN.code && type.scheme === BRAIN.scheme) || BRAIN.name.test(name.trim());
}

function gridOf({ dims, spacingMm, affine }: Volume): Grid {
  return { dims: [dims[0], dims[1], dims[2]], spacingMm, affine };
}

/** A mask that cannot be read is none, and said. */
function unreadable(error: unknown, { seriesInstanceUid }: Volume): FittedMask {
  if (!(error instanceof HubError) || error.code !== 'dataset.unreadable') throw error;
  const reason = error.fields['reason'] ?? error.fields['detail'];
  const why = typeof reason === 'string' ? `${reason}; it is not used` : 'it is not used';
  return { finding: finding('mask-unfit', seriesInstanceUid, why) };
}

async function byReferencedSeries(
  items: readonly InstanceItem[],
  store: ObjectStore,
): Promise<ReadonlyMap<string, InstanceItem>> {
  const found = new Map<string, InstanceItem>();
  for (const item of items) {
    const source = await store.open(item.blob);
    try {
      const { dataSet } = await readHeader(source);
      if (!dataSet.items('SegmentSequence').some((one) => isBrain(segmentName(one)))) continue;
      for (const series of dataSet.items('ReferencedSeriesSequence')) {
        const uid = series.string('SeriesInstanceUID');
        if (uid !== undefined) found.set(uid, item);
      }
    } finally {
      await source.close();
    }
  }
  return found;
}
