/** Why a series has no mask, in words that may go into an event and to an operator: they hold nothing of its header. */
import type { LeftOut } from './fit.ts';
import type { VolumeOutcome } from './segment-volumes.ts';

export type ReasonLeftOut = LeftOut | 'no-volume' | 'failed' | 'nothing-found';

const SENTENCES: Readonly<Record<ReasonLeftOut, string>> = {
  'no-volume': 'no volume can be made of it.',
  shape: 'it has too few rows, columns or slices.',
  modality: 'the model is for another modality.',
  species: 'the model is for other species.',
  contrast: 'the model is for other contrasts.',
  geometry: 'its slices are missing or not equally far apart.',
  uniform: 'every voxel has the same value.',
  'field-of-view': 'its field of view is too large for the animal.',
  grid: 'its voxels are not of a size, or not as many as, the model takes.',
  channels: 'the other series that the model needs are not there.',
  failed: 'the model failed; the log says how.',
  'nothing-found': 'the model found nothing in it.',
};

export function leftOutSentence(reason: ReasonLeftOut): string {
  return SENTENCES[reason];
}

/** Of a volume without a mask; of one with a mask it means nothing. */
export function reasonLeftOut(outcome: VolumeOutcome): ReasonLeftOut {
  if (!outcome.fit.isTaken) return outcome.fit.leftOut;
  return outcome.segmented === undefined ? 'failed' : 'nothing-found';
}
