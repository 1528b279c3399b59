/** When deliveries to a destination may begin: hours and days, by the clock of a time zone. */
import type { SendWindow } from '../core/plugins.ts';

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;
/** Every change of a clock there is today is so many of them. */
const QUARTER_MS = 15 * MINUTE_MS;
const MAX_STEPS = 9;
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

/** When the next delivery may begin: now where it is open, otherwise at the beginning of the hours, to the minute. */
export function opensAt(window: SendWindow, at: Date): Date {
  if (isOpen(window, at)) return at;
  let ms = Math.floor(at.getTime() / MINUTE_MS) * MINUTE_MS;
  // Once a day; a clock that is put back or forward on the way may take one step more.
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const ahead = window.fromMinute - wallClock(window.timeZone, new Date(ms)).minute;
    ms += (ahead > 0 ? ahead : ahead + DAY_MINUTES) * MINUTE_MS;
    if (isOpen(window, new Date(ms))) break;
  }
  // Put forward on the way, the clock shows a later time by now than the window's first.
  while (ms - QUARTER_MS > at.getTime() && isOpen(window, new Date(ms - QUARTER_MS))) ms -= QUARTER_MS;
  return new Date(ms);
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
