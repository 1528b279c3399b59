/** Where something can be planted: the rows of Table E.1-1 that are one tag, and all that PS3.6 has and the table has not. */
import type { SampleElement } from '../dicom-samples.ts';
import { allTags, keywordOf, vrOf } from '../../../core/dicom/dictionary.ts';
import { TABLE_ROWS } from './expectation.ts';

/** What decides whether and how a file is read at all, and what the walk itself writes. */
export const NOT_PLANTED =
  /^(?:SpecificCharacterSet|ImageType|ConversionType|BurnedInAnnotation|Modality|.*PixelData|EncapsulatedDocument|NumberOfFrames|InstanceNumber|PixelRepresentation|PatientIdentityRemoved|DeidentificationMethod.*|LongitudinalTemporalInformationModified|PatientSpecies.*|.*SOPClass.*|.*TransferSyntaxUID|MappingResource(?:UID|Name)|ResponsiblePersonRole|ItemDelimitationItem|Item|SequenceDelimitationItem)$/;

export const SINGLE_ROWS = TABLE_ROWS.filter(({ tag }) => /^[0-9A-F]{8}$/.test(tag) && !/^(?:000[024]|FFF)/.test(tag));
const listedTags = new Set(SINGLE_ROWS.map(({ tag }) => Number.parseInt(tag, 16)));
const UNLISTED = allTags()
  .filter((tag) => tag >= 0x00080000 && tag < 0x50000000 && (tag & 0xffff) !== 0)
  .filter((tag) => !listedTags.has(tag) && !NOT_PLANTED.test(keywordOf(tag) ?? ''))
  .map((tag) => ({ tag, vr: vrOf(tag) ?? 'UN' }))
  .toSorted((one, other) => one.tag - other.tag);
export const UNLISTED_LEAVES = UNLISTED.filter(({ vr }) => vr !== 'SQ' && vr !== 'UN');
export const UNLISTED_SEQUENCES = UNLISTED.filter(({ vr, tag }) => vr === 'SQ' && tag >>> 16 !== 0x0072);
/** Where an identifier can be repeated in full. */
export const TEXTS = UNLISTED_LEAVES.filter(({ vr }) => /^(?:LO|LT|SH|ST|UC|UT|UR|CS|OB)$/.test(vr));

/** As tags stand in a path. */
export function hex(tag: number): string {
  return tag.toString(16).toUpperCase().padStart(8, '0');
}

export function byTag(one: SampleElement, other: SampleElement): number {
  return one.tag - other.tag;
}
