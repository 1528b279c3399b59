/** Dates and times of headers as numbers that can be subtracted. */

/** Milliseconds of a DT value; a zone is left out, for only differences within one series are taken. */
export function dateTimeMs(text: string | undefined): number | undefined {
  const found = /^(\d{4})(\d{2})(\d{2})(\d{2}.*)$/.exec(text ?? '');
  if (found === null) return undefined;
  const [, year, month, day, time] = found;
  const ofDay = timeMs(time?.replace(/[+-]\d{4}$/, ''));
  return ofDay === undefined ? undefined : Date.UTC(Number(year), Number(month) - 1, Number(day)) + ofDay;
}

/** Milliseconds since midnight of a TM value. */
export function timeMs(text: string | undefined): number | undefined {
  const found = /^(\d{2}):?(\d{2}):?(\d{2}(?:\.\d{1,6})?)$/.exec(text ?? '');
  if (found === null) return undefined;
  const [, hours, minutes, seconds] = found;
  return (Number(hours) * 60 + Number(minutes)) * 60_000 + Number(seconds) * 1000;
}
