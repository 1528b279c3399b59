/**
 * Compound action codes are decided by the attribute's Type in the IOD (PS3.15 Table E.1-1a): Type 3 is removed, Type 2
 * emptied, Type 1 replaced. This table has the Types of the attributes with compound codes, for the IODs a hub between
 * MR scanners and partners meets; everywhere else the presence of the attribute is kept and its value is not.
 */
import type { ActionCode } from './tables.ts';

/** IODs the Types below are known for (PS3.3 Annex A). */
export type IodKind = 'classic' | 'enhanced' | 'segmentation' | 'secondary-capture';

const IOD_BY_SOP_CLASS: Readonly<Record<string, IodKind>> = {
  '1.2.840.10008.5.1.4.1.1.2': 'classic', // CT Image, Section A.3
  '1.2.840.10008.5.1.4.1.1.4': 'classic', // MR Image, Section A.4
  '1.2.840.10008.5.1.4.1.1.2.1': 'enhanced', // Enhanced CT Image, Section A.38
  '1.2.840.10008.5.1.4.1.1.4.1': 'enhanced', // Enhanced MR Image, Section A.36.2
  '1.2.840.10008.5.1.4.1.1.4.2': 'enhanced', // MR Spectroscopy, Section A.36.3
  '1.2.840.10008.5.1.4.1.1.4.3': 'enhanced', // Enhanced MR Color Image, Section A.36.4
  '1.2.840.10008.5.1.4.1.1.66.4': 'segmentation', // Segmentation, Section A.51
  '1.2.840.10008.5.1.4.1.1.66.7': 'segmentation', // Label Map Segmentation, Section A.90
  '1.2.840.10008.5.1.4.1.1.7': 'secondary-capture', // Secondary Capture Image, Section A.8
  '1.2.840.10008.5.1.4.1.1.7.1': 'secondary-capture',
  '1.2.840.10008.5.1.4.1.1.7.2': 'secondary-capture',
  '1.2.840.10008.5.1.4.1.1.7.3': 'secondary-capture',
  '1.2.840.10008.5.1.4.1.1.7.4': 'secondary-capture',
};

export function iodKindOf(sopClassUid: string): IodKind | undefined {
  return Object.hasOwn(IOD_BY_SOP_CLASS, sopClassUid) ? IOD_BY_SOP_CLASS[sopClassUid] : undefined;
}

/** 1 and 1C, 2 and 2C, 3: a conditional Type counts as if its condition held. */
type AttributeType = 1 | 2 | 3;
interface TypeRow {
  /** Section of PS3.3 that the Types are from. */
  readonly section: string;
  readonly types: Readonly<Record<IodKind, AttributeType>>;
}

const everywhere = (section: string, type: AttributeType): TypeRow => ({
  section,
  types: { classic: type, enhanced: type, segmentation: type, 'secondary-capture': type },
});
/** Not an attribute of any module of these IODs: an extension, so optional (PS3.3 Section A.1.2). */
const notIncluded = everywhere('not in these IODs', 3);

/** Top-level attributes with a compound code, by keyword. All 50 rows are here: a test compares. */
export const ATTRIBUTE_TYPES: Readonly<Record<string, TypeRow>> = {
  AcquisitionContextSequence: {
    section: 'C.7.6.14 Acquisition Context',
    types: { classic: 3, enhanced: 2, segmentation: 3, 'secondary-capture': 3 },
  },
  AcquisitionDate: everywhere('C.7.10.1 General Acquisition', 3),
  AcquisitionDateTime: {
    section: 'C.7.10.1 General Acquisition; C.8.13.1 Enhanced MR Image, C.8.15.2 Enhanced CT Image (1C)',
    types: { classic: 3, enhanced: 1, segmentation: 3, 'secondary-capture': 3 },
  },
  AcquisitionDeviceProcessingDescription: notIncluded,
  AcquisitionTime: everywhere('C.7.10.1 General Acquisition', 3),
  BarcodeValue: notIncluded,
  ContentCreatorName: {
    section: 'Table 10-12 Content Identification Macro',
    types: { classic: 3, enhanced: 3, segmentation: 2, 'secondary-capture': 3 },
  },
  ContentDate: {
    section: 'C.7.6.1 General Image (2C); C.7.6.16 Multi-frame Functional Groups (1)',
    types: { classic: 2, enhanced: 1, segmentation: 1, 'secondary-capture': 2 },
  },
  ContentTime: {
    section: 'C.7.6.1 General Image (2C); C.7.6.16 Multi-frame Functional Groups (1)',
    types: { classic: 2, enhanced: 1, segmentation: 1, 'secondary-capture': 2 },
  },
  ContrastBolusAgent: everywhere('C.7.6.4 Contrast/Bolus', 2),
  DateOfLastDetectorCalibration: notIncluded,
  DetectorID: notIncluded,
  DeviceSerialNumber: {
    section: 'C.7.5.1 General Equipment (3); C.7.5.2 Enhanced General Equipment (1)',
    types: { classic: 3, enhanced: 1, segmentation: 1, 'secondary-capture': 3 },
  },
  EndAcquisitionDateTime: notIncluded,
  FirstTreatmentDate: notIncluded,
  InstanceCreationDate: everywhere('C.12.1 SOP Common', 3),
  InstanceCreationTime: everywhere('C.12.1 SOP Common', 3),
  InstitutionCodeSequence: everywhere('C.7.5.1 General Equipment', 3),
  InstitutionName: everywhere('C.7.5.1 General Equipment', 3),
  InstructionPerformedDateTime: notIncluded,
  IntendedPhaseEndDate: notIncluded,
  IntendedPhaseStartDate: notIncluded,
  LabelText: notIncluded,
  MostRecentTreatmentDate: notIncluded,
  ObservationDateTime: notIncluded,
  OperatorIdentificationSequence: everywhere('C.7.3.1 General Series', 3),
  OperatorsName: everywhere('C.7.3.1 General Series', 3),
  PatientID: everywhere('C.7.1.1 Patient', 2),
  PatientSexNeutered: everywhere('C.7.2.2 Patient Study (2C, of an animal)', 2),
  ProtocolName: everywhere('C.7.3.1 General Series', 3),
  ReferencedImageSequence: everywhere('C.12.4 General Reference', 3),
  ReferencedPerformedProcedureStepSequence: {
    section: 'C.7.3.1 General Series (3); C.8.13.6 MR Series, C.8.15.1 CT Series (1C)',
    types: { classic: 3, enhanced: 1, segmentation: 3, 'secondary-capture': 3 },
  },
  ReferencedStudySequence: everywhere('C.7.2.1 General Study', 3),
  RequestedProcedureDescription: everywhere('C.7.3.1 General Series', 3),
  ReviewerName: notIncluded,
  RTPlanDate: notIncluded,
  RTPlanTime: notIncluded,
  RTTreatmentApproachLabel: notIncluded,
  SeriesDate: everywhere('C.7.3.1 General Series', 3),
  SeriesTime: everywhere('C.7.3.1 General Series', 3),
  SourceImageSequence: everywhere('C.12.4 General Reference', 3),
  SourceSerialNumber: notIncluded,
  StartAcquisitionDateTime: notIncluded,
  StationName: everywhere('C.7.5.1 General Equipment', 3),
  TimeOfLastDetectorCalibration: notIncluded,
  TreatmentDate: notIncluded,
  TreatmentMachineName: notIncluded,
  TreatmentSite: notIncluded,
  TreatmentTime: notIncluded,
  WaveformAnnotationSequence: notIncluded,
};

/**
 * Code X, yet Type 2C in Table C.7-1 (Patient) when the patient is an animal: emptied instead of removed there, which
 * reveals as little and keeps the IOD whole.
 */
const REQUIRED_OF_AN_ANIMAL: ReadonlySet<string> = new Set(['ResponsiblePerson', 'ResponsibleOrganization']);

/** Not in Table E.1-1, but Type 1C with a condition that the profile ends: Required if the other has a value (Table C.7-1). */
export const ONLY_WITH: Readonly<Record<string, string>> = { ResponsiblePersonRole: 'ResponsiblePerson' };

/** Where an attribute stands. */
export interface Place {
  readonly iod: IodKind | undefined;
  readonly isTopLevel: boolean;
  /** The data set says that its patient is an animal: Patient Species Description or Code Sequence is present. */
  readonly isOfAnimal: boolean;
  /** Zero length in the source: there is nothing to replace. */
  readonly isEmpty: boolean;
}

/**
 * The simple code a compound one comes to. In items, and in IODs the table does not know, the Type is not known:
 * presence is kept, by D or U where there was a value and by Z where there was none.
 */
export function resolveCode(code: ActionCode, keyword: string, place: Place): 'X' | 'Z' | 'D' | 'U' | 'K' | 'C' {
  switch (code) {
    case 'X':
      return place.isTopLevel && place.isOfAnimal && REQUIRED_OF_AN_ANIMAL.has(keyword) ? 'Z' : code;
    case 'Z':
    case 'D':
    case 'U':
    case 'K':
    case 'C':
      return code;
    case 'X/Z':
    case 'X/D':
    case 'X/Z/D':
    case 'Z/D':
    case 'X/Z/U*':
      return byType(code, typeAt(keyword, place), place.isEmpty);
    default:
      return code satisfies never;
  }
}

function typeAt(keyword: string, place: Place): AttributeType | undefined {
  if (!place.isTopLevel || place.iod === undefined) return undefined;
  return Object.hasOwn(ATTRIBUTE_TYPES, keyword) ? ATTRIBUTE_TYPES[keyword]?.types[place.iod] : undefined;
}

function byType(
  code: 'X/Z' | 'X/D' | 'X/Z/D' | 'Z/D' | 'X/Z/U*',
  type: AttributeType | undefined,
  isEmpty: boolean,
): 'X' | 'Z' | 'D' | 'U' {
  const may = (simple: string) => code.includes(simple);
  if (type === 3 && may('X')) return 'X';
  if (type === 2 && may('Z')) return 'Z';
  if (isEmpty || (code === 'X/Z' && type !== 1)) return 'Z';
  // A sequence of references keeps its references, each with its new UID: the instances they name are renamed alike.
  if (may('U')) return 'U';
  return may('D') ? 'D' : 'Z';
}
