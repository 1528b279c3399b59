import { DataSet, parseDataSet } from '../../core/dicom/data-set.ts';

/** A header that says nothing, for volumes that did not come from DICOM. */
export function emptyHeader(): DataSet {
  return parseDataSet(new Uint8Array(0), '1.2.840.10008.1.2.1');
}
