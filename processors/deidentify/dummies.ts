/** Values that say nothing and are legal for their VR (PS3.15 Table E.1-1a, D). */

const TEXT = 'REMOVED';
const DUMMIES: Readonly<Record<string, string>> = {
  AE: 'REMOVED',
  AS: '000Y',
  CS: 'REMOVED',
  DA: '20000101',
  DS: '0',
  DT: '20000101000000',
  IS: '0',
  LO: TEXT,
  LT: TEXT,
  PN: 'REMOVED',
  SH: TEXT,
  ST: TEXT,
  TM: '000000',
  UC: TEXT,
  UR: 'urn:removed',
  UT: TEXT,
};

/** Attributes whose values are enumerated. */
const BY_KEYWORD: Readonly<Record<string, string>> = {
  // PS3.3 Section C.12.1.1.9
  ReasonForTheAttributeModification: 'CORRECT',
};

/** The dummy value's bytes; two zero bytes for a VR that is not text. */
export function dummyFor(vr: string, keyword: string): string | Uint8Array {
  const text = (Object.hasOwn(BY_KEYWORD, keyword) ? BY_KEYWORD[keyword] : undefined) ?? DUMMIES[vr];
  return text ?? new Uint8Array(vr === 'UL' || vr === 'SL' || vr === 'FL' || vr === 'AT' ? 4 : vr === 'FD' ? 8 : 2);
}

/** What stands where a removed value was repeated: text says so, as the attribute may be required; the rest is empty. */
export function blankFor(vr: string): string {
  return vr === 'DS' || vr === 'IS' ? '' : (DUMMIES[vr] ?? '');
}

/** True for a value this module makes: finding it in the output proves nothing. */
export function isDummy(value: string): boolean {
  return dummyValues.has(value);
}

const dummyValues = new Set(
  [...Object.values(DUMMIES), ...Object.values(BY_KEYWORD)].map((value) => value.toLowerCase()),
);
