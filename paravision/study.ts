/** Study, series and equipment, as DICOM says them. */
import type { Attributes } from '../core/dicom/encode.ts';
import { parseDate } from './dates.ts';
import { type Place, seriesNumber, type Uids } from './identity.ts';
import type { Parameters } from './parameters.ts';
import { patientPosition, personName, shortText } from './subject.ts';

/** Type 1 of the Enhanced General Equipment Module; ParaVision writes none. */
const NOT_RECORDED = 'not recorded';
const DEFAULT_MANUFACTURER = 'Bruker BioSpin MRI GmbH';

/** Of the console: `5.1`, `6.0.1`, `360.3.6`. */
export function versionOf(parameters: Parameters): string {
  const said =
    parameters.text('VisuAcqSoftwareVersion') ??
    parameters.text('ACQ_sw_version') ??
    parameters.text('VisuCreatorVersion') ??
    '';
  return /\d[\w.]*/.exec(said)?.[0] ?? '';
}

/** PS3.3 Sections C.7.2.1, C.7.3.1, C.7.4.1, C.7.5.1 and C.7.5.2. */
export function studyAttributes(parameters: Parameters, place: Place, uids: Uids): Attributes {
  const study = parseDate(parameters.text('VisuStudyDate') ?? parameters.text('SUBJECT_date'));
  const series = parseDate(
    parameters.text('VisuSeriesDate') ?? parameters.text('VisuCreationDate') ?? parameters.text('VisuAcqDate'),
  );
  const protocol = parameters.text('VisuAcquisitionProtocol') ?? parameters.text('ACQ_scan_name');
  const comment = parameters.text('VisuSeriesComment');
  const version = versionOf(parameters);
  const zone = study?.zone ?? series?.zone;
  return {
    StudyInstanceUID: uids.studyInstanceUid,
    StudyDate: study?.date ?? '',
    StudyTime: study?.time ?? '',
    StudyID: shortText(parameters.text('VisuStudyId') ?? parameters.text('SUBJECT_study_name'), 16),
    StudyDescription: shortText(
      parameters.text('VisuStudyDescription') ??
        parameters.text('VisuStudyId') ??
        parameters.text('SUBJECT_study_name'),
      64,
    ),
    ReferringPhysicianName: personName(
      parameters.text('VisuStudyReferringPhysician') ?? parameters.text('SUBJECT_referral'),
    ),
    AccessionNumber: '',
    Modality: 'MR',
    SeriesInstanceUID: uids.seriesInstanceUid,
    SeriesNumber: seriesNumber(place),
    ...(series === undefined ? {} : { SeriesDate: series.date, SeriesTime: series.time }),
    SeriesDescription: shortText([protocol, comment].filter((one) => one !== undefined).join(' '), 64),
    ProtocolName: shortText(protocol, 64),
    PatientPosition: patientPosition(parameters),
    ...(zone === undefined ? {} : { TimezoneOffsetFromUTC: zone }),
    FrameOfReferenceUID: uids.frameOfReferenceUid,
    PositionReferenceIndicator: '',
    Manufacturer: shortText(parameters.text('VisuManufacturer'), 64) || DEFAULT_MANUFACTURER,
    ManufacturerModelName:
      shortText(parameters.text('VisuStation') ?? parameters.text('ACQ_station'), 64) || NOT_RECORDED,
    DeviceSerialNumber: NOT_RECORDED,
    SoftwareVersions: version === '' ? NOT_RECORDED : `ParaVision ${version}`,
    InstitutionName: shortText(parameters.text('VisuInstitution') ?? parameters.text('ACQ_institution'), 64),
  };
}
