/** The patient of a planted corpus, and the ways in which people write the same name, number or day. */
import { integer, pick, type Random } from '../seeded.ts';

/** One way to repeat an identifier in a place where nobody expects it. */
export interface Spelling {
  readonly how: string;
  readonly text: string;
  /** None of these may be found in what leaves, compared in lower case. */
  readonly traces: readonly string[];
}

export interface PlantedPatient {
  readonly family: string;
  readonly given: string;
  readonly id: string;
  readonly numericId: string;
  readonly birthDate: string;
  readonly physician: string;
  readonly spellings: readonly Spelling[];
}

/** The same patient in the script of one character set. */
export interface Script {
  /** Values of Specific Character Set (0008,0005), joined. */
  readonly characterSet: string;
  /** The set that is to be encoded to. */
  readonly term: string;
  readonly family: string;
  readonly given: string;
}

export const SCRIPTS: readonly Script[] = [
  { characterSet: 'ISO_IR 100', term: 'ISO_IR 100', family: 'Mäkisörensén', given: 'Åsahild' },
  { characterSet: 'ISO_IR 192', term: 'ISO_IR 192', family: '欧阳震', given: '小东' },
  { characterSet: '\\ISO 2022 IR 87', term: 'ISO 2022 IR 87', family: '山田川', given: '太郎' },
  { characterSet: '\\ISO 2022 IR 149', term: 'ISO 2022 IR 149', family: '김희', given: '중길' },
  { characterSet: 'GB18030', term: 'GB18030', family: '王力', given: '小东' },
  { characterSet: 'ISO_IR 126', term: 'ISO_IR 126', family: 'Διονυσιος', given: 'Κωστας' },
  { characterSet: 'ISO_IR 144', term: 'ISO_IR 144', family: 'Люкceмбypг', given: 'Жанна' },
];

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const LONG_MONTHS = 'January February March April May June July August September October November December'.split(' ');

export function plantedPatient(random: Random): PlantedPatient {
  const family = name(random, 4);
  const given = name(random, 3);
  const physician = name(random, 4);
  const serial = String(1000 + integer(random, 9000));
  const id = `KX-${serial}-${pick(random, ['B', 'D', 'F'])}`;
  const numericId = `000${String(5_000_000 + integer(random, 4_000_000))}`;
  const month = 1 + integer(random, 12);
  const day = 1 + integer(random, 9);
  const year = 1951 + integer(random, 8);
  const two = (number: number) => String(number).padStart(2, '0');
  const birthDate = `${year}${two(month)}${two(day)}`;
  const both = [family.toLowerCase(), given.toLowerCase()];
  const [short = '', long = ''] = [MONTHS[month - 1], LONG_MONTHS[month - 1]];
  const named = (how: string, text: string): Spelling => ({ how, text, traces: both });
  const whole = (how: string, text: string): Spelling => ({ how, text, traces: [text.toLowerCase()] });
  const spellings = [
    named('as the standard writes it', `${family}^${given}`),
    named('given name first', `${given} ${family}`),
    named('with a comma', `${family}, ${given}`),
    named('upper case', `${family} ${given}`.toUpperCase()),
    named('lower case', `${given} ${family}`.toLowerCase()),
    named('joined by a hyphen', `${family}-${given}`),
    named('joined by an underscore', `scan_${family}_${given}_1`),
    named('joined', `${given}${family}`),
    named('family name in a sentence', `seen by ${family}'s mother`),
    named('given name in a sentence', `repeat ${given}, please`),
    named('initial and family name', `${given.slice(0, 1)}. ${family}`),
    named('family name and initial', `${family} ${given.slice(0, 1)}`),
    whole('patient ID', id),
    whole('patient ID in lower case', id.toLowerCase()),
    whole('patient ID inside a word', `x${id}y`),
    { ...whole('patient ID without its hyphens', id.replaceAll('-', '')), traces: [serial] },
    { ...whole('patient ID with underscores', id.replaceAll('-', '_')), traces: [serial] },
    { ...whole('patient ID with spaces', id.replaceAll('-', ' ')), traces: [serial] },
    { ...whole('number', numericId), traces: [numericId.replace(/^0+/, '')] },
    whole('number without its leading zeros', numericId.replace(/^0+/, '')),
    whole('number with fewer leading zeros', numericId.slice(2)),
    whole('birth date', birthDate),
    whole('ISO 8601 date', `${year}-${two(month)}-${two(day)}`),
    whole('date with full stops', `${two(day)}.${two(month)}.${year}`),
    whole('date with full stops, no zeros', `${day}.${month}.${year}`),
    whole('date with slashes', `${two(month)}/${two(day)}/${year}`),
    whole('date with slashes, no zeros', `${month}/${day}/${year}`),
    whole('old DICOM date', `${year}.${two(month)}.${two(day)}`),
    whole('day and short month', `${two(day)}-${short}-${year}`),
    whole('day, month in words', `${day} ${long} ${year}`),
    whole('month in words, day', `${short} ${day}, ${year}`),
    whole('date in Finnish order inside a sentence', `s. ${two(day)}.${two(month)}.${year} Kuopio`),
    { how: 'referring physician', text: `dr ${physician}`, traces: [physician.toLowerCase()] },
  ];
  return { family, given, id, numericId, birthDate, physician, spellings };
}

/** The native name in the ways free text has it. */
export function nativeSpellings({ family, given }: Script): readonly Spelling[] {
  const traces = [family.toLowerCase()];
  return [
    { how: 'family name in its script', text: family, traces },
    { how: 'name in its script', text: `${family} ${given}`, traces },
    { how: 'name in its script inside a sentence', text: `scan ${family} T1`, traces },
  ];
}

/** Syllables that no word of a scanner has. */
function name(random: Random, syllables: number): string {
  const text = Array.from(
    { length: syllables },
    () => pick(random, Array.from('zvkxjq')) + pick(random, Array.from('aeiouy')),
  ).join('');
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
