/** Clean Descriptors (PS3.15 Section E.3.5): of what people wrote, the words that identify nobody, as they were written. */
import type { Item } from '../../core/dicom/element.ts';
import { latin1 } from '../../core/dicom/character-sets.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { withoutPadding } from '../../core/padding.ts';
import { isSafeWord } from './safe-words.ts';

/** Texts: of anything else no words can be kept. */
export const CLEANED_VRS: ReadonlySet<string> = new Set(['CS', 'LO', 'LT', 'SH', 'ST', 'UC', 'UT']);

/** PS3.5 Table 6.2-1, in characters; of texts without a limit here, the beginning. */
const LENGTHS: Readonly<Record<string, number>> = { SH: 16, CS: 16, LO: 64, ST: 1024 };
const LONGEST = 10_240;

/** Words, and numbers with their decimals and unit. */
const TOKEN = /\d+(?:\.\d+)?\p{L}*(?:[x×]\d+(?:\.\d+)?\p{L}*)*|[\p{L}\p{N}]+/gu;
/** `3mm`, `1.5T`, `3x3x4mm`, `90deg`: a number says something harmless with its unit, and nobody knows what without. */
const MEASURE =
  /^\d{1,4}(?:\.\d{1,4})?(?:[x×]\d{1,4}(?:\.\d{1,4})?){0,3}(?:mm|cm|um|µm|ms|s|sec|min|t|hz|khz|mhz|deg|°|x|d|ch|sl|dir|dirs|pct|%)$/i;
const SIZE = /^\d{1,4}(?:\.\d{1,4})?(?:[x×]\d{1,4}(?:\.\d{1,4})?){1,3}$/;
/** `TE 90`, `b=1000`, `p2`. */
const PARAMETER = /^(?:b|te|tr|ti|fa|pat|grappa|ipat|mb|nex|avg|ave|matrix|shots|etl)$/i;
const PARAMETER_VALUE = /^(?:b|te|tr|ti|fa|p|s|mb|ch)\d{1,4}$/i;
/** Left, right, anterior, posterior, superior, inferior, head, foot. */
const DIRECTION = /^[LRAPSIHF]$/;
const PLAIN_NUMBER = /^\d{1,4}(?:\.\d{1,3})?$/;

/**
 * @param ownTokens - words of the instance's own identifiers, in lower case: not even a sequence's name stays if it is one
 * @returns the value with only its harmless words, unchanged when all of them are; empty when none is
 */
export function cleanedText(text: string, ownTokens: ReadonlySet<string>, vr: string): string {
  const isSplit = vr === 'LO' || vr === 'SH' || vr === 'CS' || vr === 'UC';
  const values = isSplit ? text.split('\\') : [text];
  const cleaned = values.map((value) =>
    cleanedValue(value, ownTokens)
      .slice(0, LENGTHS[vr] ?? LONGEST)
      .trim(),
  );
  return cleaned.every((value) => value === '') ? '' : cleaned.join('\\');
}

function cleanedValue(value: string, ownTokens: ReadonlySet<string>): string {
  let cleaned = '';
  let keptEnd = -1;
  let before = '';
  let isWhole = true;
  for (const match of value.matchAll(TOKEN)) {
    const [token] = match;
    const lower = token.toLowerCase();
    const isHarmless =
      !ownTokens.has(lower) &&
      (isSafeWord(lower) ||
        DIRECTION.test(token) ||
        isMeasure(token) ||
        (PARAMETER.test(before) && PLAIN_NUMBER.test(token)));
    before = token;
    isWhole &&= isHarmless;
    if (!isHarmless) continue;
    const between = keptEnd < 0 ? '' : value.slice(keptEnd, match.index);
    // What stood between two words stays while it is no more than punctuation.
    cleaned += (keptEnd >= 0 && /[\p{L}\p{N}]/u.test(between) ? ' ' : asciiOnly(between)) + token;
    keptEnd = match.index + token.length;
  }
  // Brackets and quotes around harmless words are harmless.
  return isWhole && cleaned !== '' ? asciiOnly(value) : cleaned;
}

function isMeasure(token: string): boolean {
  return MEASURE.test(token) || SIZE.test(token) || PARAMETER_VALUE.test(token);
}

/** What is written is written in ASCII, whatever the character set. */
function asciiOnly(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, ' ');
}

/** Schemes whose codes mean the same to everybody (PS3.16 Section 8), and the form of their codes. */
const PUBLIC_CODES: Readonly<Record<string, RegExp>> = {
  DCM: /^\d{5,6}$/,
  SCT: /^\d{6,18}$/,
  SRT: /^[A-Z]{1,2}-[0-9A-F]{4,6}$/,
  SNM3: /^[A-Z]{1,2}-[0-9A-F]{4,6}$/,
  LN: /^\d{1,7}-\d$/,
  UCUM: /^[^\s\\]{1,16}$/,
  RADLEX: /^RID\d{1,7}$/,
  FMA: /^\d{1,7}$/,
  NCIt: /^C\d{3,7}$/,
  UMLS: /^C\d{7}$/,
  I10: /^[A-Z]\d{2}(?:\.\d{1,4})?$/,
  I10C: /^[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?$/,
  I9C: /^[EV]?\d{3}(?:\.\d{1,2})?$/,
  C4: /^\d{5}$/,
};

/** True for an item of a code sequence whose code is one of a public scheme: it says what, not who. */
export function isPublicCode(item: Item): boolean {
  const text = (tag: number) => {
    const element = item.elements.find((one) => one.tag === tag);
    return element === undefined ? '' : withoutPadding(latin1(element.value));
  };
  const scheme = text(TAG.CodingSchemeDesignator);
  const form = Object.hasOwn(PUBLIC_CODES, scheme) ? PUBLIC_CODES[scheme] : undefined;
  return form?.test(text(TAG.CodeValue)) === true && text(TAG.CodeMeaning).length <= 64;
}
