/** A page of pixels as a Secondary Capture (PS3.3 Section A.8.1): RGB, without a place in space, with its sources. */
import { encodePart10 } from '../../core/dicom/encode.ts';
import { codeItem, dcm } from './codes.ts';
import type { Canvas } from './letters.ts';
import {
  commonAttributes,
  contentTime,
  type HubIdentity,
  type InstanceReference,
  references,
  type ResultDescription,
  type ResultObject,
} from './result-object.ts';
import { derivedUid, digestOf } from './uids.ts';

const SECONDARY_CAPTURE = '1.2.840.10008.5.1.4.1.1.7';

export interface CapturedPage extends ResultDescription {
  readonly page: Canvas;
  /** That it was made from. */
  readonly sources: readonly InstanceReference[];
  /** What tells its series from others of the study. */
  readonly identity: readonly string[];
  /** What the picture shows. */
  readonly derivation: string;
}

export function secondaryCapture(captured: CapturedPage, hub: HubIdentity): ResultObject {
  const { page, header, sources, identity } = captured;
  const studyInstanceUid = header.string('StudyInstanceUID') ?? '';
  const seriesInstanceUid = derivedUid(['capture-series', studyInstanceUid, ...identity]);
  const sourceUids = sources.map(({ sopInstanceUid }) => sopInstanceUid);
  const sopInstanceUid = derivedUid(['capture', hub.version, ...identity, ...sourceUids, digestOf(page.data)]);
  const { ContentDate, ContentTime } = contentTime(header);
  const series = { sopClassUid: SECONDARY_CAPTURE, modality: 'OT', seriesInstanceUid, seriesNumber: 3001 };
  const bytes = encodePart10({
    ...commonAttributes(captured, series, hub),
    SOPInstanceUID: sopInstanceUid,
    // PS3.3 Section C.8.6.1: made at a workstation.
    ConversionType: 'WSD',
    SecondaryCaptureDeviceManufacturer: 'Imaging hub',
    SecondaryCaptureDeviceManufacturerModelName: hub.name,
    SecondaryCaptureDeviceSoftwareVersions: hub.version,
    // Type 2C: written empty, for nobody knows whether what is shown has a side.
    Laterality: header.string('Laterality') ?? '',
    ImageType: ['DERIVED', 'SECONDARY'],
    InstanceNumber: header.number('SeriesNumber') ?? 1,
    // Type 2C: a picture of many slices has no side.
    PatientOrientation: '',
    ContentDate,
    ContentTime,
    DerivationDescription: captured.derivation,
    SourceImageSequence: references(sources).map((reference) => ({
      ...reference,
      PurposeOfReferenceCodeSequence: [codeItem(dcm('121322', 'Source image for image processing operation'))],
    })),
    BurnedInAnnotation: 'YES',
    LossyImageCompression: '00',
    SamplesPerPixel: 3,
    PhotometricInterpretation: 'RGB',
    PlanarConfiguration: 0,
    Rows: page.height,
    Columns: page.width,
    BitsAllocated: 8,
    BitsStored: 8,
    HighBit: 7,
    PixelRepresentation: 0,
    PixelData: { vr: 'OB', value: page.data },
  });
  return { sopClassUid: SECONDARY_CAPTURE, sopInstanceUid, seriesInstanceUid, bytes };
}
