/** A case as a model is given it: what is scored, and what a model of several channels may see beside it. */
import { createHash } from 'node:crypto';
import { bytesAsSource } from '../core/bytes-as-source.ts';
import { encodePart10 } from '../core/dicom/encode.ts';
import { readDataSet } from '../core/dicom/part10.ts';
import { channelContrasts } from '../processors/segment/channels.ts';
import type { ModelManifest } from '../processors/segment/manifest.ts';
import type { Volume } from '../processors/volumes/volume.ts';

export interface CaseScan {
  /** What references and answers are about. */
  readonly volume: Volume;
  /** The other volumes of the case. */
  readonly beside: readonly Volume[];
}

const MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4';
/** Files of one case, by one name, are of one space: whoever named them says so. */
const ONE_SPACE = '2.25.1';

/** Of voxels and grids: of the first repetition of what is scored, of all that may be seen beside it. */
export function digestOf({ volume, beside }: CaseScan): string {
  const hash = createHash('sha256');
  for (const { dims, spacingMm, affine, data } of [volume, ...beside])
    hash
      .update(JSON.stringify([dims.slice(0, 3), spacingMm, affine]))
      .update(new Uint8Array(data.buffer, data.byteOffset, 4 * dims[0] * dims[1] * dims[2]));
  return hash.digest('hex');
}

/**
 * Files beside that hold the model's other channels, by contrast: `sub-1_T2w` beside `sub-1_T1w`, as BIDS names them.
 * Empty for a model of one channel, and for a file that is not called by the first.
 */
export function channelFiles<Path>(
  name: string,
  scans: ReadonlyMap<string, Path>,
  manifest: ModelManifest,
): readonly { readonly contrast: string; readonly name: string; readonly path: Path }[] {
  const [own, ...wanted] = channelContrasts(manifest);
  if (own === undefined || !isCalled(name, own)) return [];
  const stem = name.slice(0, -own.length);
  return wanted.flatMap((contrast) =>
    [...scans]
      .filter(([each]) => each.toLowerCase() === (stem + contrast).toLowerCase())
      .map(([each, path]) => ({ contrast, name: each, path })),
  );
}

/** A volume without a header, with the words a model of several channels asks for. */
export async function asContrast(volume: Volume, contrast: string, { modality }: ModelManifest): Promise<Volume> {
  const bytes = encodePart10({
    SOPClassUID: MR_IMAGE_STORAGE,
    SOPInstanceUID: ONE_SPACE,
    Modality: modality,
    SeriesDescription: contrast,
    FrameOfReferenceUID: ONE_SPACE,
  });
  return { ...volume, header: (await readDataSet(bytesAsSource(bytes))).dataSet };
}

/** `sub-1_T1w` is called T1w. */
export function isCalled(name: string, contrast: string): boolean {
  return name.toLowerCase().endsWith(`_${contrast.toLowerCase()}`);
}
