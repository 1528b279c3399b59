/** What becomes of one value under one action: bytes in, bytes out, no structure. */
import { latin1 } from '../../core/dicom/character-sets.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { withoutTrailingPadding } from '../../core/padding.ts';
import { shiftDate, shiftDateTime } from './dates.ts';
import { isRegisteredUid } from './tables.ts';

/** UIDs that name classes and encodings, private ones included: they say what a thing is, not which. */
const CLASS_UID_TAGS = new Set<number>([
  TAG.SOPClassUID,
  TAG.RelatedGeneralSOPClassUID,
  TAG.OriginalSpecializedSOPClassUID,
  TAG.SOPClassesInStudy,
  TAG.ReferencedSOPClassUID,
  TAG.SOPClassesSupported,
  TAG.AvailableTransferSyntaxUID,
  TAG.MACCalculationTransferSyntaxUID,
  TAG.EncryptedContentTransferSyntaxUID,
  TAG.PertinentSOPClassesInStudy,
  TAG.PertinentSOPClassesInSeries,
]);

/** Code systems registered with HL7: they name a vocabulary. */
const CODE_SYSTEM = /^2\.16\.840\.1\.113883\.6\.\d+$/;

/** True when the UID is to be replaced. */
export function isInstanceUid(tag: number, uid: string): boolean {
  return uid !== '' && !CLASS_UID_TAGS.has(tag) && !isRegisteredUid(uid) && !CODE_SYSTEM.test(uid);
}

/** The values of a UI element; padding is NUL, in some files a space. */
export function uidValues(value: Uint8Array): readonly string[] {
  return latin1(value)
    .split('\\')
    .map((uid) => uid.replaceAll('\0', ' ').trim());
}

/** `undefined` when it cannot be shifted by its VR: it is no date, or has no day that could move. */
export function shiftedValue(vr: string, value: Uint8Array, days: number): string | undefined {
  const values = withoutTrailingPadding(latin1(value)).split('\\');
  switch (vr) {
    case 'DA':
      return allShifted(values, (one) => shiftDate(one, days));
    case 'DT':
      return allShifted(values, (one) => shiftDateTime(one, days));
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

function allShifted(values: readonly string[], shift: (value: string) => string): string | undefined {
  const shifted = values.map((one) => (one.trim() === '' ? '' : shift(one)));
  return shifted.some((one, index) => one === '' && values[index]?.trim() !== '') ? undefined : shifted.join('\\');
}
