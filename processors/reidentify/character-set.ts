/** How the text of an original and that of a returned object come to stand in one data set (PS3.3 Section C.12.1.1.2). */
import { decodeText, latin1 } from '../../core/dicom/character-sets.ts';
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { Item } from '../../core/dicom/element.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { HubError } from '../../core/errors.ts';

/** PS3.5 Section 6.1.2.3: the VRs Specific Character Set applies to. */
const TEXT_VRS = new Set(['LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UT']);
const UTF_8 = 'ISO_IR 192';

/**
 * - `as-is`: both can stand beside each other, byte for byte
 * - `original`: the object has ASCII only, and takes the original's set
 * - `utf-8`: both are written anew
 */
export type TextMode = 'as-is' | 'original' | 'utf-8';

/** @param added - further text of the original that is put in */
export function textModeOf(object: DataSet, original: DataSet, added: Iterable<string>): TextMode {
  for (const text of added) if (!isAscii(text)) return 'utf-8';
  if (isAsciiOnly(original.item)) return 'as-is';
  if (object.characterSets.join('\\') === original.characterSets.join('\\')) return 'as-is';
  return isAsciiOnly(object.item) ? 'original' : 'utf-8';
}

/** Specific Character Set (0008,0005) of the result; undefined: the object's own stays. */
export function characterSetOf(mode: TextMode, original: DataSet): string | undefined {
  switch (mode) {
    case 'as-is':
      return undefined;
    case 'original':
      return original.characterSets.join('\\');
    case 'utf-8':
      return UTF_8;
    default:
      return mode satisfies never;
  }
}

/** @throws {HubError} `return.refused` when it has bytes that its character set does not have */
export function inUtf8(vr: string, value: Uint8Array, characterSets: readonly string[]): Uint8Array {
  if (!TEXT_VRS.has(vr) || isAscii(latin1(value))) return value;
  const text = decodeText(value, characterSets);
  if (text.includes('\ufffd')) throw new HubError('return.refused', { detail: 'text that its character set has not' });
  return Buffer.from(text, 'utf8');
}

export function isAscii(text: string): boolean {
  return /^[\0-\x1a\x1c-\x7f]*$/.test(text);
}

/** Without items that say their own character set. */
function isAsciiOnly(item: Item): boolean {
  return item.elements.every(({ vr, value, items }) => {
    if (items !== undefined) return items.every((inner) => hasOwnSet(inner) || isAsciiOnly(inner));
    return !TEXT_VRS.has(vr) || isAscii(latin1(value));
  });
}

export function hasOwnSet({ elements }: Item): boolean {
  return elements.some(({ tag }) => tag === TAG.SpecificCharacterSet);
}
