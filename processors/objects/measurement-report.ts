/**
 * The frame of a Measurement Report (PS3.16 TID 1500) as a Comprehensive 3D SR: who reports, what about, and groups of
 * measurements. Written here, item by item; what the groups hold is given.
 */
import { type Attributes, encodePart10 } from '../../core/dicom/encode.ts';
import { canonicalJson } from '../../core/canonical-json.ts';
import { type Code, dcm, OWN_SCHEME, sct } from './codes.ts';
import { coded, container, type ContentItem, text, uidReference } from './content-items.ts';
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

const COMPREHENSIVE_3D_SR = '1.2.840.10008.5.1.4.1.1.88.34';
const MEASUREMENT_GROUP = dcm('125007', 'Measurement Group');

/** Instances of one series that the report is about. */
export interface Evidence {
  readonly seriesInstanceUid: string;
  readonly instances: readonly InstanceReference[];
}

export interface Report extends ResultDescription {
  readonly seriesNumber: number;
  /** What tells this report from others of the study. */
  readonly identity: readonly string[];
  readonly groups: readonly ContentItem[];
  readonly evidence: readonly Evidence[];
}

/** A group by its template, with what it is known by over reports. */
export function measurementGroup(
  template: '1411' | '1501',
  tracking: { readonly id: string; readonly uid: string },
  items: readonly ContentItem[],
): ContentItem {
  return container(
    MEASUREMENT_GROUP,
    [
      text('HAS OBS CONTEXT', dcm('112039', 'Tracking Identifier'), tracking.id),
      uidReference('HAS OBS CONTEXT', dcm('112040', 'Tracking Unique Identifier'), tracking.uid),
      ...items,
    ],
    template,
  );
}

/** TID 4019 Algorithm Identification. */
export function algorithm(
  name: string,
  version: string,
  parameters: readonly string[],
  family?: Code,
): readonly ContentItem[] {
  return [
    text('HAS CONCEPT MOD', dcm('111001', 'Algorithm Name'), name),
    text('HAS CONCEPT MOD', dcm('111003', 'Algorithm Version'), version),
    ...parameters.map((each) => text('HAS CONCEPT MOD', dcm('111002', 'Algorithm Parameters'), each)),
    ...(family === undefined ? [] : [coded('HAS CONCEPT MOD', dcm('111000', 'Algorithm Family'), family)]),
  ];
}

export function measurementReport(report: Report, hub: HubIdentity): ResultObject {
  const { header, evidence } = report;
  const studyInstanceUid = header.string('StudyInstanceUID') ?? '';
  const seriesInstanceUid = derivedUid(['report-series', studyInstanceUid, ...report.identity]);
  const root = container(
    dcm('126000', 'Imaging Measurement Report'),
    [...context(report, hub), container(dcm('126010', 'Imaging Measurements'), report.groups)],
    '1500',
  ).attributes;
  const { seriesNumber } = report;
  const series = { sopClassUid: COMPREHENSIVE_3D_SR, modality: 'SR', seriesInstanceUid, seriesNumber };
  const document: Attributes = {
    ...commonAttributes(report, series, hub),
    // Type 2: no step of a worklist was performed.
    ReferencedPerformedProcedureStepSequence: [],
    PerformedProcedureCodeSequence: [],
    InstanceNumber: 1,
    ...contentTime(header),
    // PS3.3 Table C.12-1: what is needed to know what our own codes are.
    CodingSchemeIdentificationSequence: [
      {
        CodingSchemeDesignator: OWN_SCHEME,
        CodingSchemeName: 'Imaging hub: quality and reliability',
        CodingSchemeVersion: '1',
        CodingSchemeResponsibleOrganization: 'Imaging hub',
      },
    ],
    CompletionFlag: 'COMPLETE',
    VerificationFlag: 'UNVERIFIED',
    PreliminaryFlag: 'FINAL',
    CurrentRequestedProcedureEvidenceSequence: [
      {
        StudyInstanceUID: studyInstanceUid,
        ReferencedSeriesSequence: evidence.map((series) => ({
          SeriesInstanceUID: series.seriesInstanceUid,
          ReferencedSOPSequence: references(series.instances),
        })),
      },
    ],
    ...root,
  };
  const sopInstanceUid = derivedUid(['report', digestOf(canonicalJson(document))]);
  const bytes = encodePart10({ ...document, SOPInstanceUID: sopInstanceUid });
  return { sopClassUid: COMPREHENSIVE_3D_SR, sopInstanceUid, seriesInstanceUid, bytes };
}

/** TID 1204 language, TID 1004 device observer, and what was done. */
function context({ serial }: Report, hub: HubIdentity): readonly ContentItem[] {
  return [
    coded('HAS CONCEPT MOD', dcm('121049', 'Language of Content Item and Descendants'), {
      value: 'en',
      scheme: 'RFC5646',
      meaning: 'English',
    }),
    coded('HAS OBS CONTEXT', dcm('121005', 'Observer Type'), dcm('121007', 'Device')),
    uidReference('HAS OBS CONTEXT', dcm('121012', 'Device Observer UID'), derivedUid(['device', hub.name, serial])),
    text('HAS OBS CONTEXT', dcm('121013', 'Device Observer Name'), hub.name),
    text('HAS OBS CONTEXT', dcm('121014', 'Device Observer Manufacturer'), 'Imaging hub'),
    text('HAS OBS CONTEXT', dcm('121015', 'Device Observer Model Name'), `${hub.name} ${hub.version}`),
    text('HAS OBS CONTEXT', dcm('121016', 'Device Observer Serial Number'), serial.slice(0, 16)),
    coded('HAS CONCEPT MOD', dcm('121058', 'Procedure reported'), sct('363679005', 'Imaging procedure')),
  ];
}
