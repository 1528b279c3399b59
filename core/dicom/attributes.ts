/** The header's values by keyword, as route rules and QIDO-RS ask for them. */
import type { DataSet } from './data-set.ts';
import { isPrivate, keywordOf } from './dictionary.ts';
import { numbersOf } from './data-set.ts';

/** Values by PS3.6 keyword, as text, in the order they stand in. */
export type HeaderAttributes = Readonly<Record<string, readonly string[]>>;

/** Longer values are no use for routing and would be copied into every row. */
const VALUE_LIMIT = 256;
const NUMBER_VRS = new Set(['US', 'SS', 'UL', 'SL', 'FL', 'FD', 'UV', 'SV']);
const NUMBERS_LIMIT = 16;

/** The top-level standard attributes that have text or numbers, none longer than 256 characters; no sequences, no bulk. */
export function headerAttributes(dataSet: DataSet): HeaderAttributes {
  const attributes: Record<string, readonly string[]> = {};
  const { elements, encoding } = dataSet.item;
  for (const element of elements) {
    const { tag, vr } = element;
    if (isPrivate(tag) || element.valueEnd - element.valueStart > VALUE_LIMIT * 4) continue;
    const keyword = keywordOf(tag);
    if (keyword === undefined || Object.hasOwn(attributes, keyword)) continue;
    const values = NUMBER_VRS.has(vr)
      ? numbersOf(element, encoding.bigEndian).slice(0, NUMBERS_LIMIT).map(String)
      : dataSet.textValues(element);
    if (values.length > 0 && values.every((value) => value.length <= VALUE_LIMIT)) attributes[keyword] = values;
  }
  return attributes;
}
