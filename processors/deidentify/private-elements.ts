/** Which private elements of one data set or item may stay (PS3.15 Section E.3.10). */
import { latin1 } from '../../core/dicom/character-sets.ts';
import { isPrivate } from '../../core/dicom/dictionary.ts';
import type { Element, Item } from '../../core/dicom/element.ts';
import { withoutPadding } from '../../core/padding.ts';
import type { CompiledPlan, CompiledPrivateRule } from './compiled-plan.ts';
import { isSafeText } from './safe-words.ts';

export interface KeptPrivate {
  /** Elements to keep, and the Private Creators of their blocks. */
  readonly elements: ReadonlyMap<Element, string>;
}

const SHORTEST_TEXT_IN_NUMBERS = 8;
const ITEM = [0xfe, 0xff, 0x00, 0xe0];
const NOTHING: KeptPrivate = { elements: new Map() };
const SIZES: Readonly<Record<string, number>> = { US: 2, SS: 2, UL: 4, SL: 4, FL: 4, FD: 8, UV: 8, SV: 8 };

/** Finds them by the creator that reserved the block in this very item: the same tag means another thing in the next. */
export function keptPrivate(item: Item, plan: CompiledPlan): KeptPrivate {
  if (!plan.hasPrivateRules) return NOTHING;
  const creators = new Map<number, { readonly element: Element; readonly name: string }>();
  const elements = new Map<Element, string>();
  for (const element of item.elements) {
    if (!isPrivate(element.tag)) continue;
    const group = element.tag >>> 16;
    const low = element.tag & 0xffff;
    if (low >= 0x10 && low <= 0xff) {
      creators.set(group * 0x100 + low, { element, name: latin1(element.value).replaceAll('\0', ' ').trim() });
      continue;
    }
    const creator = creators.get(group * 0x100 + (low >>> 8));
    if (creator === undefined) continue;
    const rule = plan.privateRule(creator.name, group, low & 0xff);
    if (rule === undefined || !mayStay(element, rule)) continue;
    elements.set(creator.element, '');
    elements.set(element, `(${hex(group, 4)},"${creator.name}",${hex(low & 0xff, 2)})`);
  }
  return { elements };
}

/** The value must be what the rule says it is; in implicit VR, where nobody says, its form has to fit. */
function mayStay(element: Element, rule: CompiledPrivateRule): boolean {
  if (rule.vr === 'SQ') return element.items !== undefined;
  if (element.vr !== rule.vr && !(element.vr === 'UN' && element.encodedVr === undefined)) return false;
  const size = SIZES[rule.vr];
  if (size !== undefined && element.value.length % size !== 0) return false;
  if (size !== undefined && rule.expression === undefined) return !looksLikeText(element.value);
  // A pattern on binary numbers has nothing to match: the element goes.
  if (size !== undefined) return false;
  const values = latin1(element.value)
    .split('\\')
    .map((value) => withoutPadding(value));
  const isSafe = (value: string) => rule.isSafeTextOnly !== true || value === '' || isSafeText(value);
  return values.every(
    (value) => hasForm(rule.vr, value) && !isDay(value) && isSafe(value) && (rule.expression?.test(value) ?? true),
  );
}

/**
 * True for bytes that somebody wrote: numbers in bytes are letters and digits throughout by no chance worth naming. In
 * implicit VR a private text says nowhere that it is one.
 */
function looksLikeText(value: Uint8Array): boolean {
  if (value.length < SHORTEST_TEXT_IN_NUMBERS) return false;
  // The first item of a sequence.
  if (ITEM.every((byte, index) => value[index] === byte)) return true;
  const isLong = value.length >= 2 * SHORTEST_TEXT_IN_NUMBERS;
  const text = latin1(value).replace(/[ \0]+$/, '');
  return text.length >= value.length - 8 && (isLong ? /^[\x20-\x7e]{8,}$/ : /^[\w .^-]{4,}$/).test(text);
}

/** A day written as a number moves with no other. */
function isDay(value: string): boolean {
  return /^(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$/.test(value);
}

function hasForm(vr: string, value: string): boolean {
  switch (vr) {
    case 'DS':
      return /^(?:[+-]?[\d.]+(?:[eE][+-]?\d+)?)?$/.test(value) && value.length <= 16;
    case 'IS':
      return /^[+-]?\d{0,12}$/.test(value);
    case 'CS':
      return /^[A-Z0-9 _]{0,16}$/.test(value);
    default:
      return true;
  }
}

function hex(number: number, digits: number): string {
  return number.toString(16).toUpperCase().padStart(digits, '0');
}
