/**
 * A mask as a DICOM Segmentation (PS3.3 Section A.51), BINARY, one segment a label, on the geometry of the images it
 * was made from. UIDs follow from the source instances and the model's digest, so a second run makes the same object.
 */
import assert from 'node:assert';
import { createHash } from 'node:crypto';
import type { DataSet } from '../../core/dicom/data-set.ts';
import { keywordOf, lookup } from '../../core/dicom/dictionary.ts';
import { type Attributes, encodePart10 } from '../../core/dicom/encode.ts';
import type { Volume } from '../volumes/volume.ts';
import type { ModelManifest } from './manifest.ts';

export const SEGMENTATION_STORAGE = '1.2.840.10008.5.1.4.1.1.66.4';
/** PS3.3 Section C.8.20.2: an object needs a frame; a mask without a voxel makes no object. */
export interface SegmentationObject {
  readonly sopInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly bytes: Uint8Array;
}

export interface HubIdentity {
  readonly name: string;
  readonly version: string;
}

/** What one label of the model covers. */
export interface SegmentMask {
  readonly label: ModelManifest['labels'][number];
  /** nx × ny × nz voxels of 0 and 1, x fastest, on the volume's grid. */
  readonly mask: Uint8Array;
}

/** @param masks - of the model's labels; those without a voxel become no segment, and at least one has one */
export function segmentationObject(
  volume: Volume,
  masks: readonly SegmentMask[],
  manifest: ModelManifest,
  hub: HubIdentity,
): SegmentationObject {
  const identity = [
    'segmentation',
    manifest.name,
    manifest.version,
    manifest.onnx.sha256,
    ...volume.slices.map((s) => `${s.sopInstanceUid}/${String(s.frameNumber ?? 1)}`),
  ];
  const sopInstanceUid = derivedUid([...identity, 'instance']);
  const seriesInstanceUid = derivedUid(['series', volume.seriesInstanceUid, manifest.name, manifest.onnx.sha256]);
  const segments = masks.filter(({ mask }) => mask.includes(1));
  const frames = framesOf(volume, segments);
  const header = volume.header;
  const attributes: Attributes = {
    ...studyAndPatient(header),
    SpecificCharacterSet: 'ISO_IR 192',
    SOPClassUID: SEGMENTATION_STORAGE,
    SOPInstanceUID: sopInstanceUid,
    Modality: 'SEG',
    SeriesInstanceUID: seriesInstanceUid,
    SeriesNumber: 1000 + (header.number('SeriesNumber') ?? 0),
    SeriesDescription: `AI: ${manifest.name}`,
    InstanceNumber: 1,
    Manufacturer: 'Imaging hub',
    ManufacturerModelName: hub.name,
    DeviceSerialNumber: manifest.onnx.sha256.slice(0, 16),
    SoftwareVersions: hub.version,
    FrameOfReferenceUID:
      header.string('FrameOfReferenceUID') ?? derivedUid(['frame-of-reference', volume.seriesInstanceUid]),
    PositionReferenceIndicator: header.string('PositionReferenceIndicator') ?? '',
    ...contentTime(header),
    ...imageAttributes(volume, frames.length, doOverlap(segments) ? 'YES' : 'NO'),
    SegmentSequence: segments.map(({ label }, index) => segment(label, index + 1, manifest, seriesInstanceUid)),
    ...dimensions(sopInstanceUid),
    SharedFunctionalGroupsSequence: [sharedGroups(volume)],
    PerFrameFunctionalGroupsSequence: frames.map((frame) => frameGroups(volume, frame)),
    ReferencedSeriesSequence: [
      { SeriesInstanceUID: volume.seriesInstanceUid, ReferencedInstanceSequence: referencedInstances(volume) },
    ],
    ContributingEquipmentSequence: [
      {
        Manufacturer: 'Imaging hub',
        ManufacturerModelName: hub.name,
        SoftwareVersions: hub.version,
        ContributionDescription: `Segmented by ${manifest.name} ${manifest.version}, ONNX SHA-256 ${manifest.onnx.sha256}`,
        // PS3.16 CID 7005 Contributing Equipment Purpose of Reference
        PurposeOfReferenceCodeSequence: [code('109102', 'DCM', 'Processing Equipment')],
      },
    ],
    PixelData: { vr: 'OB', value: packFrames(volume, frames) },
  };
  return {
    sopInstanceUid,
    seriesInstanceUid,
    bytes: encodePart10(attributes),
  };
}

/** PS3.5 Section B.2: 2.25. and the decimal of 128 bits. */
function derivedUid(parts: readonly string[]): string {
  const digest = createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32);
  return `2.25.${BigInt(`0x${digest}`).toString()}`;
}

/** Type 2 of the Patient and General Study modules (PS3.3 Tables C.7-1, C.7-3): written empty where the source has nothing. */
const REQUIRED_OF_STUDY = [
  'PatientName',
  'PatientID',
  'PatientBirthDate',
  'PatientSex',
  'StudyDate',
  'StudyTime',
  'AccessionNumber',
  'ReferringPhysicianName',
  'StudyID',
];
/** Taken over where the source has them, empty ones too: an animal's attributes come together or not at all. */
const OPTIONAL_OF_STUDY = [
  'StudyDescription',
  'PatientAge',
  'PatientWeight',
  'PatientSpeciesDescription',
  'PatientSpeciesCodeSequence',
  'PatientSexNeutered',
  'PatientBreedDescription',
  'PatientBreedCodeSequence',
  'BreedRegistrationSequence',
  'ResponsiblePerson',
  'ResponsiblePersonRole',
  'ResponsibleOrganization',
  'PatientIdentityRemoved',
  'DeidentificationMethod',
  'DeidentificationMethodCodeSequence',
  'LongitudinalTemporalInformationModified',
];

/** The attributes that make the object belong to its study. */
function studyAndPatient(header: DataSet): Attributes {
  const copy: Record<string, string | readonly string[] | readonly Attributes[]> = {};
  for (const keyword of REQUIRED_OF_STUDY) copy[keyword] = header.string(keyword) ?? '';
  for (const keyword of OPTIONAL_OF_STUDY) if (header.has(keyword)) copy[keyword] = copyOf(header, keyword);
  return { ...copy, StudyInstanceUID: header.string('StudyInstanceUID') ?? '' };
}

/** Text as text, a sequence with what the standard knows of its items. */
function copyOf(dataSet: DataSet, keyword: string): readonly string[] | readonly Attributes[] {
  if (lookup(keyword)?.vr !== 'SQ') return dataSet.strings(keyword);
  return dataSet.items(keyword).map((item) => {
    const keywords = item.elements.map(({ tag }) => keywordOf(tag)).filter((known) => known !== undefined);
    const copy: Record<string, readonly string[] | readonly Attributes[]> = {};
    for (const known of keywords) copy[known] = copyOf(item, known);
    return copy;
  });
}

/**
 * PS3.3 Table C.7.6.16-1 wants a content date. The source's is taken: the object follows from source and model alone,
 * and a clock in it would make every run another object under the same UID.
 */
function contentTime(header: DataSet): Attributes {
  const date = [header.string('ContentDate'), header.string('AcquisitionDate'), header.string('StudyDate')].find(
    (value) => /^\d{8}$/.test(value ?? ''),
  );
  const time = [header.string('ContentTime'), header.string('AcquisitionTime'), header.string('StudyTime')].find(
    (value) => /^\d{6}(\.\d{1,6})?$/.test(value ?? ''),
  );
  return { ContentDate: date ?? '19000101', ContentTime: time ?? '000000' };
}

function imageAttributes(volume: Volume, numberOfFrames: number, segmentsOverlap: 'YES' | 'NO'): Attributes {
  return {
    ImageType: ['DERIVED', 'PRIMARY'],
    LossyImageCompression: '00',
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    PixelRepresentation: 0,
    BitsAllocated: 1,
    BitsStored: 1,
    HighBit: 0,
    Rows: volume.dims[1],
    Columns: volume.dims[0],
    NumberOfFrames: numberOfFrames,
    SegmentationType: 'BINARY',
    SegmentsOverlap: segmentsOverlap,
    ContentLabel: 'SEGMENTATION',
    ContentDescription: '',
    ContentCreatorName: '',
  };
}

function segment(
  label: ModelManifest['labels'][number],
  number: number,
  manifest: ModelManifest,
  seriesInstanceUid: string,
): Attributes {
  return {
    SegmentNumber: number,
    SegmentLabel: label.name,
    SegmentAlgorithmType: 'AUTOMATIC',
    SegmentAlgorithmName: `${manifest.name} ${manifest.version}`,
    SegmentedPropertyCategoryCodeSequence: [
      code(label.category.code, label.category.scheme, label.category.meaning ?? 'Anatomical Structure'),
    ],
    SegmentedPropertyTypeCodeSequence: [code(label.type.code, label.type.scheme, label.type.meaning ?? label.name)],
    RecommendedDisplayCIELabValue: cieLab(label.rgb),
    TrackingID: label.name,
    TrackingUID: derivedUid(['tracking', seriesInstanceUid, String(number)]),
  };
}

/** Two dimensions: which segment, then where. PS3.3 Section C.7.6.17. */
function dimensions(sopInstanceUid: string): Attributes {
  const DimensionOrganizationUID = derivedUid(['dimensions', sopInstanceUid]);
  const dimension = (attribute: string, group: string): Attributes => ({
    DimensionOrganizationUID,
    DimensionIndexPointer: tagOf(attribute),
    FunctionalGroupPointer: tagOf(group),
    DimensionDescriptionLabel: attribute,
  });
  return {
    DimensionOrganizationSequence: [{ DimensionOrganizationUID }],
    DimensionIndexSequence: [
      dimension('ReferencedSegmentNumber', 'SegmentIdentificationSequence'),
      dimension('ImagePositionPatient', 'PlanePositionSequence'),
    ],
  };
}

function tagOf(keyword: string): number {
  const entry = lookup(keyword);
  assert(entry !== undefined, `not a keyword of PS3.6: ${keyword}`);
  return entry.tag;
}

function sharedGroups(volume: Volume): Attributes {
  const [sx, sy, sz] = volume.spacingMm;
  return {
    PixelMeasuresSequence: [
      { SliceThickness: decimal(sz), SpacingBetweenSlices: decimal(sz), PixelSpacing: [decimal(sy), decimal(sx)] },
    ],
    PlaneOrientationSequence: [
      { ImageOrientationPatient: [...direction(volume, 0), ...direction(volume, 1)].map(decimal) },
    ],
  };
}

function frameGroups(volume: Volume, { slice, segment: number, position }: SegmentFrame): Attributes {
  const source = volume.slices[slice];
  const derivation: Attributes =
    source === undefined
      ? {}
      : {
          DerivationImageSequence: [
            {
              DerivationCodeSequence: [code('113076', 'DCM', 'Segmentation')],
              SourceImageSequence: [
                {
                  ReferencedSOPClassUID: source.sopClassUid,
                  ReferencedSOPInstanceUID: source.sopInstanceUid,
                  ...(source.frameNumber === undefined ? {} : { ReferencedFrameNumber: source.frameNumber }),
                  PurposeOfReferenceCodeSequence: [
                    code('121322', 'DCM', 'Source image for image processing operation'),
                  ],
                },
              ],
            },
          ],
        };
  return {
    ...derivation,
    FrameContentSequence: [{ DimensionIndexValues: [number, position] }],
    PlanePositionSequence: [{ ImagePositionPatient: positionOf(volume, slice).map(decimal) }],
    SegmentIdentificationSequence: [{ ReferencedSegmentNumber: number }],
  };
}

function referencedInstances(volume: Volume): Attributes[] {
  const seen = new Map(volume.slices.map((slice) => [slice.sopInstanceUid, slice.sopClassUid]));
  return [...seen].map(([sopInstanceUid, sopClassUid]) => ({
    ReferencedSOPClassUID: sopClassUid,
    ReferencedSOPInstanceUID: sopInstanceUid,
  }));
}

/** A slice of one segment. */
interface SegmentFrame {
  readonly mask: Uint8Array;
  readonly slice: number;
  /** From 1. */
  readonly segment: number;
  /** From 1: of this slice among those that any segment has. */
  readonly position: number;
}

function framesOf(volume: Volume, segments: readonly SegmentMask[]): readonly SegmentFrame[] {
  const slices = segments.map(({ mask }) => slicesWithVoxels(volume, mask));
  const positions = [...new Set(slices.flat())].toSorted((a, b) => a - b);
  return segments.flatMap(({ mask }, index) =>
    (slices[index] ?? []).map((slice) => ({ mask, slice, segment: index + 1, position: positions.indexOf(slice) + 1 })),
  );
}

/** Slices that hold a voxel; empty frames are left out (PS3.3 Section C.8.20.2). */
function slicesWithVoxels(volume: Volume, mask: Uint8Array): number[] {
  const plane = volume.dims[0] * volume.dims[1];
  return Array.from({ length: volume.dims[2] }, (_, z) => z).filter((z) =>
    mask.subarray(z * plane, (z + 1) * plane).includes(1),
  );
}

/** Whether a voxel belongs to two segments: PS3.3 Section C.8.20.2, Segments Overlap. */
function doOverlap(segments: readonly SegmentMask[]): boolean {
  const [first, ...others] = segments;
  if (first === undefined) return false;
  const taken = Uint8Array.from(first.mask);
  for (const { mask } of others)
    for (let n = 0; n < taken.length; n += 1) {
      if (mask[n] !== 1) continue;
      if (taken[n] === 1) return true;
      taken[n] = 1;
    }
  return false;
}

/** PS3.5 Section 8.1.1: one bit a pixel, least significant first, running on across frames without padding between them. */
export function packFrames(volume: Volume, frames: readonly Pick<SegmentFrame, 'mask' | 'slice'>[]): Uint8Array {
  const plane = volume.dims[0] * volume.dims[1];
  const bits = plane * frames.length;
  const bytes = new Uint8Array(2 * Math.ceil(bits / 16));
  let n = 0;
  for (const { mask, slice } of frames) {
    for (let i = slice * plane; i < (slice + 1) * plane; i += 1, n += 1) {
      if (mask[i] === 1) bytes[n >> 3] = (bytes[n >> 3] ?? 0) | (1 << (n & 7));
    }
  }
  return bytes;
}

/** Patient position (LPS mm) of a slice's first voxel, by the volume's affine. */
function positionOf({ affine }: Volume, slice: number): number[] {
  return [0, 1, 2].map((row) => (affine[4 * row + 2] ?? 0) * slice + (affine[4 * row + 3] ?? 0));
}

function direction(volume: Volume, axis: 0 | 1): number[] {
  const column = [0, 1, 2].map((row) => volume.affine[4 * row + axis] ?? 0);
  const length = Math.hypot(...column);
  return column.map((value) => value / length);
}

function code(value: string, scheme: string, meaning: string): Attributes {
  return { CodeValue: value, CodingSchemeDesignator: scheme, CodeMeaning: meaning };
}

/** VR DS: at most 16 characters. */
function decimal(value: number): string {
  const text = String(Number(value.toFixed(8)));
  return text.length <= 16 ? text : value.toPrecision(9);
}

/** sRGB to the scaled CIELab of PS3.3 Section C.10.7.1.1, white D65. */
function cieLab(rgb: readonly number[]): number[] {
  const [r, g, b] = rgb.map((value) => {
    const v = value / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const f = (t: number): number => (t > 216 / 24389 ? Math.cbrt(t) : (841 / 108) * t + 4 / 29);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  const scaled = [
    (116 * y - 16) * (65535 / 100),
    (500 * (x - y) + 128) * (65535 / 255),
    (200 * (y - z) + 128) * (65535 / 255),
  ];
  return scaled.map((value) => Math.min(65535, Math.max(0, Math.round(value))));
}
