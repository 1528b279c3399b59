/** How people and programs write what a data set said: a date in a mail, an ID without its dashes, a name turned round. */

import { isSafeWord } from './safe-words.ts';

const MONTHS = 'january february march april may june july august september october november december'.split(' ');

/** A DA value as the standard, ISO 8601 and people in several countries write it; empty when it is no date. */
export function spellingsOfDate(value: string): readonly string[] {
  const [, year, month, day] = /^(\d{4})(\d{2})(\d{2})$/.exec(value) ?? [];
  const name = MONTHS[Number(month) - 1];
  if (year === undefined || month === undefined || day === undefined || name === undefined) return [];
  const spellings = [value, `${year}-${month}-${day}`, `${year}/${month}/${day}`, `${year}.${month}.${day}`];
  const parts = [
    [day, month],
    [String(Number(day)), String(Number(month))],
  ];
  for (const separator of ['.', '/', '-'])
    for (const [one = '', other = ''] of parts)
      spellings.push([one, other, year].join(separator), [other, one, year].join(separator));
  for (const spelled of [name, name.slice(0, 3)])
    for (const number of [day, String(Number(day))])
      spellings.push(
        ...[`${number} ${spelled} ${year}`, `${number}. ${spelled} ${year}`, `${number}-${spelled}-${year}`],
        ...[`${spelled} ${number}, ${year}`, `${spelled} ${number} ${year}`],
      );
  return spellings;
}

/** A TM value; empty when it is none, or midnight, which says nothing. */
export function spellingsOfTime(value: string): readonly string[] {
  const [, hour, minute, second] = /^(\d{2}):?(\d{2}):?(\d{2})(?:\.\d+)?$/.exec(value) ?? [];
  if (hour === undefined || minute === undefined || second === undefined || /^[0:.]+$/.test(value)) return [];
  const spellings = [value, `${hour}:${minute}:${second}`];
  // 120000 is a bandwidth as often as noon.
  return minute === '00' && second === '00' ? spellings.slice(1) : [...spellings, `${hour}${minute}${second}`];
}

/** `RAT-0815-X` also as `RAT0815X`, `RAT_0815_X`, …; the value itself comes first. */
export function spellingsOfIdentifier(value: string): readonly string[] {
  const parts = value.split(/[^\p{L}\p{N}]+/u).filter((part) => part !== '');
  if (parts.length < 2 || parts.length > 8) return [value];
  return [value, ...['', '-', '_', ' ', '.', '/'].map((separator) => parts.join(separator))];
}

/** The components of a name in pairs, both ways round: what finds `Li Wei`, each half of which stands in any text. */
export function pairsOfName(components: readonly string[]): readonly string[] {
  const pairs: string[] = [];
  for (const one of components.slice(0, 3))
    for (const other of components.slice(0, 3))
      if (one !== other)
        for (const separator of ['', ' ', ', ', ',', '_', '-', '.', '^']) pairs.push(`${one}${separator}${other}`);
  return pairs;
}

/** Words before a number that make it somebody's. */
const COUNTED = new Set(['rat', 'mouse', 'animal', 'subject', 'patient', 'study', 'rodent']);

/**
 * Letters followed by a number: what compounds and animals are called, even in the middle of a description. A scanner's
 * own words are none: `b1000` and `tr 2000` stand in the names of sequences too.
 */
export function codesIn(description: string): readonly string[] {
  const found = description.matchAll(/(?<![\p{L}\p{N}])(\p{L}{1,8})[-_ #]?\d{3,}[\p{L}\p{N}-]*/gu);
  return [...found].flatMap(([code, letters = '']) => {
    const word = letters.toLowerCase();
    return word.length > 1 && (COUNTED.has(word) || !isSafeWord(word)) ? [code] : [];
  });
}
