/** Along which axis of the picture phase was encoded, and which way. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { stringOf } from './functional-groups.ts';
import { isGeTopDown } from './ge-protocol.ts';
import { isPhaseEncodingPositive } from './siemens.ts';

/** `rows`: from row to row (`COL`, for lines of phase run along columns); `columns`: from column to column. */
export function encodingAxis(header: DataSet): 'rows' | 'columns' | undefined {
  const direction = stringOf(header, 'InPlanePhaseEncodingDirection') ?? '';
  if (direction.startsWith('COL')) return 'rows';
  return direction.startsWith('ROW') ? 'columns' : undefined;
}

/**
 * As BIDS says it, in voxel indices of the NIfTI file, where rows are written from the bottom up; without a sign when the
 * header does not tell it.
 */
export function phaseEncoding(header: DataSet): { readonly direction: string; readonly isSigned: boolean } | undefined {
  const axis = encodingAxis(header);
  if (axis === undefined) return undefined;
  const isPositive = isPhaseEncodingPositive(header) ?? isGeTopDown(header);
  if (isPositive === undefined) return { direction: axis === 'rows' ? 'j' : 'i', isSigned: false };
  if (axis === 'rows') return { direction: isPositive ? 'j-' : 'j', isSigned: true };
  return { direction: isPositive ? 'i' : 'i-', isSigned: true };
}
