/** How a value of a header is compared: as text, or as the number, date, time or age its VR says it is (PS3.5 Table 6.2-1). */

export type ValueKind = 'text' | 'number' | 'single' | 'date' | 'time' | 'date-time' | 'age';

/** VRs rules can test. The others hold bytes or items, which are not kept for routing. */
const KINDS: Readonly<Record<string, ValueKind>> = {
  AE: 'text',
  CS: 'text',
  LO: 'text',
  LT: 'text',
  PN: 'text',
  SH: 'text',
  ST: 'text',
  UC: 'text',
  UI: 'text',
  UR: 'text',
  UT: 'text',
  DS: 'number',
  FD: 'number',
  IS: 'number',
  SL: 'number',
  SS: 'number',
  SV: 'number',
  UL: 'number',
  US: 'number',
  UV: 'number',
  FL: 'single',
  DA: 'date',
  TM: 'time',
  DT: 'date-time',
  AS: 'age',
};

export function kindOf(vr: string): ValueKind | undefined {
  return KINDS[vr];
}

/** What a value of this kind looks like, for messages. */
export const WRITTEN_AS: Readonly<Record<ValueKind, string>> = {
  text: 'a text',
  number: 'a number',
  single: 'a number',
  date: 'a date like 2026-03-31 or 20260331',
  time: 'a time like 08:30 or 083000, in quotes',
  'date-time': 'a date and time like 2026-03-31T08:30:00 or 20260331083000, in quotes',
  age: 'an age like 045Y, 008W or 010D',
};

/**
 * The value as a number that sorts as the values do, `undefined` when it is not one of its kind. Dates are days, times
 * seconds, dates with times milliseconds since 1970 (without an offset taken as UTC), ages days.
 */
export function comparable(kind: Exclude<ValueKind, 'text'>, value: string): number | undefined {
  const text = value.trim();
  switch (kind) {
    case 'number':
      return number(text);
    case 'single':
      return number(text, Math.fround);
    case 'date':
      return days(text);
    case 'time':
      return seconds(text);
    case 'date-time':
      return milliseconds(text);
    case 'age':
      return ageDays(text);
    default:
      return kind satisfies never;
  }
}

/** FL holds single precision: 2.894 in a rule must equal the nearest number the header can hold. */
function number(text: string, round: (value: number) => number = (value) => value): number | undefined {
  return /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? round(Number(text)) : undefined;
}

/** PS3.5 DA; `2026.03.31` is the form of ACR-NEMA, which PS3.5 asks readers to accept. */
function days(text: string): number | undefined {
  const [, year = '', month = '', day = ''] =
    /^(\d{4})(\d\d)(\d\d)$/.exec(text) ?? /^(\d{4})[-.](\d\d)[-.](\d\d)$/.exec(text) ?? [];
  return dayNumber(year, month, day);
}

function dayNumber(year: string, month: string, day: string): number | undefined {
  if (year === '') return undefined;
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  const isReal = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day);
  return isReal ? date.getTime() / 86_400_000 : undefined;
}

/** PS3.5 TM: minutes and seconds may be missing. */
function seconds(text: string): number | undefined {
  const [, hour = '', minute = '00', second = '00'] =
    /^(\d\d)(?:(\d\d)(?:(\d\d(?:\.\d{1,6})?))?)?$/.exec(text) ??
    /^(\d\d):(\d\d)(?::(\d\d(?:\.\d{1,6})?))?$/.exec(text) ??
    [];
  if (hour === '' || Number(hour) > 23 || Number(minute) > 59 || Number(second) >= 61) return undefined;
  return Number(hour) * 3600 + Number(minute) * 60 + Number(second);
}

/** PS3.5 DT: everything but the year may be missing, from the right. */
function milliseconds(text: string): number | undefined {
  const [, year = '', month = '01', day = '01', time = '00', zone = ''] =
    /^(\d{4})(?:(\d\d)(?:(\d\d)(\d{2,6}(?:\.\d{1,6})?)?)?)?([+-]\d{4})?$/.exec(text) ??
    /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?))?(Z|[+-]\d\d:?\d\d)?$/.exec(text) ??
    [];
  const day1970 = dayNumber(year, month, day);
  const secondOfDay = seconds(time);
  if (day1970 === undefined || secondOfDay === undefined) return undefined;
  return day1970 * 86_400_000 + secondOfDay * 1000 - offsetMinutes(zone) * 60_000;
}

function offsetMinutes(zone: string): number {
  const [, sign, hours, minutes] = /^([+-])(\d\d):?(\d\d)$/.exec(zone) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0));
}

const DAYS_OF_AGE: Readonly<Record<string, number>> = { D: 1, W: 7, M: 30.4375, Y: 365.25 };

function ageDays(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,3})([DWMY])$/.exec(text) ?? [];
  const days = DAYS_OF_AGE[unit ?? ''];
  return days === undefined ? undefined : Number(count) * days;
}
