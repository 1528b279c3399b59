/** Masks of the brain for `hub qc`: the one that was named, one that lies beside, a Segmentation in the folder. */
import { readFile } from 'node:fs/promises';
import { readHeader } from '../core/dicom/part10.ts';
import { HubError } from '../core/errors.ts';
import { SEGMENTATION_STORAGE } from '../pixels/segmentation-reader.ts';
import { type BrainOf, fitSegmentation, maskOfNifti } from '../processors/qc/brain-masks.ts';
import { fitMask } from '../processors/qc/mask-fit.ts';
import { commandFailure, sentenceOf } from './failure.ts';
import { openFile } from './local-files.ts';

/**
 * A NIfTI file, or a DICOM Segmentation: its brain, or all of it where no segment is called so.
 *
 * @throws {HubError} `file.failed`, `dataset.unreadable`: what somebody named is not passed by
 */
export async function namedMask(path: string): Promise<BrainOf> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw commandFailure(error);
  });
  if (!isPart10(bytes)) {
    const mask = niftiMask(path, bytes);
    return async (volume) => fitMask(mask, volume);
  }
  const source = await openFile(path);
  try {
    const { dataSet } = await readHeader(source);
    if (dataSet.string('SOPClassUID') !== SEGMENTATION_STORAGE)
      throw new HubError('file.failed', { detail: `${path} is no mask: NIfTI or a DICOM Segmentation is one` });
  } finally {
    await source.close();
  }
  return async (volume) => {
    const again = await openFile(path);
    try {
      return await fitSegmentation(again, volume, 'any');
    } finally {
      await again.close();
    }
  };
}

function niftiMask(path: string, bytes: Uint8Array) {
  try {
    return maskOfNifti(bytes);
  } catch (error) {
    throw new HubError('file.failed', { detail: `${path} is no mask: ${sentenceOf(commandFailure(error))}` }, error);
  }
}

/** PS3.10 Section 7.1. */
function isPart10(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(128, 132)).toString('latin1') === 'DICM';
}
