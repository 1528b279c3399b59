/**
 * Clean Structured Content (PS3.15 Section E.3.4): what becomes of one content item, by its concept name and Table
 * E.3.4-1. Concepts the table does not list keep what is coded, measured or referenced, and their texts are cleaned.
 */
import { latin1 } from '../../core/dicom/character-sets.ts';
import type { Element, Item } from '../../core/dicom/element.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { withoutPadding } from '../../core/padding.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import { PROFILE_OPTIONS } from './policy.ts';
import type { ProfileOption } from './policy.ts';
import { STRUCTURED_CONTENT_ROWS } from './tables.ts';
import type { StructuredContentRow } from './tables.ts';

/** - `remove`: the item with all below it; `replace`: its value; `shift`: a date; `clean`: a text; `keep`: as it is */
export type ContentAction = 'remove' | 'replace' | 'shift' | 'clean' | 'keep';

const rows = new Map(STRUCTURED_CONTENT_ROWS.map((row) => [`${row.scheme}/${row.code}/${row.valueType}`, row]));

/** @returns `undefined` for an item that is no content item: it has no concept name */
export function contentAction(item: Item, plan: CompiledPlan): ContentAction | undefined {
  const names = find(item, TAG.ConceptNameCodeSequence)?.items;
  const valueType = text(item, TAG.ValueType);
  if (names === undefined && valueType === '') return undefined;
  const [name] = names ?? [];
  const code = name === undefined ? '' : text(name, TAG.CodeValue) || text(name, TAG.LongCodeValue);
  const scheme = name === undefined ? '' : text(name, TAG.CodingSchemeDesignator);
  // Acquisition context and annotations state no value type: what stands in the item says it.
  const kind = valueType === '' ? valueTypeOf(item) : valueType;
  const row = rows.get(`${scheme}/${code}/${kind}`);
  return row === undefined ? byValueType(kind, plan) : byRow(row, plan);
}

/** True when an item points at another one by its place in the tree: then no item may go, or all places change. */
export function hasReferencesByPlace(item: Item): boolean {
  return item.elements.some(
    ({ tag, items }) =>
      tag === TAG.ReferencedContentItemIdentifier || (items ?? []).some((inner) => hasReferencesByPlace(inner)),
  );
}

function byRow(row: StructuredContentRow, plan: CompiledPlan): ContentAction {
  const says = (code: 'K' | 'C', option: ProfileOption) => {
    const { column } = PROFILE_OPTIONS[option];
    return plan.has(option) && column !== undefined && row.options[column] === code;
  };
  if (says('C', 'retain-longitudinal-modified-dates')) return 'shift';
  if (plan.plan.options.some((option) => says('K', option))) return 'keep';
  if (says('C', 'clean-descriptors')) return 'clean';
  // X/D: whether a template demands the item nobody says; its presence is kept, its value is not.
  return row.basic === 'X' ? 'remove' : 'replace';
}

function byValueType(valueType: string, plan: CompiledPlan): ContentAction {
  switch (valueType) {
    case 'TEXT':
      return 'clean';
    case 'PNAME':
      return 'replace';
    case 'DATE':
    case 'TIME':
    case 'DATETIME':
      if (plan.has('retain-longitudinal-full-dates')) return 'keep';
      return plan.has('retain-longitudinal-modified-dates') ? 'shift' : 'replace';
    default:
      return 'keep';
  }
}

function valueTypeOf(item: Item): string {
  const values: readonly (readonly [number, string])[] = [
    [TAG.TextValue, 'TEXT'],
    [TAG.PersonName, 'PNAME'],
    [TAG.Date, 'DATE'],
    [TAG.Time, 'TIME'],
    [TAG.DateTime, 'DATETIME'],
    [TAG.UID, 'UIDREF'],
    [TAG.ConceptCodeSequence, 'CODE'],
    [TAG.NumericValue, 'NUM'],
  ];
  return values.find(([tag]) => find(item, tag) !== undefined)?.[1] ?? '';
}

function find(item: Item, tag: number): Element | undefined {
  return item.elements.find((one) => one.tag === tag);
}

function text(item: Item, tag: number): string {
  const element = find(item, tag);
  return element === undefined ? '' : withoutPadding(latin1(element.value));
}
