import { lookup } from '../../core/dicom/dictionary.ts';
import { encodeNumbers } from '../../core/dicom/encode.ts';
import { EXPLICIT, sampleFile, type SampleElement, type SampleEncoding } from './dicom-samples.ts';

// Series of a few kilobytes with whatever attributes, private ones included, that a scanner might write.

export type Vector = readonly [number, number, number];

/** Values by the dictionary's VR: numbers as text or as bytes; items of a sequence as they are. */
export function attribute(
  keyword: string,
  value: string | number | readonly number[] | readonly (readonly SampleElement[])[],
): SampleElement {
  const entry = lookup(keyword);
  if (entry === undefined) throw new TypeError(`no such keyword: ${keyword}`);
  return { tag: entry.tag, vr: entry.vr, value: encoded(entry.vr, value) };
}

/** Elements of a private block with its creator. */
export function privateBlock(
  creator: string,
  group: number,
  elements: readonly (readonly [number, string, string | number | readonly number[]])[],
  block = 0x10,
): readonly SampleElement[] {
  return [
    { tag: ((group << 16) | block) >>> 0, vr: 'LO', value: creator },
    ...elements.map(([element, vr, value]): SampleElement => ({
      tag: ((group << 16) | (block << 8) | element) >>> 0,
      vr,
      value: encoded(vr, value),
    })),
  ];
}

function encoded(
  vr: string,
  value: string | number | readonly number[] | readonly (readonly SampleElement[])[],
): SampleElement['value'] {
  if (typeof value === 'string') return value;
  const values = typeof value === 'number' ? [value] : value;
  if (isItems(values)) return values;
  return ['DS', 'IS'].includes(vr) ? values.map(decimal).join('\\') : encodeNumbers(vr, values);
}

function isItems(
  values: readonly number[] | readonly (readonly SampleElement[])[],
): values is readonly (readonly SampleElement[])[] {
  return typeof values[0] !== 'number';
}

/** PS3.5 Table 6.2-1: at most 16 characters. */
function decimal(value: number): string {
  for (let digits = 16; ; digits--) {
    const text = String(Number(value.toPrecision(digits)));
    if (text.length <= 16) return text;
  }
}

export interface SliceOptions {
  readonly position: Vector;
  readonly orientation: readonly number[];
  readonly rows?: number;
  readonly columns?: number;
  readonly spacing?: readonly [number, number];
  readonly thickness?: number;
  readonly instanceNumber: number;
  readonly seriesInstanceUid?: string;
  readonly pixels?: readonly number[];
  /** In place of those of the same tags. */
  readonly more?: readonly SampleElement[];
  readonly without?: readonly string[];
  readonly encoding?: SampleEncoding;
}

export interface MadeSlice {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
}

const STUDY = '1.2.999.10';

/** An MR image of 16 bits, unsigned. */
export function mrSlice(options: SliceOptions): MadeSlice {
  const { rows = 4, columns = 6, spacing = [1, 1], thickness = 2, instanceNumber } = options;
  const seriesInstanceUid = options.seriesInstanceUid ?? '1.2.999.10.1';
  const sopInstanceUid = `${seriesInstanceUid}.${instanceNumber}`;
  const pixels = options.pixels ?? Array.from({ length: rows * columns }, (_, i) => instanceNumber * 100 + i);
  const own = [
    ...header(seriesInstanceUid, sopInstanceUid, '1.2.840.10008.5.1.4.1.1.4'),
    attribute('ImageType', 'ORIGINAL\\PRIMARY\\M\\ND'),
    attribute('SliceThickness', thickness),
    attribute('RepetitionTime', 2000),
    attribute('EchoTime', 30),
    attribute('InstanceNumber', instanceNumber),
    attribute('ImagePositionPatient', options.position),
    attribute('ImageOrientationPatient', options.orientation),
    attribute('PixelSpacing', spacing),
    ...picture(rows, columns, pixels),
  ];
  const replaced = new Set([...(options.more ?? []).map(({ tag }) => tag), ...(options.without ?? []).map(tagOf)]);
  const elements = [...own.filter(({ tag }) => !replaced.has(tag)), ...(options.more ?? [])];
  return {
    name: `${seriesInstanceUid}-${instanceNumber}.dcm`,
    bytes: sampleFile(elements, options.encoding ?? EXPLICIT),
    studyInstanceUid: STUDY,
    seriesInstanceUid,
    sopInstanceUid,
  };
}

export interface FrameOptions {
  readonly position: Vector;
  /** Further macros of this frame. */
  readonly groups: readonly SampleElement[];
  readonly pixels: readonly number[];
}

/** An Enhanced MR image: orientation and measures are shared, all else is given frame by frame. */
export function enhancedMr(options: {
  readonly orientation: readonly number[];
  readonly rows: number;
  readonly columns: number;
  readonly spacing: readonly [number, number];
  readonly thickness: number;
  readonly frames: readonly FrameOptions[];
  readonly shared?: readonly SampleElement[];
  readonly more?: readonly SampleElement[];
  readonly instanceNumber?: number;
  readonly manufacturer?: string;
}): MadeSlice {
  const { rows, columns, spacing, thickness, frames, shared = [], more = [], instanceNumber = 1 } = options;
  const seriesInstanceUid = '1.2.999.10.2';
  const sopInstanceUid = `${seriesInstanceUid}.${instanceNumber}`;
  const manufacturer = attribute('Manufacturer', options.manufacturer ?? 'Bruker BioSpin MRI GmbH');
  const elements = [
    ...header(seriesInstanceUid, sopInstanceUid, '1.2.840.10008.5.1.4.1.1.4.1').filter(
      ({ tag }) => tag !== manufacturer.tag,
    ),
    manufacturer,
    attribute('ImageType', 'ORIGINAL\\PRIMARY\\DIFFUSION\\NONE'),
    attribute('InstanceNumber', instanceNumber),
    attribute('NumberOfFrames', frames.length),
    ...picture(
      rows,
      columns,
      frames.flatMap(({ pixels }) => pixels),
    ),
    attribute('SharedFunctionalGroupsSequence', [
      [
        attribute('PlaneOrientationSequence', [[attribute('ImageOrientationPatient', options.orientation)]]),
        attribute('PixelMeasuresSequence', [
          [attribute('SliceThickness', thickness), attribute('PixelSpacing', spacing)],
        ]),
        ...shared,
      ].toSorted((a, b) => a.tag - b.tag),
    ]),
    attribute(
      'PerFrameFunctionalGroupsSequence',
      frames.map(({ position, groups }) =>
        [attribute('PlanePositionSequence', [[attribute('ImagePositionPatient', position)]]), ...groups].toSorted(
          (a, b) => a.tag - b.tag,
        ),
      ),
    ),
    ...more,
  ];
  return {
    name: `${sopInstanceUid}.dcm`,
    bytes: sampleFile(elements),
    studyInstanceUid: STUDY,
    seriesInstanceUid,
    sopInstanceUid,
  };
}

function header(series: string, instance: string, sopClass: string): readonly SampleElement[] {
  return [
    attribute('SOPClassUID', sopClass),
    attribute('SOPInstanceUID', instance),
    attribute('StudyInstanceUID', STUDY),
    attribute('SeriesInstanceUID', series),
    attribute('StudyDate', '20260914'),
    attribute('StudyTime', '091500'),
    attribute('AcquisitionDate', '20260914'),
    attribute('AcquisitionTime', '091500'),
    attribute('Modality', 'MR'),
    attribute('Manufacturer', 'SIEMENS'),
    attribute('SeriesDescription', 'made here'),
    attribute('ProtocolName', 'made here'),
    attribute('PatientName', 'Kanariala^Aino'),
    attribute('PatientID', 'RAT-0815-X'),
    attribute('PatientPosition', 'HFS'),
    attribute('MRAcquisitionType', '2D'),
    attribute('SeriesNumber', 3),
    attribute('MagneticFieldStrength', 7),
  ];
}

function picture(rows: number, columns: number, pixels: readonly number[]): readonly SampleElement[] {
  return [
    attribute('SamplesPerPixel', 1),
    attribute('PhotometricInterpretation', 'MONOCHROME2'),
    attribute('Rows', rows),
    attribute('Columns', columns),
    attribute('BitsAllocated', 16),
    attribute('BitsStored', 12),
    attribute('HighBit', 11),
    attribute('PixelRepresentation', 0),
    { tag: tagOf('PixelData'), vr: 'OW', value: encodeNumbers('US', pixels) },
  ];
}

function tagOf(keyword: string): number {
  const entry = lookup(keyword);
  if (entry === undefined) throw new TypeError(`no such keyword: ${keyword}`);
  return entry.tag;
}
