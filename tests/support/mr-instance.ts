/** MR images of a few kilobytes, made here. */
import { randomUUID } from 'node:crypto';
import { encodeDataSet, encodePart10, type Attributes } from '../../core/dicom/encode.ts';

const MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4';

export interface MrInstance {
  readonly sopInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly attributes: Attributes;
  /** Explicit VR little endian, without file meta information. */
  readonly dataSet: Uint8Array;
  readonly part10: Uint8Array;
}

export function newUid(): string {
  return `2.25.${String(BigInt(`0x${randomUUID().replaceAll('-', '')}`))}`;
}

/** @param over - attributes by keyword that win; undefined leaves one out */
export function mrInstance(over: Attributes = {}, pixels = 32): MrInstance {
  const merged: Attributes = {
    SOPClassUID: MR_IMAGE_STORAGE,
    SOPInstanceUID: newUid(),
    StudyInstanceUID: newUid(),
    SeriesInstanceUID: newUid(),
    PatientID: 'RAT-7',
    PatientName: 'Planted^Name',
    Modality: 'MR',
    StudyDescription: 'rat brain',
    Rows: pixels,
    Columns: pixels,
    BitsAllocated: 16,
    BitsStored: 12,
    HighBit: 11,
    PixelRepresentation: 0,
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    PixelData: { vr: 'OW', value: Uint8Array.from({ length: pixels * pixels * 2 }, (_, n) => (n * 7) % 251) },
    ...over,
  };
  const attributes = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
  const text = (keyword: string) => (typeof attributes[keyword] === 'string' ? attributes[keyword] : '');
  return {
    sopInstanceUid: text('SOPInstanceUID'),
    studyInstanceUid: text('StudyInstanceUID'),
    attributes,
    dataSet: encodeDataSet(attributes),
    part10: encodePart10(attributes),
  };
}
