/** What GE says of a scan in its protocol data block only: in which order slices and lines of phase were taken. */
import { gunzipSync } from 'node:zlib';
import { latin1 } from '../../core/dicom/character-sets.ts';
import type { DataSet } from '../../core/dicom/data-set.ts';

const GE_PROTOCOL = { creator: 'GEMS_SERS_01', group: 0x0025, element: 0x1b } as const;
/** Some kilobytes in fact. */
const MAX_PROTOCOL_BYTES = 1024 * 1024;

/**
 * Where de-identification writes what analysis needs of the block, which itself never leaves. The order of the lines has an
 * attribute of the standard: Rectilinear Phase Encode Reordering (0018,9034).
 */
export const GE_NUMBERS = { creator: 'IMAGING HUB GE NUMBERS', group: 0x0025, sliceOrder: 0x01 } as const;

/** `interleaved`: every second slice first; `sequential`: one after the other, in the order of the Instance Numbers. */
export function geSliceOrder(header: DataSet): 'interleaved' | 'sequential' | undefined {
  const { creator, group, sliceOrder } = GE_NUMBERS;
  const written = header.privateElement(creator, group, sliceOrder)?.value;
  const order = geProtocolValue(header, 'SLICEORDER') ?? (written === undefined ? undefined : latin1(written).trim());
  if (order === undefined) return undefined;
  return order === '1' ? 'interleaved' : 'sequential';
}

/** Lines of phase from the top down, or from the bottom up. Of echo-planar scans only, where it matters. */
export function isGeTopDown(header: DataSet): boolean | undefined {
  if (!header.strings('ScanningSequence').includes('EP')) return undefined;
  const order = geProtocolValue(header, 'VIEWORDER');
  if (order !== undefined) return order === '0';
  const isGe = /^GE\b/i.test(header.string('Manufacturer') ?? '');
  const reordering = isGe ? header.string('RectilinearPhaseEncodeReordering') : undefined;
  if (reordering === 'REVERSE_LINEAR') return true;
  return reordering === 'LINEAR' ? false : undefined;
}

/** One value of the block, a gzip file of lines `NAME "value"` behind its length. */
function geProtocolValue(header: DataSet, name: 'SLICEORDER' | 'VIEWORDER'): string | undefined {
  const block = header.privateElement(GE_PROTOCOL.creator, GE_PROTOCOL.group, GE_PROTOCOL.element)?.value;
  if (block === undefined || block.length < 6 || block[4] !== 0x1f || block[5] !== 0x8b) return undefined;
  try {
    const text = gunzipSync(block.subarray(4), { maxOutputLength: MAX_PROTOCOL_BYTES }).toString('latin1');
    return new RegExp(`^(?:set )?${name} "([01])"`, 'm').exec(text)?.[1];
  } catch {
    // A protocol that is damaged, or cut off by an archive, says nothing; the pictures are not worse for it.
    return undefined;
  }
}
