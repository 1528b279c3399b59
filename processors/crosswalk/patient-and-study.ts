/** The attributes that say whose study it is: kept when it is released, put back into what is returned. */
import { lookup } from '../../core/dicom/dictionary.ts';
import { TAG } from '../../core/dicom/tags.ts';

const PATIENT_GROUP = 0x0010;
const TRIAL_GROUP = 0x0012;

/** Of group 0012 these are of a series (PS3.3 Section C.7.3.2): whoever made the series says them. */
const OF_THE_SERIES = tagsOf([
  'ClinicalTrialCoordinatingCenterName',
  'ClinicalTrialSeriesID',
  'ClinicalTrialSeriesDescription',
]);

/** PS3.3 Sections C.7.2.1 (General Study), C.7.2.2 (Patient Study), and what says how the study was de-identified. */
const OF_THE_STUDY = tagsOf([
  'StudyDate',
  'StudyTime',
  'AccessionNumber',
  'IssuerOfAccessionNumberSequence',
  'ReferringPhysicianName',
  'ReferringPhysicianAddress',
  'ReferringPhysicianTelephoneNumbers',
  'ReferringPhysicianIdentificationSequence',
  'ConsultingPhysicianName',
  'ConsultingPhysicianIdentificationSequence',
  'StudyDescription',
  'ProcedureCodeSequence',
  'PhysiciansOfRecord',
  'PhysiciansOfRecordIdentificationSequence',
  'NameOfPhysiciansReadingStudy',
  'PhysiciansReadingStudyIdentificationSequence',
  'AdmittingDiagnosesDescription',
  'AdmittingDiagnosesCodeSequence',
  'ReferencedStudySequence',
  'ReferencedPatientSequence',
  'StudyID',
  'RequestingService',
  'RequestingServiceCodeSequence',
  'ReasonForVisit',
  'ReasonForVisitCodeSequence',
  'AdmissionID',
  'IssuerOfAdmissionIDSequence',
  'ServiceEpisodeID',
  'ServiceEpisodeDescription',
  'IssuerOfServiceEpisodeIDSequence',
  'PatientState',
  'ReasonForPerformedProcedureCodeSequence',
  'LongitudinalTemporalInformationModified',
]);

/** True for a top-level attribute that is the original's: of the patient, of the study, of how it was de-identified. */
export function isOfPatientOrStudy(tag: number): boolean {
  const group = tag >>> 16;
  if ((tag & 0xffff) === 0) return false;
  return group === PATIENT_GROUP || (group === TRIAL_GROUP && !OF_THE_SERIES.has(tag)) || OF_THE_STUDY.has(tag);
}

/** What is kept of an original: the above, and how its text is to be read. */
export function isKeptOfOriginal(tag: number): boolean {
  return tag === TAG.SpecificCharacterSet || isOfPatientOrStudy(tag);
}

function tagsOf(keywords: readonly string[]): ReadonlySet<number> {
  return new Set(
    keywords.map((keyword) => {
      const entry = lookup(keyword);
      if (entry === undefined) throw new TypeError(`not a keyword of PS3.6: ${keyword}`);
      return entry.tag;
    }),
  );
}
