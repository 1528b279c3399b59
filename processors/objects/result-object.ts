/** What every object made from a study has in common: its study and patient, its series, what made it. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { keywordOf, lookup } from '../../core/dicom/dictionary.ts';
import type { Attributes } from '../../core/dicom/encode.ts';
import { codeItem, dcm } from './codes.ts';

/** A DICOM file made here, in Explicit VR Little Endian. */
export interface ResultObject {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly bytes: Uint8Array;
}

/** What an object made here says of itself. */
export interface ResultDescription {
  /** Of the study. */
  readonly header: DataSet;
  readonly seriesDescription: string;
  /** Of what made it: a model's digest, or the hub's name. */
  readonly serial: string;
  /** What was done, by which version of what. */
  readonly contribution: string;
}

interface ResultSeries {
  readonly sopClassUid: string;
  readonly modality: string;
  readonly seriesInstanceUid: string;
  readonly seriesNumber: number;
}

export interface HubIdentity {
  readonly name: string;
  readonly version: string;
}

/** What is named of a model in what was made by it; a manifest has it. */
export interface ModelIdentity {
  readonly name: string;
  readonly version: string;
  readonly onnx: { readonly sha256: string };
}

const MANUFACTURER = 'Imaging hub';

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
  // Without who gave the ID it is another patient's.
  'IssuerOfPatientID',
  'IssuerOfPatientIDQualifiersSequence',
  'IssuerOfAccessionNumberSequence',
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

/** The attributes of its patient, study, series and equipment, and of what made it; the SOP Instance UID is its own. */
export function commonAttributes(
  { header, seriesDescription, serial, contribution }: ResultDescription,
  { sopClassUid, modality, seriesInstanceUid, seriesNumber }: ResultSeries,
  hub: HubIdentity,
): Attributes {
  return {
    ...studyAndPatient(header),
    SOPClassUID: sopClassUid,
    Modality: modality,
    SeriesInstanceUID: seriesInstanceUid,
    SeriesNumber: seriesNumber,
    SeriesDescription: seriesDescription,
    ...equipment(hub, serial),
    ...contributor(hub, contribution),
  };
}

/** The attributes that make the object belong to its study. */
function studyAndPatient(header: DataSet): Attributes {
  const copy: Record<string, string | readonly string[] | readonly Attributes[]> = {};
  for (const keyword of REQUIRED_OF_STUDY) copy[keyword] = header.string(keyword) ?? '';
  for (const keyword of OPTIONAL_OF_STUDY) if (header.has(keyword)) copy[keyword] = copyOf(header, keyword);
  return { SpecificCharacterSet: 'ISO_IR 192', ...copy, StudyInstanceUID: header.string('StudyInstanceUID') ?? '' };
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
export function contentTime(header: DataSet): { readonly ContentDate: string; readonly ContentTime: string } {
  const date = [header.string('ContentDate'), header.string('AcquisitionDate'), header.string('StudyDate')].find(
    (value) => /^\d{8}$/.test(value ?? ''),
  );
  const time = [header.string('ContentTime'), header.string('AcquisitionTime'), header.string('StudyTime')].find(
    (value) => /^\d{6}(\.\d{1,6})?$/.test(value ?? ''),
  );
  return { ContentDate: date ?? '19000101', ContentTime: time ?? '000000' };
}

function equipment(hub: HubIdentity, serial: string): Attributes {
  return {
    Manufacturer: MANUFACTURER,
    ManufacturerModelName: hub.name,
    DeviceSerialNumber: serial.slice(0, 16),
    SoftwareVersions: hub.version,
  };
}

function contributor(hub: HubIdentity, description: string): Attributes {
  return {
    ContributingEquipmentSequence: [
      {
        Manufacturer: MANUFACTURER,
        ManufacturerModelName: hub.name,
        SoftwareVersions: hub.version,
        ContributionDescription: description,
        // PS3.16 CID 7005 Contributing Equipment Purpose of Reference
        PurposeOfReferenceCodeSequence: [codeItem(dcm('109102', 'Processing Equipment'))],
      },
    ],
  };
}

/** What a model did, as provenance says it. */
export function byModel({ name, version, onnx }: ModelIdentity): string {
  return `Segmented by ${name} ${version}, ONNX SHA-256 ${onnx.sha256}`;
}

/** An instance that something was made from. */
export interface InstanceReference {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
}

/** PS3.3 Table 10-11, each instance once. */
export function references(instances: readonly InstanceReference[]): readonly Attributes[] {
  const seen = new Map(instances.map((instance) => [instance.sopInstanceUid, instance.sopClassUid]));
  return [...seen].map(([sopInstanceUid, sopClassUid]) => ({
    ReferencedSOPClassUID: sopClassUid,
    ReferencedSOPInstanceUID: sopInstanceUid,
  }));
}
