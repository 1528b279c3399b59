/**
 * GE's protocol data block (0025,xx1B) is a whole protocol, names and dates in it, so it is never copied. What functional
 * analysis needs of it is read and written elsewhere: the order of the slices into a block of our own, for the maker
 * writes it nowhere else, and the order of the lines of phase into the attribute of the standard that others read, too.
 */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { GE_NUMBERS, geSliceOrder, isGeTopDown } from '../volumes/ge-protocol.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import type { CsaValue } from './csa-header.ts';
import type { AttributeChange } from './pixels/cleaning.ts';

export function geValues(dataSet: DataSet): readonly CsaValue[] {
  const order = geSliceOrder(dataSet);
  if (order === undefined) return [];
  const { creator, group, sliceOrder: element } = GE_NUMBERS;
  const target = { creator, group, preferredBlock: 0x10 };
  return [{ target, element, vr: 'IS', values: [order === 'interleaved' ? '1' : '0'] }];
}

/** Attributes of the standard; none that the instance has, and none unless the policy keeps the order of the slices. */
export function geAttributes(dataSet: DataSet, plan: CompiledPlan): readonly AttributeChange[] {
  const { creator, group, sliceOrder } = GE_NUMBERS;
  if (plan.privateRule(creator, group, sliceOrder) === undefined) return [];
  if (dataSet.has('RectilinearPhaseEncodeReordering')) return [];
  const isTopDown = isGeTopDown(dataSet);
  if (isTopDown === undefined) return [];
  const value = isTopDown ? 'REVERSE_LINEAR' : 'LINEAR';
  return [{ tag: TAG.RectilinearPhaseEncodeReordering, vr: 'CS', value }];
}
