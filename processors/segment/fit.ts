/** Whether a series is one a model is for, and the sentence that says why it was taken or left. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { toHubError } from '../../core/errors.ts';
import type { Volume } from '../volumes/volume.ts';
import { parseLayout } from './layout.ts';
import type { ModelManifest } from './manifest.ts';
import { gridFor, spacingRefusal } from './model-grid.ts';
import { maxFovMm, speciesOf } from './species.ts';

/** Why a series is left out, in words that hold nothing of its header; of those, `channels` are a model of several. */
export type LeftOut =
  'shape' | 'modality' | 'species' | 'contrast' | 'geometry' | 'uniform' | 'field-of-view' | 'grid' | 'channels';

/** With the reason, for who reads the report; it may name words of the header. */
export type Fit =
  | { readonly isTaken: true; readonly because: string }
  | { readonly isTaken: false; readonly because: string; readonly leftOut: LeftOut };

type Refusal = Pick<Extract<Fit, { isTaken: false }>, 'because' | 'leftOut'>;

/** Smaller than this and there is no organ to find. */
const MIN_IN_PLANE = 16;
const MIN_SLICES = 4;

export function fitOf(volume: Volume, manifest: ModelManifest): Fit {
  const refusal = refusalOf(volume, manifest);
  if (refusal !== undefined) return { isTaken: false, ...refusal };
  const { header } = volume;
  const contrasts = contrastsOf(volume);
  const known = [
    header.string('Modality'),
    speciesOf(header) ?? 'species not said',
    contrasts.length === 0 ? 'contrast not known' : contrasts.join(' and '),
  ].filter((word) => word !== undefined);
  return { isTaken: true, because: known.join(', ') };
}

function refusalOf(volume: Volume, manifest: ModelManifest): Refusal | undefined {
  const refused = (leftOut: LeftOut, because: string): Refusal => ({ because, leftOut });
  const [nx, ny, nz] = volume.dims;
  const isOfSlices = parseLayout(manifest.geometry.layout)?.sliceAxis !== undefined;
  if (nx < MIN_IN_PLANE || ny < MIN_IN_PLANE || nz < (isOfSlices ? 1 : MIN_SLICES))
    return refused('shape', `not a volume to segment: ${String(nx)} × ${String(ny)} × ${String(nz)}`);
  const { header } = volume;
  const modality = header.string('Modality');
  if (modality !== undefined && modality !== manifest.modality)
    return refused('modality', `modality ${modality}; the model is for ${manifest.modality}`);
  const forSpecies = manifest.species.join(' and ');
  const species = speciesOf(header);
  if (species !== undefined && !manifest.species.includes(species))
    return refused('species', `species ${species}; the model is for ${forSpecies}`);
  const contrasts = contrastsOf(volume);
  if (manifest.contrasts !== undefined && contrasts.length > 0 && !isOneOf(manifest.contrasts, contrasts))
    return refused(
      'contrast',
      `contrast ${contrasts.join(' and ')}; the model is for ${manifest.contrasts.join(', ')}`,
    );
  if (!volume.isRegular)
    return refused(
      'geometry',
      'its slices are missing or not equally far apart: a mask would not lie where the scan does',
    );
  if (isUniform(volume.data.subarray(0, nx * ny * nz)))
    return refused('uniform', 'every voxel has the same value: there is nothing to see');
  const fovMm = Math.max(nx * volume.spacingMm[0], ny * volume.spacingMm[1]);
  if (fovMm > Math.max(...manifest.species.map(maxFovMm)))
    return refused('field-of-view', `a field of view of ${fovMm.toFixed(0)} mm is no ${manifest.species.join(' or ')}`);
  try {
    gridFor(volume, manifest, species);
    const because = spacingRefusal(volume, manifest);
    return because === undefined ? undefined : refused('grid', because);
  } catch (error) {
    const { code, fields } = toHubError(error);
    if (code !== 'dataset.unreadable') throw error;
    return refused('grid', String(fields['detail']));
  }
}

function isUniform(values: Float32Array): boolean {
  const [first] = values;
  return values.every((value) => value === first || !Number.isFinite(value));
}

/** Names as they come: `T2w`, `t2-w` and `T2W` are one. */
function isOneOf(wanted: readonly string[], found: readonly string[]): boolean {
  const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9*]/g, '');
  return wanted.some((each) => found.some((other) => plain(other) === plain(each)));
}

/** By what the protocol is called; the first that matches. T2* before T2, and both before what they are read with. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/T2(\*|[ _-]?star)|\bSWI\b/i, 'T2starw'],
  [/T2[ _-]?map|MSME|T1[ _-]?map|\bMTR?\b|\bASL\b|\bCASL\b|FAIR|perfusion/i, 'mapping'],
  [/(^|[^A-Z])T2([ _-]?w|[^0-9]|$)|TurboRARE|\bRARE\b|\bTSE\b|\bFSE\b/i, 'T2w'],
  [/(^|[^A-Z])T1([ _-]?w|[^0-9]|$)|MP-?RAGE|MDEFT|\bIR[ _-]?GE\b/i, 'T1w'],
  [/\bPD([ _-]?w|\b)/i, 'PDw'],
];
/** Spin echo: what is short, and what is long, in milliseconds; at 7 T and above as at 3 T. */
const SHORT_TR_MS = 1_200;
const SHORT_TE_MS = 25;
const LONG_TR_MS = 1_800;

/**
 * The contrasts a series may be called by, `EPI` beside what it is used for. None when neither the acquisition nor the
 * protocol's name says: then nobody can say that a model is not for it.
 */
export function contrastsOf({ kind, header }: Volume): readonly string[] {
  const isEpi = header.strings('ScanningSequence').includes('EP') || /\bEPI\b/i.test(protocolOf(header));
  if (kind === 'diffusion') return ['DWI', 'EPI'];
  if (kind === 'functional' && isMr(header)) return ['bold', 'EPI'];
  if (isEpi) return ['EPI'];
  const named = NAMES.find(([pattern]) => pattern.test(protocolOf(header)))?.[1];
  const contrast = named ?? contrastByTimes(header);
  return contrast === undefined ? [] : [contrast];
}

/** Whether a series is of a contrast: by what it is used for or acquired with, or because its name has the word. */
export function hasContrast(volume: Volume, contrast: string): boolean {
  const contrasts = contrastsOf(volume);
  if (contrasts.length > 0 && isOneOf([contrast], contrasts)) return true;
  const words = protocolOf(volume.header).split(/[^A-Za-z0-9*]+/);
  return isOneOf([contrast], words);
}

function protocolOf(header: DataSet): string {
  return ['SeriesDescription', 'ProtocolName', 'SequenceName', 'PulseSequenceName']
    .map((keyword) => header.string(keyword) ?? '')
    .join(' ');
}

/** A volume without a header is of no known modality. */
function isMr(header: DataSet): boolean {
  return header.string('Modality') === 'MR';
}

function contrastByTimes(header: DataSet): string | undefined {
  const [echo, repetition] = [header.number('EchoTime'), header.number('RepetitionTime')];
  if (echo === undefined || repetition === undefined || !header.strings('ScanningSequence').includes('SE'))
    return undefined;
  if (repetition >= LONG_TR_MS) return echo > SHORT_TE_MS ? 'T2w' : 'PDw';
  return repetition <= SHORT_TR_MS && echo <= SHORT_TE_MS ? 'T1w' : undefined;
}
