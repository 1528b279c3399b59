/** Numbers in makers' private elements, which implicit VR and many archives hand on as UN. */
import { numbersOf, type DataSet } from '../../core/dicom/data-set.ts';
import { latin1 } from '../../core/dicom/character-sets.ts';

/** Where a maker writes something: its name for the block, the group, the low byte of the element number, and the VR it has there. */
export interface PrivatePlace {
  readonly creator: string;
  readonly group: number;
  readonly element: number;
  readonly vr: string;
}

/** All values; empty when it is absent. */
export function privateNumbers(dataSet: DataSet, { creator, group, element, vr }: PrivatePlace): readonly number[] {
  const found = dataSet.privateElement(creator, group, element);
  if (found === undefined) return [];
  const isUnknown = found.vr === 'UN' || found.vr === 'OB';
  return numbersOf({ vr: isUnknown ? vr : found.vr, value: found.value }, dataSet.item.encoding.bigEndian);
}

/** The first value when it is a finite number. */
export function privateNumber(dataSet: DataSet, place: PrivatePlace): number | undefined {
  const value = privateNumbers(dataSet, place)[0];
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}

/** Trimmed; `undefined` when absent or empty. */
export function privateText(dataSet: DataSet, { creator, group, element }: PrivatePlace): string | undefined {
  const found = dataSet.privateElement(creator, group, element);
  const text = found === undefined ? '' : latin1(found.value).replaceAll('\0', ' ').trim();
  return text === '' ? undefined : text;
}
