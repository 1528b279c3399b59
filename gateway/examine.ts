/** Says what a received object is, or why the hub will not have it. */
import { transferSyntax } from '../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../core/errors.ts';
import { isUid } from '../core/identifiers.ts';
import type { ByteSource } from '../core/store.ts';
import type { Examined } from './header/describe.ts';
import type { HeaderReader } from './header/header-reader.ts';
import type { Expected } from './offer.ts';

/**
 * @param dataSetBytes - how many of the source's last bytes are the data set
 * @throws {HubError} `dataset.*`: unreadable, empty, a UID missing, invalid or other than expected, unknown transfer syntax
 */
export async function examine(
  source: ByteSource,
  dataSetBytes: number,
  expected: Expected,
  headers: HeaderReader,
): Promise<Examined> {
  if (dataSetBytes === 0) throw new HubError('dataset.empty');
  const syntax = transferSyntax(expected.transferSyntaxUid);
  if (syntax === undefined) {
    const { transferSyntaxUid } = expected;
    // The sender's own text; only what looks like a UID may stand in a log.
    throw new HubError('dataset.transfer-syntax-unknown', isUid(transferSyntaxUid) ? { transferSyntaxUid } : {});
  }
  const examined = await headers.read(source, syntax.deflated ? source.sizeBytes - dataSetBytes : undefined);
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
