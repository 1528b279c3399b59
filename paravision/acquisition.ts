/** How a scan was made, in the words of the Enhanced MR Image Storage object (PS3.3 Section C.8.13). Absent is what ParaVision does not say. */
import type { Attributes } from '../core/dicom/encode.ts';
import { dateTimeAfter, type DicomDate, parseDate } from './dates.ts';
import type { Parameters } from './parameters.ts';
import type { Reconstruction } from './reconstruction.ts';
import { shortText } from './subject.ts';

/** MHz a tesla (CODATA 2018 for protons, IUPAC's frequency ratios for the others). */
const MHZ_PER_TESLA: Readonly<Record<string, number>> = {
  '1H': 42.577478518,
  '2H': 6.5359,
  '3HE': 32.434,
  '7LI': 16.5483,
  '13C': 10.7084,
  '17O': 5.7742,
  '19F': 40.0776,
  '23NA': 11.2688,
  '31P': 17.2515,
  '129XE': 11.777,
};
const YES_OR_NO: Readonly<Record<string, string>> = { yes: 'YES', no: 'NO', on: 'YES', off: 'NO' };
const ECHO: Readonly<Record<string, string>> = { SpinEcho: 'SPIN', GradientEcho: 'GRADIENT', Both: 'BOTH' };
const SUPPRESSION: Readonly<Record<string, string>> = {
  FatSuppression: 'FAT',
  WaterSuppression: 'WATER',
  FatAndWaterSuppression: 'FAT_AND_WATER',
  NoSuppression: 'NONE',
};
const TRAVERSAL: Readonly<Record<string, string>> = {
  RectilinearTraversal: 'RECTILINEAR',
  RadialTraversal: 'RADIAL',
  SpiralTraversal: 'SPIRAL',
};
const FILTERS: Readonly<Record<string, string>> = {
  NO_WDW: 'NONE',
  GAUSSIAN: 'GAUSSIAN',
  SINE: 'COSINE',
  SINE_SQUARED: 'COSINE_SQUARED',
  EXPONENTIAL: 'LORENTZIAN',
};
const SPOILING: Readonly<Record<string, string>> = {
  RFSpoiled: 'RF',
  GradientSpoiled: 'GRADIENT',
  RFAndGradientSpoiled: 'RF_AND_GRADIENT',
  NotSpoiled: 'NONE',
};
/** Methods of ParaVision 5, which does not say it in words: all that begin with these make gradient echoes. */
const GRADIENT_ECHO = /FLASH|MGE|FISP|UTE|ZTE|GEFC|FLOWMAP|SPIRAL|FieldMap/i;

/** A year: no scan takes it. */
const LONGEST_MS = 366 * 24 * 3600 * 1000;

/** When a scan began and how long it took. */
export interface Timing {
  readonly start: DicomDate | undefined;
  readonly durationMs: number | undefined;
}

export function timingOf(parameters: Parameters): Timing {
  const durationMs = parameters.number('VisuAcqScanTime') ?? parameters.number('PVM_ScanTime');
  return {
    start: parseDate(parameters.text('VisuAcqDate') ?? parameters.text('ACQ_time')),
    durationMs: durationMs !== undefined && durationMs > 0 && durationMs < LONGEST_MS ? durationMs : undefined,
  };
}

/** What of the image as a whole belongs to the pulse sequence (PS3.3 Section C.8.13.4) and to the magnet (C.8.13.1). */
export function sequenceAttributes({ parameters, grid, order }: Reconstruction): Attributes {
  const method = parameters.text('VisuAcqSequenceName') ?? parameters.text('Method') ?? parameters.text('ACQ_method');
  const isEpi = flag(parameters, 'VisuAcqIsEpiSequence') ?? (/EPI/i.test(method ?? '') ? 'YES' : 'NO');
  const echoes = order.groups.find(({ id }) => id === 'FG_ECHO')?.length ?? 1;
  const echo = echoOf(parameters, method);
  const nucleus = nucleusOf(parameters);
  const frequency = parameters.number('VisuAcqImagingFrequency') ?? parameters.number('BF1');
  const perTesla = MHZ_PER_TESLA[nucleus];
  const traversal = TRAVERSAL[parameters.text('VisuAcqKSpaceTraversal') ?? ''] ?? 'RECTILINEAR';
  return {
    PulseSequenceName: shortText(method, 16) || 'UNKNOWN',
    MRAcquisitionType: grid.planes > 1 ? '3D' : '2D',
    EchoPulseSequence: echo,
    ...(echo === 'GRADIENT' ? {} : { MultipleSpinEcho: echoes > 1 ? 'YES' : 'NO' }),
    MultiPlanarExcitation: 'NO',
    PhaseContrast: flag(parameters, 'VisuAcqSpinsVelocityEncoded') ?? 'NO',
    TimeOfFlightContrast: flag(parameters, 'VisuAcqHasTimeOfFlightContrast') ?? 'NO',
    SaturationRecovery: /RAREVTR|SATREC/i.test(method ?? '') ? 'YES' : 'NO',
    SteadyStatePulseSequence: /FISP/i.test(method ?? '') ? 'FREE_PRECESSION' : 'NONE',
    EchoPlanarPulseSequence: isEpi,
    SpectrallySelectedSuppression:
      SUPPRESSION[parameters.text('VisuAcqSpectralSuppression') ?? ''] ??
      (flag(parameters, 'PVM_FatSupOnOff') === 'YES' ? 'FAT' : 'NONE'),
    OversamplingPhase: oversampling(parameters, grid.planes > 1),
    GeometryOfKSpaceTraversal: traversal,
    SegmentedKSpaceTraversal: (parameters.number('NSegments') ?? 1) > 1 ? 'PARTIAL' : 'SINGLE',
    ...(traversal === 'RECTILINEAR' ? { RectilinearPhaseEncodeReordering: 'LINEAR' } : {}),
    ...(grid.planes > 1 ? { CoverageOfKSpace: 'FULL' } : {}),
    NumberOfKSpaceTrajectories: Math.max(1, count(parameters.number('VisuAcqKSpaceTrajectoryCnt') ?? 1)),
    ResonantNucleus: nucleus,
    KSpaceFiltering:
      FILTERS[parameters.texts('VisuAcqKSpaceFiltering')[0] ?? parameters.texts('RECO_wdw_mode')[0] ?? ''] ?? 'NONE',
    ...(frequency === undefined || perTesla === undefined ? {} : { MagneticFieldStrength: frequency / perTesla }),
    ApplicableSafetyStandardAgency: 'IEC',
    ContentQualification: 'RESEARCH',
  };
}

/** The item of the MR Timing and Related Parameters Sequence (PS3.3 Section C.8.13.5.2). */
export function timingItem(reconstruction: Reconstruction, frame: number): Attributes {
  const { parameters } = reconstruction;
  const echoTrain = count(parameters.number('VisuAcqEchoTrainLength') ?? 1);
  const isGradient =
    echoOf(parameters, parameters.text('VisuAcqSequenceName') ?? parameters.text('Method')) === 'GRADIENT';
  const isEpi = /EPI/i.test(parameters.text('VisuAcqSequenceName') ?? parameters.text('Method') ?? '');
  return {
    RepetitionTime:
      reconstruction.numberOf(['VisuAcqRepetitionTime', 'PVM_RepetitionTime', 'ACQ_repetition_time'], frame) ?? 0,
    FlipAngle: reconstruction.numberOf(['VisuAcqFlipAngle', 'ACQ_flip_angle'], frame) ?? 90,
    EchoTrainLength: echoTrain,
    RFEchoTrainLength: isGradient ? 0 : isEpi ? 1 : echoTrain,
    GradientEchoTrainLength: isEpi || isGradient ? echoTrain : 0,
    // Type 1C, and ParaVision determines neither: of an animal scanner no level of IEC 60601-2-33 is claimed.
    SpecificAbsorptionRateSequence: [{ SpecificAbsorptionRateDefinition: 'IEC_LOCAL', SpecificAbsorptionRateValue: 0 }],
    OperatingModeSequence: [{ OperatingModeType: 'RF', OperatingMode: 'IEC_SECOND_LEVEL' }],
  };
}

/** The item of the MR Echo Sequence (PS3.3 Section C.8.13.5.4). */
export function echoItem(reconstruction: Reconstruction, frame: number): Attributes {
  return {
    EffectiveEchoTime:
      reconstruction.numberOf(['VisuAcqEchoTime', 'ACQ_echo_time', 'EchoTime', 'PVM_EchoTime'], frame) ?? 0,
  };
}

/** The item of the MR Modifier Sequence (PS3.3 Section C.8.13.5.5). */
export function modifierItem(reconstruction: Reconstruction, frame: number): Attributes {
  const { parameters } = reconstruction;
  const inversion = reconstruction.numberOf(['VisuAcqInversionTime', 'ACQ_inversion_time'], frame);
  const hasInversion = inversion !== undefined && inversion > 0;
  const [read, phase, slice] = [0, 1, 2].map((axis) => parameters.number('VisuAcqPartialFourier', axis) ?? 1);
  const isPartial = read !== 1 || phase !== 1 || slice !== 1;
  const reductions = [1, 2].map((axis) => parameters.number('VisuAcqParallelReductionFactor', axis) ?? 1);
  const isParallel = reductions.some((factor) => factor > 1);
  return {
    InversionRecovery: hasInversion ? 'YES' : 'NO',
    ...(hasInversion ? { InversionTimes: [inversion] } : {}),
    FlowCompensation: 'NONE',
    Spoiling: SPOILING[parameters.text('VisuAcqSpoiling') ?? ''] ?? 'NONE',
    T2Preparation: 'NO',
    SpectrallySelectedExcitation: 'NONE',
    SpatialPresaturation: flag(parameters, 'PVM_FovSatOnOff') === 'YES' ? 'SLAB' : 'NONE',
    PartialFourier: isPartial ? 'YES' : 'NO',
    ...(isPartial ? { PartialFourierDirection: phase === 1 ? 'FREQUENCY' : 'PHASE' } : {}),
    ParallelAcquisition: isParallel ? 'YES' : 'NO',
    ...(isParallel
      ? {
          ParallelAcquisitionTechnique: 'GRAPPA',
          ParallelReductionFactorInPlane: reductions[0] ?? 1,
          ParallelReductionFactorOutOfPlane: reductions[1] ?? 1,
          ParallelReductionFactorSecondInPlane: 1,
        }
      : {}),
  };
}

/** The item of the MR Imaging Modifier Sequence (PS3.3 Section C.8.13.5.6). */
export function imagingModifierItem({ parameters, grid }: Reconstruction): Attributes {
  const bandwidth = parameters.number('PVM_EffSWh') ?? parameters.number('SW_h') ?? 0;
  const columns = parameters.number('PVM_EncMatrix');
  const frequency = parameters.number('VisuAcqImagingFrequency') ?? parameters.number('BF1') ?? 0;
  return {
    MagnetizationTransfer: flag(parameters, 'VisuAcqMagnetizationTransfer') === 'YES' ? 'ON_RESONANCE' : 'NONE',
    BloodSignalNulling: flag(parameters, 'VisuAcqBloodSignalNulling') ?? 'NO',
    Tagging: flag(parameters, 'PVM_TaggingOnOff') === 'YES' ? 'GRID' : 'NONE',
    TransmitterFrequency: frequency,
    PixelBandwidth: parameters.number('VisuAcqPixelBandwidth') ?? bandwidth / (columns ?? grid.columns),
  };
}

/** The item of the MR FOV/Geometry Sequence (PS3.3 Section C.8.13.5.3). */
export function fieldOfViewItem({ parameters, grid }: Reconstruction, frame: number): Attributes {
  const [read, phase, slice] = [0, 1, 2].map((axis) => parameters.number('VisuAcqSize', axis));
  const steps = count(parameters.number('VisuAcqPhaseEncSteps') ?? phase ?? grid.rows);
  return {
    InPlanePhaseEncodingDirection: phaseDirection(parameters, frame) === 'row_dir' ? 'ROW' : 'COLUMN',
    MRAcquisitionFrequencyEncodingSteps: count(read ?? grid.columns),
    MRAcquisitionPhaseEncodingStepsInPlane: steps,
    ...(grid.planes > 1 ? { MRAcquisitionPhaseEncodingStepsOutOfPlane: count(slice ?? grid.planes) } : {}),
    PercentSampling: 100,
    PercentPhaseFieldOfView: (100 * grid.rows * grid.rowSpacingMm) / (grid.columns * grid.columnSpacingMm),
  };
}

/** The items of the MR Receive and Transmit Coil Sequences (PS3.3 Sections C.8.13.5.7 and C.8.13.5.8). */
export function coilItems({ parameters }: Reconstruction): {
  readonly receive: Attributes;
  readonly transmit: Attributes;
} {
  const [[name, maker, , , , type] = []] = parameters.structs('ACQ_coils') ?? [];
  const known = (...names: readonly string[]) =>
    names.map((one) => shortText(parameters.texts(one)[0], 16)).find((text) => text !== '');
  const receive = known('VisuCoilReceiveName') ?? shortText(String(name ?? ''), 16);
  const transmit = known('VisuCoilTransmitName') ?? receive;
  const kind = known('VisuCoilReceiveType') ?? String(type ?? '');
  const isSurface = /surface/i.test(kind);
  const isArray = /array/i.test(kind);
  const coilMaker = (which: string) => known(which) ?? shortText(String(maker ?? ''), 64);
  return {
    receive: {
      ReceiveCoilName: receive === '' ? 'UNKNOWN' : receive,
      ReceiveCoilManufacturerName: coilMaker('VisuCoilReceiveManufacturer'),
      ReceiveCoilType: isSurface ? 'SURFACE' : isArray ? 'MULTICOIL' : 'VOLUME',
      QuadratureReceiveCoil: 'NO',
      ...(isArray && !isSurface
        ? { MultiCoilDefinitionSequence: [{ MultiCoilElementName: '1', MultiCoilElementUsed: 'YES' }] }
        : {}),
    },
    transmit: {
      TransmitCoilName: transmit === '' ? 'UNKNOWN' : transmit,
      TransmitCoilManufacturerName: coilMaker('VisuCoilTransmitManufacturer'),
      TransmitCoilType: /surface/i.test(known('VisuCoilTransmitType') ?? kind) ? 'SURFACE' : 'VOLUME',
    },
  };
}

/** When a frame was taken: its repetition's share of the scan. */
export function frameTimes({ start, durationMs }: Timing, repetition: number, repetitions: number): Attributes {
  if (start === undefined || start.time === '') return {};
  const share = (durationMs ?? 0) / repetitions;
  const at = dateTimeAfter(start, (repetition - 1) * share);
  return { FrameAcquisitionDateTime: at, FrameReferenceDateTime: at, FrameAcquisitionDuration: share };
}

function phaseDirection(parameters: Parameters, frame: number): string {
  const directions = parameters.texts('VisuAcqImagePhaseEncDir');
  return directions[frame % Math.max(1, directions.length)] ?? 'col_dir';
}

function echoOf(parameters: Parameters, method: string | undefined): string {
  const said = ECHO[parameters.text('VisuAcqEchoSequenceType') ?? ''];
  if (said !== undefined) return said;
  const signal = parameters.text('SignalType');
  if (signal !== undefined) return /SPIN/i.test(signal) ? 'SPIN' : 'GRADIENT';
  return GRADIENT_ECHO.test(method ?? '') ? 'GRADIENT' : 'SPIN';
}

function nucleusOf(parameters: Parameters): string {
  const said = parameters.text('VisuAcqImagedNucleus') ?? parameters.text('NUCLEUS') ?? '1H';
  return shortText(said, 16).toUpperCase();
}

function flag(parameters: Parameters, name: string): string | undefined {
  return YES_OR_NO[parameters.text(name)?.toLowerCase() ?? ''];
}

function oversampling(parameters: Parameters, is3d: boolean): string {
  const factor = (axis: number) =>
    parameters.number('VisuAcqAntiAlias', axis) ?? parameters.number('PVM_AntiAlias', axis);
  const [phase = 1, slice = 1] = [factor(1), factor(2)];
  if (phase > 1) return is3d && slice > 1 ? '2D_3D' : '2D';
  return is3d && slice > 1 ? '3D' : 'NONE';
}

/** A value of VR US. */
function count(value: number): number {
  return Math.min(65_535, Math.max(0, Math.trunc(value)));
}
