/** A PDF as a DICOM object (PS3.3 Section A.45.1), so that it lies with its study wherever that goes. */
import { encodePart10 } from '../../core/dicom/encode.ts';
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

const ENCAPSULATED_PDF = '1.2.840.10008.5.1.4.1.1.104.1';

export interface EncapsulatedReport extends ResultDescription {
  readonly pdf: Uint8Array;
  readonly title: string;
  readonly sources: readonly InstanceReference[];
  /** What tells its series from others of the study. */
  readonly identity: readonly string[];
}

export function encapsulatedPdf(report: EncapsulatedReport, hub: HubIdentity): ResultObject {
  const { pdf, header, identity } = report;
  const studyInstanceUid = header.string('StudyInstanceUID') ?? '';
  const seriesInstanceUid = derivedUid(['document-series', studyInstanceUid, ...identity]);
  const sopInstanceUid = derivedUid(['document', studyInstanceUid, hub.version, ...identity, digestOf(pdf)]);
  const series = { sopClassUid: ENCAPSULATED_PDF, modality: 'DOC', seriesInstanceUid, seriesNumber: 4001 };
  const bytes = encodePart10({
    ...commonAttributes(report, series, hub),
    SOPInstanceUID: sopInstanceUid,
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
