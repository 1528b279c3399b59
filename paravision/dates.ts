/** Dates as ParaVision writes them, in the forms of DICOM. ParaVision 5: `10:17:36 30 Nov 2011`; since 6: `2015-11-10T17:06:05,657+0100`. */

export interface DicomDate {
  /** DA. */
  readonly date: string;
  /** TM; empty when only a day is known. */
  readonly time: string;
  /** TimezoneOffsetFromUTC, `+0100`. */
  readonly zone?: string;
}

/** Before it there was nobody to scan: what is written there stands for nothing. */
const FIRST_YEAR = 1850;
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const ISO = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6})\d*)?(?:([+-]\d\d):?(\d\d)|Z)?)?$/;
const WORDS =
  /^(?:(?<hour>\d{1,2}):(?<minute>\d\d):(?<second>\d\d)\s+)?(?<day>\d{1,2})\s+(?<name>[A-Za-z]{3})[a-z]*\s+(?<year>\d{4})$/;
/** As C prints it: `Wed Nov 30 10:17:36 2011`. */
const ASCTIME =
  /^[A-Za-z]{3}\s+(?<name>[A-Za-z]{3})\s+(?<day>\d{1,2})\s+(?<hour>\d{1,2}):(?<minute>\d\d):(?<second>\d\d)\s+(?<year>\d{4})$/;
const DIGITS = /^(\d{4})(\d\d)(\d\d)$/;

/** Undefined for what is no date. */
export function parseDate(text: string | undefined): DicomDate | undefined {
  const trimmed = text?.trim() ?? '';
  const iso = ISO.exec(trimmed);
  if (iso !== null) {
    const [, year = '', month = '', day = '', hour, minute = '', second = '', fraction, zoneHours, zone = '00'] = iso;
    if (!isDay(year, month, day)) return undefined;
    const time = timeOf(hour, minute, second);
    const offset = zoneHours === undefined || !isZone(zoneHours, zone) ? {} : { zone: `${zoneHours}${zone}` };
    return {
      date: `${year}${month}${day}`,
      time: time === '' || fraction === undefined ? time : `${time}.${fraction}`,
      ...offset,
    };
  }
  const words = WORDS.exec(trimmed) ?? ASCTIME.exec(trimmed);
  if (words?.groups !== undefined) {
    const { hour, minute = '', second = '', day = '', name = '', year = '' } = words.groups;
    const month = String(MONTHS.indexOf(name.toLowerCase()) + 1).padStart(2, '0');
    if (!isDay(year, month, day)) return undefined;
    return { date: `${year}${month}${day.padStart(2, '0')}`, time: timeOf(hour, minute, second) };
  }
  const digits = DIGITS.exec(trimmed);
  if (digits === null) return undefined;
  const [, year = '', month = '', day = ''] = digits;
  return isDay(year, month, day) ? { date: `${year}${month}${day}`, time: '' } : undefined;
}

/** DT, some milliseconds later: with the zone only where it is known. */
export function dateTimeAfter({ date, time, zone }: DicomDate, milliseconds: number): string {
  const [whole = '', fraction = '0'] = time.padEnd(6, '0').split('.');
  const part = (from: number, to: number) => Number(whole.slice(from, to));
  const start = Date.UTC(
    Number(date.slice(0, 4)),
    Number(date.slice(4, 6)) - 1,
    Number(date.slice(6, 8)),
    ...([part(0, 2), part(2, 4), part(4, 6)] as const),
    Number(`0.${fraction}`) * 1000,
  );
  const at = new Date(start + milliseconds).toISOString();
  return `${at.slice(0, 19).replaceAll(/[-T:]/g, '')}.${at.slice(20, 23)}000${zone ?? ''}`;
}

/** TM, or empty for what is no time of a day: the day is known all the same. */
function timeOf(hour: string | undefined, minute: string, second: string): string {
  if (hour === undefined || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return '';
  return `${hour.padStart(2, '0')}${minute}${second}`;
}

/** PS3.5 Section 6.2, DT: from −1200 to +1400. */
function isZone(hours: string, minutes: string): boolean {
  const offset = Number(hours) + (hours.startsWith('-') ? -1 : 1) * (Number(minutes) / 60);
  return Number(minutes) < 60 && offset >= -12 && offset <= 14;
}

function isDay(year: string, month: string, day: string): boolean {
  if (Number(year) < FIRST_YEAR) return false;
  const at = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  return at.getUTCMonth() === Number(month) - 1 && at.getUTCDate() === Number(day);
}
