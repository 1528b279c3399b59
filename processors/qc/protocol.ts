/**
 * Protocol compliance after mrQA: what a scan was set to, held against a reference of the site or against what most
 * accepted scans of the same protocol were set to. Each parameter has a tolerance of its own.
 */
import { numberOf, stringOf, stringsOf } from '../volumes/functional-groups.ts';
import type { Volume } from '../volumes/volume.ts';

export type Parameters = Readonly<Record<string, number | string>>;

/** `relative`, `absolute`: how far a number may be off; `exact`: it may not. */
type Tolerance = { readonly relative: number } | { readonly absolute: number } | 'exact';

interface ParameterRow {
  readonly name: string;
  readonly unit: string;
  readonly tolerance: Tolerance;
}

const row = (name: string, unit: string, tolerance: Tolerance): ParameterRow => ({ name, unit, tolerance });

/** By keyword, as the history and the configuration spell them. */
export const PARAMETERS: Readonly<Record<string, ParameterRow>> = {
  RepetitionTime: row('Repetition time', 'ms', { relative: 0.01 }),
  EchoTime: row('Echo time', 'ms', { relative: 0.01 }),
  InversionTime: row('Inversion time', 'ms', { relative: 0.01 }),
  FlipAngle: row('Flip angle', '°', { absolute: 1 }),
  EchoTrainLength: row('Echo train length', '', 'exact'),
  NumberOfAverages: row('Averages', '', 'exact'),
  PixelBandwidth: row('Bandwidth', 'Hz/pixel', { relative: 0.01 }),
  MagneticFieldStrength: row('Field strength', 'T', { relative: 0.02 }),
  Columns: row('Columns', '', 'exact'),
  Rows: row('Rows', '', 'exact'),
  Slices: row('Slices', '', 'exact'),
  Repetitions: row('Repetitions', '', 'exact'),
  VoxelX: row('Voxel along rows', 'mm', { relative: 0.01 }),
  VoxelY: row('Voxel along columns', 'mm', { relative: 0.01 }),
  VoxelZ: row('Distance of slices', 'mm', { relative: 0.01 }),
  AcquisitionMatrix: row('Acquisition matrix', '', 'exact'),
  NumberOfPhaseEncodingSteps: row('Phase encoding steps', '', 'exact'),
  InPlanePhaseEncodingDirection: row('Phase encoding direction', '', 'exact'),
  MRAcquisitionType: row('Acquisition type', '', 'exact'),
  ScanningSequence: row('Scanning sequence', '', 'exact'),
  SequenceVariant: row('Sequence variant', '', 'exact'),
  ParallelAcquisitionTechnique: row('Parallel imaging', '', 'exact'),
  PercentPhaseFieldOfView: row('Phase field of view', '%', { relative: 0.01 }),
  BValue: row('Highest b-value', 's/mm²', { relative: 0.05 }),
  Directions: row('Diffusion directions', '', 'exact'),
};

const NUMBERS = [
  'InversionTime', 'FlipAngle', 'EchoTrainLength', 'NumberOfAverages', 'PixelBandwidth', 'MagneticFieldStrength',
  'NumberOfPhaseEncodingSteps', 'PercentPhaseFieldOfView',
] as const; // prettier-ignore
/** Coded strings: nobody types them, so they may be repeated in a sentence. */
const CODES = [
  'InPlanePhaseEncodingDirection', 'MRAcquisitionType', 'ScanningSequence', 'SequenceVariant',
  'ParallelAcquisitionTechnique', 'AcquisitionMatrix',
] as const; // prettier-ignore
const CODE = /^[A-Z0-9 _.\\-]{1,64}$/i;

/** What the header says; what it does not say is not there. */
export function parametersOf(volume: Volume): Parameters {
  const { header, dims, spacingMm, diffusion } = volume;
  const entries: (readonly [string, number | string | undefined])[] = [
    ['RepetitionTime', volume.repetitionTimeMs ?? numberOf(header, 'RepetitionTime')],
    ['EchoTime', volume.echoTimeMs ?? numberOf(header, 'EchoTime')],
    ...NUMBERS.map((keyword) => [keyword, numberOf(header, keyword)] as const),
    ['Columns', dims[0]],
    ['Rows', dims[1]],
    ['Slices', dims[2]],
    ['Repetitions', dims[3]],
    ['VoxelX', spacingMm[0]],
    ['VoxelY', spacingMm[1]],
    ['VoxelZ', spacingMm[2]],
    ...CODES.map((keyword) => [keyword, codeOf(volume, keyword)] as const),
    ['BValue', diffusion === undefined ? undefined : Math.max(...diffusion.bValues)],
    ['Directions', diffusion?.bValues.filter((b) => b >= 50).length],
  ];
  return Object.fromEntries(
    entries.flatMap(([keyword, value]) =>
      value === undefined || value === '' || (typeof value === 'number' && !Number.isFinite(value))
        ? []
        : [[keyword, typeof value === 'number' ? Number(value.toPrecision(6)) : value] as const],
    ),
  );
}

function codeOf({ header }: Volume, keyword: string): string | undefined {
  const value = stringsOf(header, keyword).join('\\');
  return CODE.test(value) ? value : undefined;
}

export interface Deviation {
  readonly parameter: string;
  readonly value: number | string;
  readonly reference: number | string;
  readonly severity: 'warn' | 'fail';
  readonly sentence: string;
}

/** Further off than so many tolerances: another scan, not a slip. */
const GROSS = 10;

/** @param from - whose reference it is, for the sentence: "the site's protocol", "the accepted scans" */
export function deviationsFrom(reference: Parameters, parameters: Parameters, from: string): readonly Deviation[] {
  return Object.entries(reference).flatMap(([parameter, expected]): readonly Deviation[] => {
    const known = PARAMETERS[parameter];
    const value = parameters[parameter];
    if (known === undefined || value === undefined) return [];
    const off = tolerancesOff(value, expected, known.tolerance);
    if (off <= 1) return [];
    const isStopped = parameter === 'Repetitions' && Number(value) < Number(expected);
    const unit = known.unit === '' ? '' : ` ${known.unit}`;
    return [
      {
        parameter,
        value,
        reference: expected,
        severity: isStopped || (off > GROSS && known.tolerance !== 'exact') ? 'fail' : 'warn',
        sentence: isStopped
          ? `${known.name}: ${value}, ${expected} in ${from}: the scan was stopped, or is not whole.`
          : `${known.name}: ${value}${unit}, ${expected}${unit} in ${from}. Load the protocol anew rather than mend it by hand.`,
      },
    ];
  });
}

/** How many tolerances a value is off; above 1 it does not comply. */
function tolerancesOff(value: number | string, expected: number | string, tolerance: Tolerance): number {
  if (typeof value !== typeof expected) return String(value) === String(expected) ? 0 : 2;
  if (typeof value === 'string' || typeof expected === 'string') return value === expected ? 0 : 2;
  const off = Math.abs(value - expected);
  if (tolerance === 'exact') return off === 0 ? 0 : 2;
  if ('absolute' in tolerance) return off / tolerance.absolute;
  // Six digits are kept: what they round away is no deviation.
  return expected === 0 ? (off === 0 ? 0 : 2) : Math.max(0, off / Math.abs(expected) - 1e-6) / tolerance.relative;
}

/** Accepted scans that a majority needs, and the majority. */
const MIN_PAST = 5;
const MAJORITY = 0.7;

/** What most accepted scans were set to; parameters on which they do not agree are left out. */
export function usualParameters(past: readonly Parameters[]): Parameters {
  const usual: Record<string, number | string> = {};
  for (const [parameter, { tolerance }] of Object.entries(PARAMETERS)) {
    const values = past.map((one) => one[parameter]).filter((value) => value !== undefined);
    if (values.length < MIN_PAST) continue;
    const best = [...new Set(values)]
      .map((value) => ({
        value,
        count: values.filter((other) => tolerancesOff(other, value, tolerance) <= 1).length,
      }))
      .toSorted((a, b) => b.count - a.count)[0];
    if (best !== undefined && best.count >= MAJORITY * values.length) usual[parameter] = best.value;
  }
  return usual;
}

/** By what a protocol is called on the scanner, for rules of the site; stays in the hub. */
export function protocolNames({ header }: Volume): readonly string[] {
  return ['ProtocolName', 'SeriesDescription']
    .map((keyword) => stringOf(header, keyword) ?? '')
    .filter((name) => name !== '');
}
