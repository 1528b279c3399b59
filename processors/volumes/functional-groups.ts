/** Attributes that classic instances have at the top and enhanced ones in a macro of their functional groups (PS3.3 Section C.7.6.16). */
import type { DataSet } from '../../core/dicom/data-set.ts';

/** Where the attribute stands: in the data set itself, else in a macro that is shared, else in one of the first frame. */
function holderOf(dataSet: DataSet, keyword: string): DataSet | undefined {
  if (dataSet.has(keyword)) return dataSet;
  for (const groups of ['SharedFunctionalGroupsSequence', 'PerFrameFunctionalGroupsSequence']) {
    const macros = dataSet.items(groups)[0]?.elements.flatMap(({ items }) => items?.slice(0, 1) ?? []) ?? [];
    const holder = macros.find((macro) => macro.has(keyword));
    if (holder !== undefined) return holder;
  }
  return undefined;
}

export const numberOf = (dataSet: DataSet, keyword: string): number | undefined =>
  holderOf(dataSet, keyword)?.number(keyword);

export const numbersOf = (dataSet: DataSet, keyword: string): readonly number[] =>
  holderOf(dataSet, keyword)?.numbers(keyword) ?? [];

export const stringOf = (dataSet: DataSet, keyword: string): string | undefined =>
  holderOf(dataSet, keyword)?.string(keyword);

export const stringsOf = (dataSet: DataSet, keyword: string): readonly string[] =>
  holderOf(dataSet, keyword)
    ?.strings(keyword)
    .filter((value) => value !== '') ?? [];
