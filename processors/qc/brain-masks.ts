/** Masks of the brain that an earlier step of the run has made: artefacts in NIfTI, one a series. */
import type { ArtefactItem, ObjectStore, RunItem } from '../../core/store.ts';
import { HubError } from '../../core/errors.ts';
import { readNifti } from '../volumes/nifti.ts';

const MASK_NAME = /(?:^|[/_-])(?:brain_?)?mask\.nii(?:\.gz)?$/i;
/** A mask compresses to a few hundred kilobytes. */
const MAX_BYTES = 64 * 1024 * 1024;

export interface BrainMasks {
  /** 1 in the brain, on the grid of the series. */
  of(seriesInstanceUid: string): Promise<Uint8Array | undefined>;
}

export function brainMasks(items: readonly RunItem[], store: ObjectStore): BrainMasks {
  const masks = new Map(
    items
      .filter((item): item is ArtefactItem => item.kind === 'artefact' && MASK_NAME.test(item.name))
      .map((item) => [item.seriesInstanceUid, item]),
  );
  return {
    async of(seriesInstanceUid) {
      const item = masks.get(seriesInstanceUid);
      if (item === undefined || item.sizeBytes > MAX_BYTES) return undefined;
      const source = await store.open(item.blob);
      try {
        return maskOf(await source.read(0, source.sizeBytes));
      } catch (error) {
        // A mask that cannot be read is none: what it would have measured says so.
        if (error instanceof HubError && error.code === 'dataset.unreadable') return undefined;
        throw error;
      } finally {
        await source.close();
      }
    },
  };
}

/** What is above one half counts. @throws {HubError} `dataset.unreadable` */
export function maskOf(nifti: Uint8Array): Uint8Array {
  const { data } = readNifti(nifti);
  const mask = new Uint8Array(data.length);
  for (let voxel = 0; voxel < mask.length; voxel++) mask[voxel] = (data[voxel] ?? 0) > 0.5 ? 1 : 0;
  return mask;
}
