/**
 * What BIDS wants to know of an MR scan beside its voxels, under the names dcm2niix uses: how it was acquired, and nothing
 * of whom, where or when. Free text of operators (names of series and protocols, comments) stays away as well.
 */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { numberOf, numbersOf, stringOf, stringsOf } from './functional-groups.ts';
import { niftiGrid } from './nifti-grid.ts';
import type { VolumeHead } from './nifti-writer.ts';
import { geEchoSpacingSeconds } from './ge-readout.ts';
import { encodingAxis, phaseEncoding } from './phase-encoding.ts';
import { bandwidthPerPixelPhaseEncode } from './siemens.ts';

type Value = string | number | boolean | readonly (string | number)[];
export type Sidecar = Readonly<Record<string, Value>>;

/** Keys whose values are one attribute, by the factor that brings it into BIDS's unit. */
const NUMBERS: readonly (readonly [string, string, number])[] = [
  ['MagneticFieldStrength', 'MagneticFieldStrength', 1],
  ['SeriesNumber', 'SeriesNumber', 1],
  ['AcquisitionNumber', 'AcquisitionNumber', 1],
  ['SliceThickness', 'SliceThickness', 1],
  ['SpacingBetweenSlices', 'SpacingBetweenSlices', 1],
  ['NumberOfAverages', 'NumberOfAverages', 1],
  ['FlipAngle', 'FlipAngle', 1],
  ['EchoTrainLength', 'EchoTrainLength', 1],
  ['PercentPhaseFOV', 'PercentPhaseFieldOfView', 1],
  ['PercentSampling', 'PercentSampling', 1],
  ['PixelBandwidth', 'PixelBandwidth', 1],
  ['SAR', 'SAR', 1],
  ['ParallelReductionFactorInPlane', 'ParallelReductionFactorInPlane', 1],
  ['ParallelReductionFactorOutOfPlane', 'ParallelReductionFactorOutOfPlane', 1],
];
/** Codes and names of parts, no sentences. */
const TEXTS: readonly (readonly [string, string])[] = [
  ['Modality', 'Modality'],
  ['ManufacturersModelName', 'ManufacturerModelName'],
  ['PatientPosition', 'PatientPosition'],
  ['MRAcquisitionType', 'MRAcquisitionType'],
  ['ParallelAcquisitionTechnique', 'ParallelAcquisitionTechnique'],
  ['ReceiveCoilName', 'ReceiveCoilName'],
];
const LISTS: readonly (readonly [string, string])[] = [
  ['ScanningSequence', 'ScanningSequence'],
  ['SequenceVariant', 'SequenceVariant'],
  ['ScanOptions', 'ScanOptions'],
  ['SoftwareVersions', 'SoftwareVersions'],
];
const MAKERS: readonly (readonly [RegExp, string])[] = [
  [/siemens/i, 'Siemens'],
  [/^ge\b|ge medical/i, 'GE'],
  [/philips/i, 'Philips'],
  [/bruker/i, 'Bruker'],
  [/uih|united imaging/i, 'UIH'],
  [/canon/i, 'Canon'],
  [/toshiba/i, 'Toshiba'],
  [/hitachi/i, 'Hitachi'],
];

/** @param software - name and version of what converted it */
export function sidecarOf(head: VolumeHead, software: { readonly name: string; readonly version: string }): Sidecar {
  const { header } = head;
  const entries: (readonly [string, Value | undefined])[] = [
    ...TEXTS.map(([key, keyword]) => [key, stringOf(header, keyword)] as const),
    ['Manufacturer', makerOf(header)],
    ...NUMBERS.map(([key, keyword, factor]) => [key, scaled(numberOf(header, keyword), factor)] as const),
    ...LISTS.map(([key, keyword]) => [key, joined(stringsOf(header, keyword))] as const),
    ['ImagingFrequency', numberOf(header, 'ImagingFrequency') ?? numberOf(header, 'TransmitterFrequency')],
    ['SequenceName', stringOf(header, 'SequenceName') ?? stringOf(header, 'PulseSequenceName')],
    ['ImageType', nonEmpty(stringsOf(header, 'ImageType'))],
    ['InversionTime', scaled(numberOf(header, 'InversionTime') ?? numberOf(header, 'InversionTimes'), 0.001)],
    ['EchoTime', scaled(head.echoTimeMs, 0.001)],
    ['RepetitionTime', scaled(head.repetitionTimeMs, 0.001)],
    ['ImageOrientationPatientDICOM', nonEmpty(numbersOf(header, 'ImageOrientationPatient'))],
    ...(head.component === undefined || head.component === 'magnitude'
      ? []
      : [['ComplexImageComponent', head.component.toUpperCase()] as const]),
    ...encodingEntries(head),
    ['ConversionSoftware', software.name],
    ['ConversionSoftwareVersion', software.version],
  ];
  return Object.fromEntries(
    entries.flatMap(([key, value]) => (value === undefined || Number.isNaN(value) ? [] : [[key, value] as const])),
  );
}

/** What depends on the axes of the file: nothing of it holds when they were turned. */
function encodingEntries(head: VolumeHead): readonly (readonly [string, Value | undefined])[] {
  const { header } = head;
  const axis = encodingAxis(header);
  if (axis === undefined) return [];
  const lines = axis === 'rows' ? head.dims[1] : head.dims[0];
  const matrix = numbersOf(header, 'AcquisitionMatrix').filter((size) => size > 0);
  const steps =
    numberOf(header, 'NumberOfPhaseEncodingSteps') ?? numberOf(header, 'MRAcquisitionPhaseEncodingStepsInPlane');
  const shared: readonly (readonly [string, Value | undefined])[] = [
    ['InPlanePhaseEncodingDirectionDICOM', axis === 'rows' ? 'COL' : 'ROW'],
    ['PhaseEncodingSteps', steps],
    ['AcquisitionMatrixPE', matrix[1] ?? steps],
    ['ReconMatrixPE', lines],
  ];
  if (!niftiGrid(head).isAsAcquired) return shared;
  const encoding = phaseEncoding(header);
  const bandwidth = bandwidthPerPixelPhaseEncode(header);
  const echoSpacing =
    bandwidth === undefined || !(bandwidth > 0)
      ? geEchoSpacingSeconds(header, matrix[1] ?? steps)
      : 1 / (bandwidth * lines);
  return [
    ...shared,
    ...(encoding === undefined
      ? []
      : [[encoding.isSigned ? 'PhaseEncodingDirection' : 'PhaseEncodingAxis', encoding.direction] as const]),
    ['BandwidthPerPixelPhaseEncode', bandwidth],
    ['EffectiveEchoSpacing', scaled(echoSpacing, 1)],
    ['TotalReadoutTime', scaled(echoSpacing === undefined ? undefined : echoSpacing * (lines - 1), 1)],
    ['SliceTiming', head.sliceTimesMs?.map((ms) => rounded(ms / 1000))],
    ['MultibandAccelerationFactor', slicesAtOnce(head.sliceTimesMs)],
  ];
}

/** How many slices were taken together: those of one time, where that is the same number at each. */
function slicesAtOnce(timesMs: readonly number[] | undefined): number | undefined {
  const counts = [...Map.groupBy(timesMs ?? [], (ms) => ms).values()].map(({ length }) => length);
  const [first] = counts;
  return first !== undefined && first > 1 && counts.length > 1 && counts.every((each) => each === first)
    ? first
    : undefined;
}

function makerOf(header: DataSet): string | undefined {
  const stated = header.string('Manufacturer');
  return stated === undefined ? undefined : (MAKERS.find(([pattern]) => pattern.test(stated))?.[1] ?? stated);
}

function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined || !Number.isFinite(value) ? undefined : rounded(value * factor);
}

const rounded = (value: number): number => Number(value.toPrecision(6));

/** As dcm2niix writes several values: the standard's backslash between them. */
function joined(values: readonly string[]): string | undefined {
  return values.length === 0 ? undefined : values.join('\\');
}

function nonEmpty<T extends string | number>(values: readonly T[]): readonly T[] | undefined {
  return values.length === 0 ? undefined : values;
}
