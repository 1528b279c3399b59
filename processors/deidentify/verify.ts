/**
 * The proof: the output is parsed again by itself and searched for every value that was removed or changed. Numbers and
 * pixels aside, every byte of every value is looked at: decoded by its character set, case folded, without the zero
 * bytes of wide characters.
 */
import { latin1 } from '../../core/dicom/character-sets.ts';
import { isPrivate } from '../../core/dicom/dictionary.ts';
import type { Element, Encoding, Item } from '../../core/dicom/element.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { walk } from '../../core/dicom/walker.ts';
import { withoutTrailingPadding } from '../../core/padding.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import { Haystack } from './haystack.ts';
import { methodCodes, temporalInformation, existingCodes } from './markers.ts';
import type { ElementPath } from './scope.ts';
import type { StudyMemory } from './study-memory.ts';

export interface Finding {
  readonly path: ElementPath;
  readonly tag: number;
  /** Of the table, or a marker: emptying it would break the profile's own action, so the study is held. */
  readonly isListed: boolean;
}

export interface Verification {
  readonly findings: readonly Finding[];
  /** What is wrong with the output itself; fixed words. Never to be released. */
  readonly faults: readonly string[];
  /** Bytes of values that were searched. */
  readonly searchedBytes: number;
}

/**
 * @param dataSet - the rewritten data set up to the pixel data
 * @param memory - shared by the instances of a study; it knows what was removed from this one
 */
export function verifyOutput(
  dataSet: Uint8Array,
  encoding: Encoding,
  plan: CompiledPlan,
  memory: StudyMemory,
): Verification {
  const { root, end } = walk(dataSet, encoding);
  const haystack = new Haystack(dataSet, root, plan, memory);
  const faults = [...haystack.faults, ...markerFaults(root, plan)];
  if (end !== dataSet.length) faults.push('bytes behind the last element');
  if (memory.secrets.isOverflown) faults.push('too many values to search for');
  const hits = haystack.search();
  return {
    findings: hits.map((element) => findingOf(root, element, plan)),
    faults,
    searchedBytes: haystack.searchedBytes,
  };
}

function findingOf(root: Item, element: Element, plan: CompiledPlan): Finding {
  return {
    path: pathTo(root, element) ?? '',
    tag: element.tag,
    // Without its character sets nobody can read a data set.
    isListed:
      (plan.action(element.tag)?.isOfTable === true && !isPrivate(element.tag)) ||
      element.tag === TAG.SpecificCharacterSet,
  };
}

function pathTo(item: Item, wanted: Element): ElementPath | undefined {
  for (const element of item.elements) {
    const name = element.tag.toString(16).toUpperCase().padStart(8, '0');
    if (element === wanted) return name;
    if (element.items === undefined || wanted.start < element.start || wanted.start >= element.end) continue;
    for (const [index, inner] of element.items.entries()) {
      const path = pathTo(inner, wanted);
      if (path !== undefined) return `${name}/${index}/${path}`;
    }
  }
  return undefined;
}

function markerFaults(root: Item, { plan }: CompiledPlan): readonly string[] {
  const text = (tag: number) => {
    const element = root.elements.find((one) => one.tag === tag);
    return element === undefined ? '' : withoutTrailingPadding(latin1(element.value));
  };
  const codes = existingCodes(root.elements.find(({ tag }) => tag === TAG.DeidentificationMethodCodeSequence));
  const isMarked =
    text(TAG.PatientIdentityRemoved) === 'YES' &&
    text(TAG.DeidentificationMethod).split('\\').includes(plan.hash) &&
    text(TAG.LongitudinalTemporalInformationModified) === temporalInformation(plan) &&
    methodCodes(plan).every((code) => codes.has(code));
  return isMarked ? [] : ['the markers are not all there'];
}
