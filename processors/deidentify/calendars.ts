/** A day as other calendars and other programs name it: by its week, its number in the year, the era of an emperor. */

const DAY_MS = 86_400_000;
const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
/** Of Thailand. */
const BUDDHIST_YEARS = 543;
/** Japanese eras, the latest first: the day of the first year, its letter, and its characters. */
const ERAS = [
  ['20190501', 'r', '令和'],
  ['19890108', 'h', '平成'],
  ['19261225', 's', '昭和'],
  ['19120730', 't', '大正'],
] as const;

/** Days since 1 January 1970, negative before; `undefined` when it is no day. */
function dayNumber(year: string, month: string, day: string): number | undefined {
  const time = Date.UTC(Number(year), Number(month) - 1, Number(day));
  const isDay = Number.isFinite(time) && new Date(time).getUTCDate() === Number(day);
  return isDay ? Math.floor(time / DAY_MS) : undefined;
}

/**
 * @param english - the month's name
 * @returns normalised; without what is a spelling of the same numbers
 */
export function spellingsInCalendars(year: string, month: string, day: string, english: string): string[] {
  const number = dayNumber(year, month, day);
  if (number === undefined) return [];
  const names = [...new Set([english, english.slice(0, 3)])];
  return [
    ...ofYear(number, year),
    ...ofWeek(number),
    ...buddhist(year, month, day),
    ...ofEra(year, month, day),
    ...names.map((name) => `${name} ${year}`),
    ...ofWeekday(number, day, names),
  ];
}

/** `2011-105`, `2011105`, `105.2011`. */
function ofYear(number: number, year: string): readonly string[] {
  const first = dayNumber(year, '01', '01') ?? 0;
  const count = String(number - first + 1).padStart(3, '0');
  return ['-', '', '.', '/'].flatMap((between) => [
    `${year}${between}${count}`,
    ...(between === '' || between === '-' ? [] : [`${count}${between}${year}`]),
  ]);
}

/** ISO 8601: `2011-W15-5`; the week belongs to the year that has its Thursday. */
function ofWeek(number: number): readonly string[] {
  // 1 January 1970 was a Thursday.
  const weekday = ((((number + 3) % 7) + 7) % 7) + 1;
  const thursday = number - weekday + 4;
  const year = new Date(thursday * DAY_MS).getUTCFullYear();
  const week = Math.floor((thursday - Math.floor(Date.UTC(year, 0, 1) / DAY_MS)) / 7) + 1;
  const weeks = `w${String(week).padStart(2, '0')}`;
  return [`${year}-${weeks}-${weekday}`, `${year}${weeks}${weekday}`];
}

function buddhist(year: string, month: string, day: string): readonly string[] {
  const other = String(Number(year) + BUDDHIST_YEARS);
  const short = [Number(day), Number(month), other];
  return [
    `${other}${month}${day}`,
    ...['-', '/', '.'].flatMap((between) => [
      [other, month, day].join(between),
      [day, month, other].join(between),
      short.join(between),
    ]),
  ];
}

/** `H23.4.15`, `平成23年4月15日`. */
function ofEra(year: string, month: string, day: string): readonly string[] {
  const era = ERAS.find(([first]) => `${year}${month}${day}` >= first);
  if (era === undefined) return [];
  const [first, letter, name] = era;
  const count = String(Number(year) - Number(first.slice(0, 4)) + 1);
  const plain = [`${Number(month)}`, `${Number(day)}`];
  return [
    ...['.', '/', '-'].flatMap((between) =>
      [plain, [month, day]].map((rest) => `${letter}${[count, ...rest].join(between)}`),
    ),
    `${name}${count}年${plain.join('月')}日`,
  ];
}

/** As programs print the time: `Fri Apr 15 03:31:36 2011`, `Fri, 15 Apr 2011`; the year may stand far behind. */
function ofWeekday(number: number, day: string, names: readonly string[]): readonly string[] {
  const weekday = WEEKDAYS[(((number + 4) % 7) + 7) % 7] ?? '';
  const days = [...new Set([day, day.replace(/^0/, ' '), String(Number(day))])];
  return names.flatMap((name) =>
    [weekday, weekday.slice(0, 3)].flatMap((one) => days.map((two) => `${one} ${name} ${two}`)),
  );
}
