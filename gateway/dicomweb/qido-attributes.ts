/** Which attributes belong to which level of a search, and which of them every answer has (PS3.18 Section 10.6.3). */
import type { SearchLevel } from '../../core/search.ts';

/** PS3.18 Table 10.6.3-3, without what is counted or made; those of Type 2 stand there without a value, too. */
const STUDY_RETURNED = [
  'StudyDate',
  'StudyTime',
  'AccessionNumber',
  'ReferringPhysicianName',
  'TimezoneOffsetFromUTC',
  'StudyDescription',
  'PatientName',
  'PatientID',
  'PatientBirthDate',
  'PatientSex',
  'StudyID',
] as const;
/** PS3.18 Table 10.6.3-4 */
const SERIES_RETURNED = [
  'Modality',
  'TimezoneOffsetFromUTC',
  'SeriesDescription',
  'SeriesNumber',
  'PerformedProcedureStepStartDate',
  'PerformedProcedureStepStartTime',
] as const;
/** PS3.18 Table 10.6.3-5 */
const INSTANCE_RETURNED = [
  'TimezoneOffsetFromUTC',
  'InstanceNumber',
  'Rows',
  'Columns',
  'BitsAllocated',
  'NumberOfFrames',
] as const;

/** PS3.3 Sections C.7.1.1, C.7.2.1, C.7.2.2: what every instance of a study says alike. */
const STUDY_FURTHER = [
  'IssuerOfPatientID',
  'OtherPatientIDs',
  'PatientBirthTime',
  'PatientBirthName',
  'PatientAge',
  'PatientSize',
  'PatientWeight',
  'PatientSpeciesDescription',
  'PatientBreedDescription',
  'PatientSexNeutered',
  'StrainDescription',
  'StrainNomenclature',
  'StrainCode',
  'ResponsiblePerson',
  'ResponsibleOrganization',
  'EthnicGroup',
  'Occupation',
  'AdditionalPatientHistory',
  'PatientComments',
  'PatientIdentityRemoved',
  'DeidentificationMethod',
  'ConsultingPhysicianName',
  'PhysiciansOfRecord',
  'NameOfPhysiciansReadingStudy',
  'AdmittingDiagnosesDescription',
  'RequestingService',
  'InstitutionName',
] as const;
/** PS3.3 Sections C.7.3.1, C.7.5.1, C.7.4.1, and what an MR series keeps throughout. */
const SERIES_FURTHER = [
  'SeriesDate',
  'SeriesTime',
  'Laterality',
  'ProtocolName',
  'BodyPartExamined',
  'PatientPosition',
  'PerformingPhysicianName',
  'OperatorsName',
  'PerformedProcedureStepID',
  'PerformedProcedureStepDescription',
  'Manufacturer',
  'ManufacturerModelName',
  'DeviceSerialNumber',
  'SoftwareVersions',
  'StationName',
  'InstitutionalDepartmentName',
  'FrameOfReferenceUID',
  'MagneticFieldStrength',
  'ScanningSequence',
  'SequenceVariant',
  'SequenceName',
  'MRAcquisitionType',
] as const;

export const RETURNED: Readonly<Record<SearchLevel, readonly string[]>> = {
  study: STUDY_RETURNED,
  series: SERIES_RETURNED,
  instance: INSTANCE_RETURNED,
};

/** All that the hub tells of a level without opening instances; of an instance it tells its whole header. */
export const KEPT: Readonly<Record<'study' | 'series', readonly string[]>> = {
  study: [...STUDY_RETURNED, ...STUDY_FURTHER],
  series: [...SERIES_RETURNED, ...SERIES_FURTHER],
};

/** Answered even where the data has no value (PS3.18 Section 10.6.3.3: Type 2 in PS3.3). */
export const ALWAYS: Readonly<Record<SearchLevel, ReadonlySet<string>>> = {
  study: new Set(STUDY_RETURNED.filter((keyword) => !['TimezoneOffsetFromUTC', 'StudyDescription'].includes(keyword))),
  series: new Set(['Modality', 'SeriesNumber']),
  instance: new Set(['InstanceNumber']),
};
