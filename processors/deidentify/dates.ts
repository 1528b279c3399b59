/** Dates that move: whole days, so that time of day, order and intervals stay (PS3.15 Section E.3.6). */

const DAY_MS = 86_400_000;

/** A DA value shifted; empty when it is no full date. `1997.04.01` of old files comes out as `19970301`. */
export function shiftDate(value: string, days: number): string {
  const [, year, month, day] = /^(\d{4})\.?(\d{2})\.?(\d{2})$/.exec(value.trim()) ?? [];
  return year === undefined || month === undefined || day === undefined ? '' : shifted(year, month, day, days);
}

/** A DT value shifted, time and offset kept; empty when it has no day: a month cannot be moved by days. */
export function shiftDateTime(value: string, days: number): string {
  const [, year, month, day, rest] =
    /^(\d{4})(\d{2})(\d{2})((?:\d{2}){0,3}(?:\.\d{1,6})?(?:[+-]\d{4})?)$/.exec(value.trim()) ?? [];
  if (year === undefined || month === undefined || day === undefined || rest === undefined) return '';
  const date = shifted(year, month, day, days);
  return date === '' ? '' : `${date}${rest}`;
}

function shifted(year: string, month: string, day: string, days: number): string {
  const time = Date.UTC(Number(year), Number(month) - 1, Number(day));
  // Date.UTC takes 30 February for 2 March; such a value is no date.
  if (new Date(time).toISOString().slice(0, 10) !== `${year}-${month}-${day}`) return '';
  return new Date(time + days * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '');
}
