/** What a series is for. Coded attributes first; names only as a hint, for de-identification may have taken them. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { VolumeKind } from './volume.ts';

/** Repetitions from which on a series is a time series. */
const FUNCTIONAL_REPETITIONS = 10;

const NAMES: readonly (readonly [RegExp, VolumeKind])[] = [
  // Words of their own: not the phantom limb, nor the letters in another word.
  [/(?<![a-z])(?:phantoms?(?!\W*(?:limb|pain|sensation))|fantom[ai]?|acr|qa|uniformity)(?![a-z])/i, 'phantom'],
  [/locali[sz]er|scout|tripilot|3.?plane/i, 'unknown'],
  [/dti|dwi|diff|hardi|\bep2d_b/i, 'diffusion'],
  [/bold|fmri|resting|\brs\b/i, 'functional'],
  [/msme|t[12]\*?_?map|rarevtr|\bmge\b|fair|\basl\b|perf|\bmt[r_]|relax/i, 'mapping'],
];

/** In Patient's Name, Patient ID or Patient Comments; the shorter words may be somebody's name or a study's. */
const PHANTOM_SUBJECT = /(?<![a-z])(?:phantom|fantom[ai]?)(?![a-z]|\W*(?:limb|pain|sensation))/i;

export function kindOf(header: DataSet, repetitions: number, slices: number, isWeighted: boolean): VolumeKind {
  if (header.string('Modality') !== 'MR') return 'unknown';
  const types = header.strings('ImageType');
  if (types.includes('LOCALIZER')) return 'unknown';
  const isPhantom = statedPhantom(header);
  if (isPhantom === true) return 'phantom';
  // Not the b-value's presence: some makers write 0 into every scan.
  if (isWeighted || (header.number('DiffusionBValue') ?? 0) > 0 || types.includes('DIFFUSION')) return 'diffusion';
  if (types.includes('FMRI')) return 'functional';
  if (types.includes('ASL') || types.some((type) => type.endsWith('MAP'))) return 'mapping';
  const names = ['SeriesDescription', 'ProtocolName', 'StudyDescription']
    .map((keyword) => header.string(keyword) ?? '')
    .join(' ');
  const subject = ['PatientName', 'PatientID', 'PatientComments'].map((each) => header.string(each) ?? '').join(' ');
  if (isPhantom === undefined && PHANTOM_SUBJECT.test(subject)) return 'phantom';
  for (const [pattern, kind] of NAMES)
    if (pattern.test(names) && !(kind === 'phantom' && isPhantom === false)) return kind;
  if (repetitions >= FUNCTIONAL_REPETITIONS) return 'functional';
  return repetitions === 1 && slices >= 3 ? 'anatomical' : 'unknown';
}

/** Quality Control Subject and Quality Control Image (PS3.3 Sections C.7.1.1 and C.7.6.1); undefined: nobody says. */
export function statedPhantom(header: DataSet): boolean | undefined {
  const stated = header.string('QualityControlSubject') ?? header.string('QualityControlImage');
  return stated === 'YES' ? true : stated === 'NO' ? false : undefined;
}
