/** Dates as ParaVision writes them, in the forms of DICOM. ParaVision 5: `10:17:36 30 Nov 2011`; since 6: `2015-11-10T17:06:05,657+0100`. */

export interface DicomDate {
  /** DA. */
  readonly date: string;
  /** TM; empty when only a day is known. */
  readonly time: string;
  /** TimezoneOffsetFromUTC, `+0100`. */
  readonly zone?: string;
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const ISO = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?(?:([+-]\d\d):?(\d\d)|Z)?$/;
const WORDS = /^(?:(\d{1,2}):(\d\d):(\d\d)\s+)?(\d{1,2})\s+([A-Za-z]{3})[a-z]*\s+(\d{4})$/;
const DIGITS = /^(\d{4})(\d\d)(\d\d)$/;

/** Undefined for what is no date. */
export function parseDate(text: string | undefined): DicomDate | undefined {
  const trimmed = text?.trim() ?? '';
  const iso = ISO.exec(trimmed);
  if (iso !== null) {
    const [, year = '', month = '', day = '', hour = '', minute = '', second = '', fraction, zoneHours, zone] = iso;
    if (!isDay(year, month, day)) return undefined;
    return {
      date: `${year}${month}${day}`,
      time: `${hour}${minute}${second}${fraction === undefined ? '' : `.${fraction}`}`,
      ...(zoneHours === undefined ? {} : { zone: `${zoneHours}${zone ?? '00'}` }),
    };
  }
  const words = WORDS.exec(trimmed);
  if (words !== null) {
    const [, hour, minute = '', second = '', day = '', name = '', year = ''] = words;
    const month = String(MONTHS.indexOf(name.toLowerCase()) + 1).padStart(2, '0');
    if (!isDay(year, month, day)) return undefined;
    const time = hour === undefined ? '' : `${hour.padStart(2, '0')}${minute}${second}`;
    return { date: `${year}${month}${day.padStart(2, '0')}`, time };
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

function isDay(year: string, month: string, day: string): boolean {
  const at = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  return at.getUTCMonth() === Number(month) - 1 && at.getUTCDate() === Number(day);
}
