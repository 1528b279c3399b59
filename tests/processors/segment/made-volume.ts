import type { DataSet } from '../../../core/dicom/data-set.ts';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import { type Attributes, encodePart10 } from '../../../core/dicom/encode.ts';
import { readDataSet } from '../../../core/dicom/part10.ts';
import { emptyHeader } from '../../support/empty-header.ts';
import type { Triple, Volume } from '../../../processors/volumes/volume.ts';

/** A volume whose voxels are told by their place; axes as in the patient system, RAS, unless an affine says otherwise. */
export function madeVolume(
  dims: Triple,
  value: (x: number, y: number, z: number) => number,
  changes: Partial<Volume> = {},
): Volume {
  const [nx, ny, nz] = dims;
  const data = new Float32Array(nx * ny * nz);
  for (let z = 0, n = 0; z < nz; z += 1)
    for (let y = 0; y < ny; y += 1) for (let x = 0; x < nx; x += 1, n += 1) data[n] = value(x, y, z);
  const [sx, sy, sz] = changes.spacingMm ?? [0.5, 0.5, 0.5];
  return {
    studyInstanceUid: '1.2.3',
    seriesInstanceUid: '1.2.3.4',
    dims: [nx, ny, nz, 1],
    spacingMm: [sx, sy, sz],
    data,
    affine: [-sx, 0, 0, 0, 0, -sy, 0, 0, 0, 0, sz, 0, 0, 0, 0, 1],
    isRegular: true,
    slices: [],
    header: emptyHeader(),
    kind: 'anatomical',
    ...changes,
  };
}

/** A header with these attributes. */
export async function headerWith(attributes: Attributes): Promise<DataSet> {
  const bytes = encodePart10({
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.4',
    SOPInstanceUID: '1.2.3.4.5',
    Modality: 'MR',
    ...attributes,
  });
  return (await readDataSet(bytesAsSource(bytes))).dataSet;
}
