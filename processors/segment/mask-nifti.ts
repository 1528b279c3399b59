/** Masks, label maps and probabilities as NIfTI-1, voxel for voxel on the grid the scan itself is written on. */
import { gzip } from 'node:zlib';
import { promisify } from 'node:util';
import { parseDataSet } from '../../core/dicom/data-set.ts';
import { volumeToNifti } from '../volumes/to-nifti.ts';
import type { Volume } from '../volumes/volume.ts';
import type { SegmentedVolume } from './segment-volume.ts';

const IMPLICIT_VR = '1.2.840.10008.1.2';

/**
 * @param values - one for each voxel of the volume's first three axes, x fastest
 * @returns `.nii.gz`, uint8 or float32
 */
export async function maskNifti(volume: Volume, values: Uint8Array | Float32Array): Promise<Uint8Array> {
  const { studyInstanceUid, seriesInstanceUid, dims, spacingMm, affine, isRegular, slices, kind } = volume;
  // A time series is written in another order of axes than a single volume of the same acquisition: its header decides.
  const header = dims[3] > 1 ? parseDataSet(new Uint8Array(0), IMPLICIT_VR) : volume.header;
  const parts: Uint8Array[] = [];
  for await (const part of volumeToNifti({
    ...{ studyInstanceUid, seriesInstanceUid, spacingMm, affine, isRegular, slices, kind, header },
    dims: [dims[0], dims[1], dims[2], 1],
    data: Float32Array.from(values),
    ...(values instanceof Uint8Array ? { storedAs: { type: 'uint8', slope: 1, intercept: 0 } } : {}),
  }))
    parts.push(part);
  return promisify(gzip)(Buffer.concat(parts));
}

/** Each voxel's label by its index; where labels overlap, the later one of the manifest. */
export function labelMap({ labels, mask }: SegmentedVolume): Uint8Array {
  const map = new Uint8Array(mask.length);
  for (const { label, mask: of } of labels)
    for (let n = 0; n < map.length; n += 1) if (of[n] === 1) map[n] = label.index;
  return map;
}
