/** What the header of a received object says it is. The same in the thread of the doors and in the one for large headers. */
import { headerAttributes } from '../../core/dicom/attributes.ts';
import { checkPixelData, readHeader } from '../../core/dicom/part10.ts';
import { patientDigest } from '../../core/dicom/patient.ts';
import { HubError, toHubError } from '../../core/errors.ts';
import {
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
} from '../../core/identifiers.ts';
import type { Attributes } from '../../core/ledger/common.ts';
import type { ByteSource } from '../../core/store.ts';

export interface Examined {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly seriesInstanceUid: SeriesInstanceUid;
  readonly sopInstanceUid: SopInstanceUid;
  readonly sopClassUid: SopClassUid;
  readonly transferSyntaxUid: TransferSyntaxUid;
  readonly patientDigest: string;
  readonly attributes: Attributes;
}

/** It is for the other thread: too much for the one that the doors wait for. */
export class TooMuchHere extends Error {}

/**
 * Reads the header of an object whose pixel data is all there.
 *
 * @throws {HubError} `dataset.*`: unreadable, cut off, a UID missing or invalid
 * @throws {TooMuchHere} when the source does
 */
export async function describe(source: ByteSource): Promise<Examined> {
  const header = await readable(async () => {
    const read = await readHeader(source);
    await checkPixelData(source, read);
    return read;
  });
  const { dataSet } = header;
  return {
    studyInstanceUid: parseStudyInstanceUid(dataSet.string('StudyInstanceUID')),
    seriesInstanceUid: parseSeriesInstanceUid(dataSet.string('SeriesInstanceUID')),
    sopInstanceUid: parseSopInstanceUid(dataSet.string('SOPInstanceUID')),
    sopClassUid: parseSopClassUid(dataSet.string('SOPClassUID')),
    transferSyntaxUid: parseTransferSyntaxUid(header.transferSyntaxUid),
    patientDigest: patientDigest(dataSet),
    attributes: headerAttributes(dataSet),
  };
}

/** Whatever a damaged object does to the parser, to the sender it is an object that cannot be read. */
async function readable<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof TooMuchHere) throw error;
    const known = toHubError(error);
    throw known.code === 'internal.unexpected' ? new HubError('dataset.unreadable', {}, error) : known;
  }
}
