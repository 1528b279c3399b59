/** Person names as they are searched: PS3.4 Section C.2.2.2.1 leaves case to the SCP, and this one does not look at it. */

const GROUPS = 3;

/** Upper and lower case are the same, however accents are composed. */
function foldName(text: string): string {
  return text.normalize('NFC').toLowerCase().normalize('NFC');
}

/**
 * One component group of a name, folded: 0 alphabetic, 1 ideographic, 2 phonetic. Delimiters at its end mean nothing
 * (PS3.5 Section 6.2.1.1). Undefined when the name has none.
 */
export function nameGroup(name: string, group: number): string | undefined {
  const text =
    name
      .split('=', GROUPS)
      [group]?.trim()
      .replace(/[\^ ]+$/, '') ?? '';
  return text === '' ? undefined : foldName(text);
}
