/** When deliveries to a destination may begin: hours and days, by the clock of a time zone. */
import type { SendWindow } from '../core/plugins.ts';

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/**
 * Whether a delivery may begin now. From the first minute up to before the last one; the hours past midnight belong to the
 * day they began on: `fri` with 18:00-06:00 is open on Saturday at 05:59.
 */
export function isOpen(window: SendWindow, at: Date): boolean {
  const { day, minute } = wallClock(window.timeZone, at);
  const { fromMinute, toMinute, days } = window;
  if (fromMinute === toMinute) return days.includes(day);
  if (fromMinute < toMinute) return days.includes(day) && minute >= fromMinute && minute < toMinute;
  if (minute >= fromMinute) return days.includes(day);
  return minute < toMinute && days.includes((day + 6) % 7);
}

const formats = new Map<string, Intl.DateTimeFormat>();

function wallClock(timeZone: string, at: Date): { readonly day: number; readonly minute: number } {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      ...{ timeZone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
    });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  return {
    day: WEEKDAYS.indexOf(parts['weekday'] ?? ''),
    minute: Number(parts['hour']) * 60 + Number(parts['minute']),
  };
}
