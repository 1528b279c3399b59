/** Reads the header of a received object and says what it is, or why the hub will not have it. */
import { headerAttributes } from '../core/dicom/attributes.ts';
import { checkPixelData, readHeader, type Part10Header } from '../core/dicom/part10.ts';
import { patientDigest } from '../core/dicom/patient.ts';
import { transferSyntax } from '../core/dicom/transfer-syntaxes.ts';
import { HubError, toHubError } from '../core/errors.ts';
import {
  isUid,
  parseSeriesInstanceUid,
  parseSopClassUid,
  parseSopInstanceUid,
  parseStudyInstanceUid,
  parseTransferSyntaxUid,
  type SeriesInstanceUid,
  type SopClassUid,
  type SopInstanceUid,
  type StudyInstanceUid,
  type TransferSyntaxUid,
} from '../core/identifiers.ts';
import type { Attributes } from '../core/ledger.ts';
import type { ByteSource } from '../core/store.ts';
import type { Expected } from './offer.ts';

export interface Examined {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly seriesInstanceUid: SeriesInstanceUid;
  readonly sopInstanceUid: SopInstanceUid;
  readonly sopClassUid: SopClassUid;
  readonly transferSyntaxUid: TransferSyntaxUid;
  readonly patientDigest: string;
  readonly attributes: Attributes;
}

/**
 * @throws {HubError} `dataset.*`: unreadable, empty, a UID missing, invalid or other than expected, unknown transfer syntax
 */
export async function examine(source: ByteSource, dataSetBytes: number, expected: Expected): Promise<Examined> {
  if (dataSetBytes === 0) throw new HubError('dataset.empty');
  if (transferSyntax(expected.transferSyntaxUid) === undefined) {
    const { transferSyntaxUid } = expected;
    // The sender's own text; only what looks like a UID may stand in a log.
    throw new HubError('dataset.transfer-syntax-unknown', isUid(transferSyntaxUid) ? { transferSyntaxUid } : {});
  }
  const header = await readableHeader(source);
  const { dataSet } = header;
  const examined = {
    studyInstanceUid: parseStudyInstanceUid(dataSet.string('StudyInstanceUID')),
    seriesInstanceUid: parseSeriesInstanceUid(dataSet.string('SeriesInstanceUID')),
    sopInstanceUid: parseSopInstanceUid(dataSet.string('SOPInstanceUID')),
    sopClassUid: parseSopClassUid(dataSet.string('SOPClassUID')),
    transferSyntaxUid: parseTransferSyntaxUid(header.transferSyntaxUid),
    patientDigest: patientDigest(dataSet),
    attributes: headerAttributes(dataSet),
  };
  if (expected.sopClassUid !== undefined && expected.sopClassUid !== examined.sopClassUid) {
    throw new HubError('dataset.sop-class-mismatch', { attribute: 'SOPClassUID' });
  }
  if (expected.sopInstanceUid !== undefined && expected.sopInstanceUid !== examined.sopInstanceUid) {
    throw new HubError('dataset.sop-class-mismatch', { attribute: 'SOPInstanceUID' });
  }
  if (expected.studyInstanceUid !== undefined && expected.studyInstanceUid !== examined.studyInstanceUid) {
    throw new HubError('dataset.study-mismatch', { attribute: 'StudyInstanceUID' });
  }
  return examined;
}

/** The header of an object whose pixel data is all there. */
async function readableHeader(source: ByteSource): Promise<Part10Header> {
  try {
    const header = await readHeader(source);
    await checkPixelData(source, header);
    return header;
  } catch (error) {
    const known = toHubError(error);
    // Whatever a damaged object does to the parser, to the sender it is an object that cannot be read.
    throw known.code === 'internal.unexpected' ? new HubError('dataset.unreadable', {}, error) : known;
  }
}
