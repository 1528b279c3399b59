/** What becomes of one value under one action: bytes in, bytes out, no structure. */
import { latin1 } from '../../core/dicom/character-sets.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { withoutTrailingPadding } from '../../core/padding.ts';
import { shiftDate, shiftDateTime } from './dates.ts';
import { isSafeToken, tokensOf } from './safe-words.ts';
import { isRegisteredUid } from './tables.ts';

/** UIDs that name classes and encodings, private ones included: they say what a thing is, not which. */
const CLASS_UID_TAGS = new Set<number>([
  TAG.SOPClassUID,
  TAG.RelatedGeneralSOPClassUID,
  TAG.OriginalSpecializedSOPClassUID,
  TAG.SOPClassesInStudy,
  TAG.StoredInstanceTransferSyntaxUID,
  TAG.ReferencedSOPClassUID,
  TAG.SOPClassesSupported,
  TAG.AvailableTransferSyntaxUID,
  TAG.FlowTransferSyntaxUID,
  TAG.MACCalculationTransferSyntaxUID,
  TAG.EncryptedContentTransferSyntaxUID,
  TAG.PertinentSOPClassesInStudy,
  TAG.PertinentSOPClassesInSeries,
]);

/** True when the UID is to be replaced. */
export function isInstanceUid(tag: number, uid: string): boolean {
  return uid !== '' && !CLASS_UID_TAGS.has(tag) && !isRegisteredUid(uid);
}

/** The values of a UI element; padding is NUL, in some files a space. */
export function uidValues(value: Uint8Array): readonly string[] {
  return latin1(value)
    .split('\\')
    .map((uid) => uid.replaceAll('\0', ' ').trim());
}

/** `undefined` when the value cannot be shifted by its VR: it is no date. */
export function shiftedValue(vr: string, value: Uint8Array, days: number): string | undefined {
  const values = withoutTrailingPadding(latin1(value)).split('\\');
  switch (vr) {
    case 'DA':
      return values.map((one) => shiftDate(one, days)).join('\\');
    case 'DT':
      return values.map((one) => shiftDateTime(one, days)).join('\\');
    case 'TM':
      // Time of day stays: the shift is of whole days.
      return values.every((one) => /^[\d:.\- ]*$/.test(one)) ? values.join('\\') : undefined;
    case 'SH':
      // Timezone Offset From UTC (0008,0201)
      return values.every((one) => /^[+-]\d{4}$/.test(one.trim())) ? values.join('\\') : undefined;
    default:
      return undefined;
  }
}

/** A description with only its safe words left, none of them part of the patient's own identifiers. */
export function cleanedText(text: string, ownTokens: ReadonlySet<string>): string {
  return tokensOf(text)
    .filter((token) => isSafeToken(token) && !ownTokens.has(token))
    .join(' ');
}
