/** The attributes that say a data set was de-identified, how, and by which options (PS3.15 Section E.1.1, PS3.16 CID 7050). */
import { latin1 } from '../../core/dicom/character-sets.ts';
import type { Element, Encoding, Item } from '../../core/dicom/element.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { withoutTrailingPadding } from '../../core/padding.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { Plan } from './plan.ts';
import { PROFILE_OPTIONS } from './policy.ts';
import { METHOD_MEANINGS } from './tables.ts';

const BASIC_PROFILE_CODE = '113100';

/** In ascending order, all at the top level. */
export const MARKER_TAGS: readonly number[] = [
  TAG.PatientIdentityRemoved,
  TAG.DeidentificationMethod,
  TAG.DeidentificationMethodCodeSequence,
  TAG.LongitudinalTemporalInformationModified,
];

/**
 * Value of (0012,0063): the hash of the plan, and profile with edition. PS3.5 allows 64 characters a value, which the hash
 * has: last it would be padded to 65, and programs that count padding complain of every instance.
 */
function methodValues(plan: Plan): readonly string[] {
  return [plan.hash, `Basic Application Level Confidentiality Profile, ${plan.edition}`];
}

/** (0028,0303): PS3.3 Section C.12.1. */
export function temporalInformation(plan: Plan): 'REMOVED' | 'MODIFIED' | 'UNMODIFIED' {
  if (plan.options.includes('retain-longitudinal-full-dates')) return 'UNMODIFIED';
  return plan.options.includes('retain-longitudinal-modified-dates') ? 'MODIFIED' : 'REMOVED';
}

/** Codes of profile and options, ascending. */
export function methodCodes(plan: Plan): readonly string[] {
  return [BASIC_PROFILE_CODE, ...plan.options.map((option) => PROFILE_OPTIONS[option].code)].toSorted();
}

/**
 * The value of (0012,0063), added to what is there already.
 *
 * @param existing - bytes in the data set's own character set: they stay as they are
 */
export function methodBytes(plan: Plan, existing: Uint8Array | undefined): Uint8Array {
  const ours = methodValues(plan);
  const before = existing === undefined ? '' : withoutTrailingPadding(latin1(existing));
  const missing = ours.filter((value) => !before.split('\\').includes(value));
  return Buffer.from([...(before === '' ? [] : [before]), ...missing].join('\\'), 'latin1');
}

/** What a value of (0012,0063) says besides what `methodBytes` added. */
export function methodBefore(plan: Plan, value: Uint8Array): Uint8Array {
  const ours = methodValues(plan);
  const values = withoutTrailingPadding(latin1(value)).split('\\');
  return Buffer.from(values.filter((one) => !ours.includes(one)).join('\\'), 'latin1');
}

/** Writes the items of (0012,0064) that `existing` has not. */
export function writeMethodCodes(
  writer: ByteWriter,
  plan: Plan,
  existing: ReadonlySet<string>,
  encoding: Encoding,
): void {
  for (const code of methodCodes(plan)) {
    if (existing.has(code)) continue;
    const item = writer.open(TAG.Item, undefined, false, encoding);
    writer.element(TAG.CodeValue, 'SH', code, encoding);
    writer.element(TAG.CodingSchemeDesignator, 'SH', 'DCM', encoding);
    writer.element(TAG.CodeMeaning, 'LO', METHOD_MEANINGS.get(code) ?? code, encoding);
    writer.close(item, TAG.ItemDelimitationItem);
  }
}

/**
 * True for an item that says what `writeMethodCodes` writes and nothing else. It is not searched: 113100 is the time of
 * day at which somebody was scanned, too, and every output has it.
 */
export function isMethodCode({ elements }: Item): boolean {
  const [value, scheme, meaning, more] = elements;
  if (value?.tag !== TAG.CodeValue || scheme?.tag !== TAG.CodingSchemeDesignator || more !== undefined) return false;
  const text = (element: Element) => withoutTrailingPadding(latin1(element.value));
  const expected = METHOD_MEANINGS.get(text(value));
  return text(scheme) === 'DCM' && meaning?.tag === TAG.CodeMeaning && text(meaning) === expected;
}

/** Codes of the scheme DCM in the items of a (0012,0064) that was there before. */
export function existingCodes(element: Element | undefined): ReadonlySet<string> {
  const codes = new Set<string>();
  for (const item of element?.items ?? []) {
    const text = (tag: number) => {
      const found = item.elements.find((one) => one.tag === tag);
      return found === undefined ? '' : withoutTrailingPadding(latin1(found.value));
    };
    if (text(TAG.CodingSchemeDesignator) === 'DCM') codes.add(text(TAG.CodeValue));
  }
  return codes;
}
