/**
 * A mask as a DICOM Segmentation (PS3.3 Section A.51), BINARY, one segment a label, on the geometry of the images it
 * was made from. UIDs follow from the source instances and the model's digest, so a second run makes the same object.
 */
import assert from 'node:assert';
import { lookup } from '../../core/dicom/dictionary.ts';
import { type Attributes, encodePart10 } from '../../core/dicom/encode.ts';
import type { Volume } from '../volumes/volume.ts';
import { type Code, codeItem, dcm } from './codes.ts';
import {
  commonAttributes,
  byModel,
  contentTime,
  type HubIdentity,
  type ModelIdentity,
  references,
  type ResultObject,
} from './result-object.ts';
import { derivedUid, digestOf } from './uids.ts';

const SEGMENTATION_STORAGE = '1.2.840.10008.5.1.4.1.1.66.4';

/** As a model's manifest has it. */
export interface ResultLabel {
  /** Its value in a label map. */
  readonly index: number;
  readonly name: string;
  readonly category: LabelCode;
  readonly type: LabelCode;
  readonly rgb: readonly [number, number, number];
}

interface LabelCode {
  readonly scheme: string;
  readonly code: string;
  readonly meaning?: string | undefined;
}

/** What one label of the model covers. */
export interface SegmentMask {
  readonly label: ResultLabel;
  /** nx × ny × nz voxels of 0 and 1, x fastest, on the volume's grid. */
  readonly mask: Uint8Array;
}

/** By what others refer to a segment. */
export interface NumberedSegment {
  readonly label: ResultLabel;
  /** From 1. */
  readonly number: number;
  readonly trackingUid: string;
}

export interface SegmentationObject extends ResultObject {
  /** PS3.3 Section C.8.20.2: a mask without a voxel makes no segment. */
  readonly segments: readonly NumberedSegment[];
}

/** @param masks - of the model's labels; those without a voxel become no segment, and at least one has one */
export function segmentationObject(
  volume: Volume,
  masks: readonly SegmentMask[],
  model: ModelIdentity,
  hub: HubIdentity,
): SegmentationObject {
  const numbered = masks.filter(({ mask }) => mask.includes(1));
  const frames = framesOf(volume, numbered);
  const pixels = packFrames(volume, frames);
  const seriesInstanceUid = derivedUid(['series', volume.seriesInstanceUid, model.name, model.onnx.sha256]);
  const sopInstanceUid = derivedUid([
    'segmentation',
    ...[hub.version, model.name, model.version, model.onnx.sha256, digestOf(pixels)],
    ...numbered.map(({ label }) => `${String(label.index)} ${label.name}`),
    ...volume.slices.map((s) => `${s.sopInstanceUid}/${String(s.frameNumber ?? 1)}`),
  ]);
  const segments = numbered.map(({ label }, index): NumberedSegment => {
    const trackingUid = derivedUid(['tracking', seriesInstanceUid, String(label.index)]);
    return { label, number: index + 1, trackingUid };
  });
  const { header } = volume;
  const seriesNumber = 1000 + (header.number('SeriesNumber') ?? 0);
  const series = { sopClassUid: SEGMENTATION_STORAGE, modality: 'SEG', seriesInstanceUid, seriesNumber };
  const described = {
    header,
    seriesDescription: `AI: ${model.name}`,
    serial: model.onnx.sha256,
    contribution: byModel(model),
  };
  const attributes: Attributes = {
    ...commonAttributes(described, series, hub),
    SOPInstanceUID: sopInstanceUid,
    InstanceNumber: 1,
    FrameOfReferenceUID:
      header.string('FrameOfReferenceUID') ?? derivedUid(['frame-of-reference', volume.seriesInstanceUid]),
    PositionReferenceIndicator: header.string('PositionReferenceIndicator') ?? '',
    ...contentTime(header),
    ...imageAttributes(volume, frames.length, doOverlap(numbered) ? 'YES' : 'NO'),
    SegmentSequence: segments.map((each) => segment(each, model)),
    ...dimensions(sopInstanceUid),
    SharedFunctionalGroupsSequence: [sharedGroups(volume)],
    PerFrameFunctionalGroupsSequence: frames.map((frame) => frameGroups(volume, frame)),
    ReferencedSeriesSequence: [
      { SeriesInstanceUID: volume.seriesInstanceUid, ReferencedInstanceSequence: references(volume.slices) },
    ],
    PixelData: { vr: 'OB', value: pixels },
  };
  return {
    sopClassUid: SEGMENTATION_STORAGE,
    sopInstanceUid,
    seriesInstanceUid,
    bytes: encodePart10(attributes),
    segments,
  };
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

function segment({ label, number, trackingUid }: NumberedSegment, model: ModelIdentity): Attributes {
  return {
    SegmentNumber: number,
    SegmentLabel: label.name,
    SegmentAlgorithmType: 'AUTOMATIC',
    SegmentAlgorithmName: `${model.name} ${model.version}`,
    // PS3.3 Table 10-19 Algorithm Identification Macro, PS3.16 CID 7162 Surface Processing Algorithm Families
    SegmentationAlgorithmIdentificationSequence: [
      {
        AlgorithmFamilyCodeSequence: [codeItem(ARTIFICIAL_INTELLIGENCE)],
        AlgorithmName: model.name,
        AlgorithmVersion: model.version,
        AlgorithmParameters: `ONNX SHA-256 ${model.onnx.sha256}`,
        AlgorithmSource: 'Imaging hub',
      },
    ],
    SegmentedPropertyCategoryCodeSequence: [codeItem(categoryOf(label))],
    SegmentedPropertyTypeCodeSequence: [codeItem(typeOf(label))],
    RecommendedDisplayCIELabValue: cieLab(label.rgb),
    TrackingID: label.name,
    TrackingUID: trackingUid,
  };
}

export const ARTIFICIAL_INTELLIGENCE = dcm('123110', 'Artificial Intelligence');

export function categoryOf({ category: { code, scheme, meaning } }: ResultLabel): Code {
  return { value: code, scheme, meaning: meaning ?? 'Anatomical Structure' };
}

export function typeOf({ name, type: { code, scheme, meaning } }: ResultLabel): Code {
  return { value: code, scheme, meaning: meaning ?? name };
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
              DerivationCodeSequence: [codeItem(dcm('113076', 'Segmentation'))],
              SourceImageSequence: [
                {
                  ReferencedSOPClassUID: source.sopClassUid,
                  ReferencedSOPInstanceUID: source.sopInstanceUid,
                  ...(source.frameNumber === undefined ? {} : { ReferencedFrameNumber: source.frameNumber }),
                  PurposeOfReferenceCodeSequence: [
                    codeItem(dcm('121322', 'Source image for image processing operation')),
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
