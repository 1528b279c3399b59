/** The header of an Enhanced MR Image Storage object (PS3.3 Section A.36.2) for one reconstruction: all but its pixels. */
import type { Attributes } from '../core/dicom/encode.ts';
import {
  coilItems,
  echoItem,
  fieldOfViewItem,
  frameTimes,
  imagingModifierItem,
  modifierItem,
  sequenceAttributes,
  timingItem,
  timingOf,
} from './acquisition.ts';
import { dateTimeAfter } from './dates.ts';
import { Diffusion } from './diffusion.ts';
import { Dimensions, type FrameKey } from './dimensions.ts';
import { functionalGroups, type Macro } from './functional-groups.ts';
import type { Place, Uids } from './identity.ts';
import type { FrameScaling, PixelFormat } from './pixel-values.ts';
import { realWorldItem, unitOf } from './quantity.ts';
import type { Reconstruction } from './reconstruction.ts';
import { studyAttributes, versionOf } from './study.ts';
import { shortText, subjectAttributes } from './subject.ts';
import type { Vector } from './vectors.ts';

export const ENHANCED_MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4.1';

export interface Pixels {
  readonly format: PixelFormat;
  /** One a frame of DICOM. */
  readonly scalingOf: (index: number) => FrameScaling;
}

export function enhancedMrAttributes(
  reconstruction: Reconstruction,
  place: Place,
  uids: Uids,
  { format, scalingOf }: Pixels,
): Attributes {
  const { parameters, grid, planes } = reconstruction;
  const diffusion = Diffusion.of(reconstruction);
  const dimensions = new Dimensions(reconstruction, diffusion !== undefined);
  const keys = Array.from({ length: planes }, (_, index) => dimensions.keyOf(index));
  const type = imageTypeOf(reconstruction, dimensions, diffusion);
  const timing = timingOf(parameters);
  const isOriginal = type[0] === 'ORIGINAL';
  const key = (index: number): FrameKey => keys[index] ?? dimensions.keyOf(index);
  const frame = (index: number) => Math.floor(index / grid.planes);
  const component = (index: number) => reconstruction.componentOf(frame(index));
  const components = new Set(keys.map((_, index) => component(index)));
  const content = (which: string): Attributes => ({
    PixelPresentation: 'MONOCHROME',
    VolumetricProperties: 'VOLUME',
    VolumeBasedCalculationTechnique: 'NONE',
    ComplexImageComponent: which,
    AcquisitionContrast: diffusion === undefined ? 'UNKNOWN' : 'DIFFUSION',
  });
  const macros: readonly Macro[] = [
    {
      sequence: 'PixelMeasuresSequence',
      keyOf: (index) => key(index).spacingMm ?? '',
      itemOf: (index) => ({
        PixelSpacing: [grid.rowSpacingMm, grid.columnSpacingMm],
        SliceThickness: grid.thicknessMm,
        ...(key(index).spacingMm === undefined ? {} : { SpacingBetweenSlices: key(index).spacingMm }),
      }),
    },
    {
      sequence: 'FrameContentSequence',
      isPerFrame: true,
      itemOf: (index) =>
        frameContent(key(index), isOriginal ? frameTimes(timing, key(index).repetition, dimensions.repetitions) : {}),
    },
    {
      sequence: 'PlanePositionSequence',
      keyOf: (index) => key(index).plane.position.join(' '),
      itemOf: (index) => ({ ImagePositionPatient: rounded(key(index).plane.position) }),
    },
    {
      sequence: 'PlaneOrientationSequence',
      keyOf: (index) => [...key(index).plane.x, ...key(index).plane.y].join(' '),
      itemOf: (index) => ({
        ImageOrientationPatient: [...rounded(key(index).plane.x), ...rounded(key(index).plane.y)],
      }),
    },
    {
      sequence: 'FrameAnatomySequence',
      itemOf: () => ({
        AnatomicRegionSequence: [{ CodeValue: '38266002', CodingSchemeDesignator: 'SCT', CodeMeaning: 'Entire body' }],
        FrameLaterality: 'U',
      }),
    },
    {
      sequence: 'PixelValueTransformationSequence',
      keyOf: (index) => `${String(scalingOf(index).slope)} ${String(scalingOf(index).intercept)}`,
      itemOf: (index) => ({
        RescaleIntercept: scalingOf(index).intercept,
        RescaleSlope: scalingOf(index).slope,
        RescaleType: 'US',
      }),
    },
    {
      sequence: 'MRImageFrameTypeSequence',
      keyOf: component,
      itemOf: (index) => ({ FrameType: type, ...content(component(index)) }),
    },
    ...realWorld(reconstruction, format, scalingOf),
    ...(isOriginal ? acquisitionMacros(reconstruction, frame) : []),
    ...(diffusion === undefined
      ? []
      : [
          {
            sequence: 'MRDiffusionSequence',
            keyOf: (index: number) => diffusion.elementOf(frame(index)),
            itemOf: (index: number) => diffusion.attributesOf(diffusion.elementOf(frame(index))),
          },
        ]),
  ];
  const [only] = components;
  return {
    SOPClassUID: ENHANCED_MR_IMAGE_STORAGE,
    SOPInstanceUID: uids.sopInstanceUid,
    ...subjectAttributes(parameters),
    ...studyAttributes(parameters, place, uids),
    ...(isOriginal
      ? sequenceAttributes(reconstruction)
      : { ApplicableSafetyStandardAgency: 'IEC', ContentQualification: 'RESEARCH' }),
    ImageType: type,
    ...content(components.size === 1 ? (only ?? 'MAGNITUDE') : 'MIXED'),
    InstanceNumber: 1,
    ...contentDate(timing),
    ...(timing.durationMs === undefined ? {} : { AcquisitionDuration: timing.durationMs / 1000 }),
    AcquisitionNumber: place.scan,
    AcquisitionContextSequence: [],
    BurnedInAnnotation: 'NO',
    LossyImageCompression: '00',
    PresentationLUTShape: 'IDENTITY',
    ...imageComments(reconstruction, format),
    ContributingEquipmentSequence: [contributingEquipment(reconstruction, place)],
    ...dimensions.attributes(uids.dimensionOrganizationUid),
    ...pixelAttributes(reconstruction, format),
    ...functionalGroups(macros, planes),
  };
}

const ROUNDED =
  'ParaVision stored 32 bits a value. Each frame was scaled to 65,536 steps: a value is off by half a step of its frame at most.';

const TURNED =
  'ParaVision said that its slices lie beside each other in one plane: VisuCorePosition was turned with VisuCoreOrientation.';

function imageComments({ geometry }: Reconstruction, { isExact }: PixelFormat): Attributes {
  const comments = [...(isExact ? [] : [ROUNDED]), ...(geometry.isTurned ? [TURNED] : [])];
  return comments.length === 0 ? {} : { ImageComments: comments.join(' ') };
}

function pixelAttributes({ grid, planes }: Reconstruction, { bits, isSigned, padding }: PixelFormat): Attributes {
  return {
    NumberOfFrames: planes,
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: grid.rows,
    Columns: grid.columns,
    BitsAllocated: bits,
    BitsStored: bits,
    HighBit: bits - 1,
    PixelRepresentation: isSigned ? 1 : 0,
    ...(padding === undefined ? {} : { PixelPaddingValue: padding }),
  };
}

function frameContent(key: FrameKey, times: Attributes): Attributes {
  return {
    FrameAcquisitionNumber: 1,
    ...times,
    DimensionIndexValues: [...key.values],
    TemporalPositionIndex: key.repetition,
    StackID: String(key.stack),
    InStackPositionNumber: key.inStack,
    ...(key.label === undefined ? {} : { FrameLabel: key.label }),
  };
}

function acquisitionMacros(reconstruction: Reconstruction, frame: (index: number) => number): readonly Macro[] {
  const keyed = (sequence: string, item: (of: Reconstruction, frame: number) => Attributes): Macro => ({
    sequence,
    keyOf: (index) => JSON.stringify(item(reconstruction, frame(index))),
    itemOf: (index) => item(reconstruction, frame(index)),
  });
  return [
    keyed('MRTimingAndRelatedParametersSequence', timingItem),
    keyed('MRFOVGeometrySequence', fieldOfViewItem),
    keyed('MREchoSequence', echoItem),
    keyed('MRModifierSequence', modifierItem),
    { sequence: 'MRImagingModifierSequence', itemOf: () => imagingModifierItem(reconstruction) },
    { sequence: 'MRReceiveCoilSequence', itemOf: () => coilItems(reconstruction).receive },
    { sequence: 'MRTransmitCoilSequence', itemOf: () => coilItems(reconstruction).transmit },
    {
      sequence: 'MRAveragesSequence',
      itemOf: () => ({ NumberOfAverages: reconstruction.parameters.number('VisuAcqNumberOfAverages') ?? 1 }),
    },
  ];
}

function realWorld(
  reconstruction: Reconstruction,
  format: PixelFormat,
  scalingOf: Pixels['scalingOf'],
): readonly Macro[] {
  const { grid } = reconstruction;
  const unit = (index: number) => unitOf(reconstruction, Math.floor(index / grid.planes));
  if (!Array.from({ length: reconstruction.planes }, (_, index) => unit(index)).some((one) => one !== undefined))
    return [];
  return [
    {
      sequence: 'RealWorldValueMappingSequence',
      keyOf: (index) => `${unit(index) ?? ''} ${JSON.stringify(scalingOf(index))}`,
      itemOf: (index) => realWorldItem(unit(index) ?? '', format, scalingOf(index)),
    },
  ];
}

function imageTypeOf(
  { order, grid, parameters }: Reconstruction,
  dimensions: Dimensions,
  diffusion: Diffusion | undefined,
): readonly [string, string, string, string] {
  const isMap = order.groups.some(({ id }) => id === 'FG_ISA' || (id === 'FG_DTI' && diffusion === undefined));
  const isDerived = isMap || (parameters.text('VisuSeriesTypeId') ?? '').startsWith('DERIVED');
  const flavour = () => {
    if (diffusion !== undefined) return 'DIFFUSION';
    if (order.groups.some(({ id, length }) => id === 'FG_ECHO' && length > 1)) return 'MULTIECHO';
    if (dimensions.stacks > 1 && grid.planes === 1) return 'LOCALIZER';
    if (dimensions.repetitions > 1) return 'DYNAMIC';
    return 'VOLUME';
  };
  return [isDerived ? 'DERIVED' : 'ORIGINAL', 'PRIMARY', flavour(), 'NONE'];
}

function contentDate({ start }: ReturnType<typeof timingOf>): Attributes {
  if (start === undefined) return { ContentDate: '', ContentTime: '', AcquisitionDateTime: '' };
  return {
    ContentDate: start.date,
    ContentTime: start.time,
    AcquisitionDateTime: start.time === '' ? start.date : dateTimeAfter(start, 0),
  };
}

/** Where the object comes from, by its folders in the study's: that one may be renamed, and the bytes must stay the same. */
function contributingEquipment({ parameters }: Reconstruction, { scan, reconstruction }: Place): Attributes {
  return {
    PurposeOfReferenceCodeSequence: [
      { CodeValue: '109103', CodingSchemeDesignator: 'DCM', CodeMeaning: 'Modifying Equipment' },
    ],
    Manufacturer: 'Imaging hub',
    ContributionDescription: shortText(
      `Converted from ParaVision ${versionOf(parameters)}: ${String(scan)}/pdata/${String(reconstruction)}`,
      1024,
    ),
  };
}

/** DS has 16 characters: what is smaller than a femtometre is rounding. */
function rounded(vector: Vector): readonly number[] {
  return vector.map((value) => Math.round(value * 1e12) / 1e12 + 0);
}
