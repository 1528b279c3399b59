/** What a series is for. Coded attributes first; names only as a hint, for de-identification may have taken them. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { VolumeKind } from './volume.ts';

/** Repetitions from which on a series is a time series. */
const FUNCTIONAL_REPETITIONS = 10;

const NAMES: readonly (readonly [RegExp, VolumeKind])[] = [
  [/phantom|\bacr\b|\bqa\b/i, 'phantom'],
  [/locali[sz]er|scout|tripilot|3.?plane/i, 'unknown'],
  [/dti|dwi|diff|hardi|\bep2d_b/i, 'diffusion'],
  [/bold|fmri|resting|\brs\b/i, 'functional'],
  [/msme|t[12]\*?_?map|rarevtr|\bmge\b|fair|\basl\b|perf|\bmt[r_]|relax/i, 'mapping'],
];

export function kindOf(header: DataSet, repetitions: number, slices: number, isWeighted: boolean): VolumeKind {
  if (header.string('Modality') !== 'MR') return 'unknown';
  const types = header.strings('ImageType');
  if (types.includes('LOCALIZER')) return 'unknown';
  // Not the b-value's presence: some makers write 0 into every scan.
  if (isWeighted || (header.number('DiffusionBValue') ?? 0) > 0 || types.includes('DIFFUSION')) return 'diffusion';
  if (types.includes('FMRI')) return 'functional';
  if (types.includes('ASL') || types.some((type) => type.endsWith('MAP'))) return 'mapping';
  const names = ['SeriesDescription', 'ProtocolName', 'StudyDescription']
    .map((keyword) => header.string(keyword) ?? '')
    .join(' ');
  for (const [pattern, kind] of NAMES) if (pattern.test(names)) return kind;
  if (repetitions >= FUNCTIONAL_REPETITIONS) return 'functional';
  return repetitions === 1 && slices >= 3 ? 'anatomical' : 'unknown';
}
