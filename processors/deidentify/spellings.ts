/** How people and programs write what a data set said: a date in a mail, an ID without its dashes, a name turned round. */

import { spellingsInCalendars } from './calendars.ts';
import { isSafeWord } from './safe-words.ts';

/** January to December as people write them; equal ones stand once. */
const MONTHS: readonly (readonly string[])[] = [
  ['january', 'januar', 'janvier', 'enero', 'gennaio', 'januari', 'tammikuuta'],
  ['february', 'februar', 'fevrier', 'febrero', 'febbraio', 'februari', 'helmikuuta'],
  ['march', 'marz', 'maerz', 'mars', 'marzo', 'maart', 'maaliskuuta'],
  ['april', 'avril', 'abril', 'aprile', 'huhtikuuta'],
  ['may', 'mai', 'mayo', 'maggio', 'mei', 'maj', 'toukokuuta'],
  ['june', 'juni', 'juin', 'junio', 'giugno', 'kesakuuta'],
  ['july', 'juli', 'juillet', 'julio', 'luglio', 'heinakuuta'],
  ['august', 'aout', 'agosto', 'augustus', 'augusti', 'elokuuta'],
  ['september', 'septembre', 'septiembre', 'settembre', 'syyskuuta'],
  ['october', 'oktober', 'octobre', 'octubre', 'ottobre', 'lokakuuta'],
  ['november', 'novembre', 'noviembre', 'marraskuuta'],
  ['december', 'dezember', 'decembre', 'diciembre', 'dicembre', 'joulukuuta'],
];

/**
 * A DA value as the standard, ISO 8601 and people in several countries write it, normalised; empty when it is no date.
 * The year in two digits only where separators say that it is a date.
 */
export function spellingsOfDate(value: string): readonly string[] {
  const [, year, month, day] = /^(\d{4})(\d{2})(\d{2})$/.exec(value) ?? [];
  const names = MONTHS[Number(month) - 1];
  if (year === undefined || month === undefined || day === undefined || names === undefined) return [];
  const short = year.slice(2);
  const days = [...new Set([day, String(Number(day))])];
  const months = [...new Set([month, String(Number(month))])];
  const spellings = [value, `${day}${month}${year}`, `${month}${day}${year}`];
  for (const separator of ['-', '/', '.', '_', ' ', ':']) spellings.push([year, month, day].join(separator));
  // As file names and numbers of patients begin.
  spellings.push(`${short}${month}${day}`, `${day}${month}${short}`);
  for (const separator of ['.', '/', '-']) spellings.push([short, month, day].join(separator));
  for (const one of days)
    for (const other of months) {
      for (const separator of ['.', '/', '-', '_', ' ', '. ', ' - '])
        spellings.push([one, other, year].join(separator), [other, one, year].join(separator));
      for (const mixed of MIXED) spellings.push(dated(one, other, year, mixed), dated(other, one, year, mixed));
      for (const separator of ['.', '/', '-'])
        spellings.push([one, other, short].join(separator), [other, one, short].join(separator));
      // Chinese, Japanese, and Korean in the letters that it is taken apart into.
      spellings.push(`${year}年${other}月${one}日`);
      for (const space of ['', ' ']) spellings.push(`${year}년${space}${other}월${space}${one}일`.normalize('NFKD'));
    }
  for (const number of days) {
    for (const name of names)
      spellings.push(`${number} ${name} ${year}`, `${number}. ${name} ${year}`, `${number} de ${name} de ${year}`);
    const [english = ''] = names;
    for (const name of [english, english.slice(0, 3)]) {
      for (const separator of ['-', '/', ' ', '.', '_', ''])
        spellings.push([number, name, year].join(separator), [number, name, short].join(separator));
      spellings.push(`${number}. ${name} ${year}`, `${name} ${number}, ${year}`, `${name} ${number} ${year}`);
      spellings.push(`${name}-${number}-${short}`, `${name}-${number}-${year}`, `${name}. ${number}, ${year}`);
      for (const separator of ['-', '/', ' ']) spellings.push([year, name, number].join(separator));
      const counted = `${Number(number)}${ordinalOf(Number(number))}`;
      spellings.push(`${name} ${counted} ${year}`, `${name} ${counted}, ${year}`);
      spellings.push(`${year}, ${name} ${number}`, `${year}, ${number} ${name}`);
    }
  }
  spellings.push(...spellingsInCalendars(year, month, day, names[0] ?? ''));
  return [...new Set(spellings)];
}

/** The month of a DA value, where it is all that is written; by name it is found in any text. */
export function spellingsOfMonth(value: string): readonly string[] {
  const [, year, month] = /^(\d{4})(\d{2})\d{2}$/.exec(value) ?? [];
  if (year === undefined || month === undefined) return [];
  return [`${year}${month}`, ...['-', '/', '.'].flatMap((one) => [`${year}${one}${month}`, `${month}${one}${year}`])];
}

/** `15/07-1981`, as some write it. */
const MIXED = ['.', '/', '-'].flatMap((one) =>
  ['.', '/', '-'].flatMap((other) => (one === other ? [] : [[one, other]])),
);

function dated(first: string, second: string, year: string, [one = '', other = '']: readonly string[]): string {
  return `${first}${one}${second}${other}${year}`;
}

/** English: 1st, 2nd, 3rd, 4th, 11th. */
function ordinalOf(day: number): string {
  const isTeen = day > 10 && day < 14;
  return (isTeen ? undefined : ['th', 'st', 'nd', 'rd'][day % 10]) ?? 'th';
}

/** An AS value, `067Y`, also as people say it; a number of days or weeks as much as a word says. */
export function spellingsOfAge(value: string): readonly string[] {
  const [, digits, unit = ''] = /^(\d{3})([dwmy])$/i.exec(value.trim()) ?? [];
  const word = AGE_UNITS[unit.toLowerCase()];
  if (digits === undefined || word === undefined || Number(digits) === 0) return [];
  const age = String(Number(digits));
  const spellings = [value.trim().toLowerCase(), `${age} ${word}`, `${age} ${word}s`, `${age}-${word}`];
  if (word !== 'year') return spellings;
  for (const short of ['y', 'yo', 'yr', 'yrs']) spellings.push(`${age}${short}`, `${age} ${short}`);
  return [...spellings, `age ${age}`, `age: ${age}`, `aged ${age}`, `${age} jahre`, `${age} ans`];
}

const AGE_UNITS: Readonly<Record<string, string>> = { d: 'day', w: 'week', m: 'month', y: 'year' };

/** A TM value; empty when it is none, or midnight, which says nothing. */
export function spellingsOfTime(value: string): readonly string[] {
  const [, hour, minute, second] = /^(\d{2}):?(\d{2}):?(\d{2})(?:\.\d+)?$/.exec(value) ?? [];
  if (hour === undefined || minute === undefined || second === undefined || /^[0:.]+$/.test(value)) return [];
  const spellings = [value, `${hour}:${minute}:${second}`];
  // 120000 is a bandwidth as often as noon.
  return minute === '00' && second === '00' ? spellings.slice(1) : [...spellings, `${hour}${minute}${second}`];
}

/**
 * `RAT-0815-X` also as `RAT0815X`, `RAT_0815_X`, …, and `RAT0815` as `RAT-0815`, …; the value itself comes first. In short
 * texts what is long enough is found whatever stands between its parts: see haystack.ts.
 */
export function spellingsOfIdentifier(value: string): readonly string[] {
  const parts = value.split(/[^\p{L}\p{N}]+/u).filter((part) => part !== '');
  const finer = value.match(/\p{L}+|\p{N}+/gu) ?? [];
  const joined = [parts, finer].flatMap((some) =>
    some.length < 2 || some.length > 8 ? [] : SEPARATORS.map((separator) => some.join(separator)),
  );
  return [...new Set([value, ...joined])];
}

/** True for letters and digits that are in a row by no chance, even where what stood between them was taken out. */
export function isTelling(text: string): boolean {
  if (!/\p{N}/u.test(text)) return text.length >= 8;
  return text.length >= (/\p{L}/u.test(text) ? 6 : 7);
}

const SEPARATORS = ['', '-', '_', ' ', '.', '/'];

/**
 * A part of a name as forms and file names have it, normalised: `smith-jones` also as `smithjones`, `smith jones`, and
 * each half; `McDonald` as `mc donald`; `Müller` as `mueller`, and `Mueller` as `muller`.
 *
 * @param name - as it was written: capitals inside of it tell where it is put together
 * @returns without the name itself
 */
export function spellingsOfName(name: string, normalise: (text: string) => string): readonly string[] {
  const composed = name.normalize('NFC');
  const pieces = composed.split(/[^\p{L}\p{M}\p{N}]+|(?<=\p{Ll})(?=\p{Lu})/u).filter((piece) => piece !== '');
  const parts = pieces.length < 2 || pieces.length > 6 ? [] : pieces;
  const joined = parts.length === 0 ? [] : ['', ' ', '-', '_'].map((separator) => parts.join(separator));
  const spelled = [composed, ...joined, ...parts].flatMap((one) => {
    const plain = normalise(one);
    const transcribed = one.replaceAll(/[äöüåøÄÖÜÅØ]/g, (letter) => TRANSCRIBED[letter.toLowerCase()] ?? letter);
    return [plain, normalise(transcribed), plain.replaceAll(/(?<=[aou])e/g, '')];
  });
  return [...new Set(spelled)].filter((one) => one !== normalise(name));
}

/** How passports and keyboards without these letters write them. */
const TRANSCRIBED: Readonly<Record<string, string>> = { ä: 'ae', ö: 'oe', ü: 'ue', å: 'aa', ø: 'oe' };

/** The components of a name in pairs, both ways round: what finds `Li Wei`, each half of which stands in any text. */
export function pairsOfName(components: readonly string[]): readonly string[] {
  const pairs: string[] = [];
  for (const one of components.slice(0, 3))
    for (const other of components.slice(0, 3))
      if (one !== other) {
        for (const separator of ['', ' ', ', ', ',', '_', '-', '.', '^']) pairs.push(`${one}${separator}${other}`);
        // What people are called by their computers: `jsmith`, `smithj`.
        if (one.length >= 4 && !isSafeWord(one)) pairs.push(`${other.slice(0, 1)}${one}`, `${one}${other.slice(0, 1)}`);
      }
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
