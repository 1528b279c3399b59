/** A PDF as a DICOM object (PS3.3 Section A.45.1), so that it lies with its study wherever that goes. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { encodePart10 } from '../../core/dicom/encode.ts';
import {
  contentTime,
  contribution,
  equipment,
  type HubIdentity,
  type InstanceReference,
  references,
  type ResultObject,
  studyAndPatient,
} from './result-object.ts';
import { derivedUid, digestOf } from './uids.ts';

const ENCAPSULATED_PDF = '1.2.840.10008.5.1.4.1.1.104.1';

export interface EncapsulatedReport {
  readonly pdf: Uint8Array;
  readonly header: DataSet;
  readonly title: string;
  readonly sources: readonly InstanceReference[];
  readonly seriesDescription: string;
  /** What tells its series from others of the study. */
  readonly identity: readonly string[];
  readonly serial: string;
  readonly contribution: string;
}

export function encapsulatedPdf(report: EncapsulatedReport, hub: HubIdentity): ResultObject {
  const { pdf, header, identity } = report;
  const studyInstanceUid = header.string('StudyInstanceUID') ?? '';
  const seriesInstanceUid = derivedUid(['document-series', studyInstanceUid, ...identity]);
  const sopInstanceUid = derivedUid(['document', studyInstanceUid, hub.version, ...identity, digestOf(pdf)]);
  const bytes = encodePart10({
    ...studyAndPatient(header),
    SOPClassUID: ENCAPSULATED_PDF,
    SOPInstanceUID: sopInstanceUid,
    Modality: 'DOC',
    SeriesInstanceUID: seriesInstanceUid,
    SeriesNumber: 4001,
    SeriesDescription: report.seriesDescription,
    ...equipment(hub, report.serial),
    ...contribution(hub, report.contribution),
    ConversionType: 'WSD',
    InstanceNumber: 1,
    ...contentTime(header),
    // Type 2: nothing was acquired for it.
    AcquisitionDateTime: '',
    // What it is written with is no name and no text of the header.
    BurnedInAnnotation: 'NO',
    SourceInstanceSequence: references(report.sources),
    DocumentTitle: report.title,
    ConceptNameCodeSequence: [],
    MIMETypeOfEncapsulatedDocument: 'application/pdf',
    EncapsulatedDocumentLength: pdf.length,
    EncapsulatedDocument: { vr: 'OB', value: pdf },
  });
  return { sopClassUid: ENCAPSULATED_PDF, sopInstanceUid, seriesInstanceUid, bytes };
}
