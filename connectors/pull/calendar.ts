/** Days, windows and schedules in a time zone. Pure, but for node-cron, which reads the machine's clock. */
import cron from 'node-cron';
import { opensAt } from '../send-window.ts';
import type { DayWindow } from './options.ts';

const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6];
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const DAY_MINUTES = 1440;

/** When the schedule fires next, as the machine's clock has it; undefined: never. */
export function nextRun(schedule: string, timeZone: string | undefined): Date | undefined {
  const task = cron.createTask(schedule, () => undefined, timeZone === undefined ? {} : { timezone: timeZone });
  return task.getNextRuns(1)[0];
}

/** The day it is there, as DA (PS3.5 Section 6.2), and so many days before. */
export function dayOf(now: Date, timeZone: string | undefined, daysBefore = 0): string {
  const { year, month, day } = partsOf(now, timeZone);
  return toDa(Date.UTC(year, month - 1, day) - daysBefore * DAY_MS);
}

/** How long the first of the windows that is open stays so; undefined: none is. */
export function openForMs(windows: readonly DayWindow[], now: Date, timeZone: string | undefined): number | undefined {
  if (windows.length === 0) return Infinity;
  const { hour, minute, second } = partsOf(now, timeZone);
  const at = hour * 60 + minute;
  const ends = windows.flatMap(({ fromMinute, toMinute }) => {
    const length = (toMinute - fromMinute + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES;
    const since = (at - fromMinute + DAY_MINUTES) % DAY_MINUTES;
    return since < length ? [length - since] : [];
  });
  if (ends.length === 0) return undefined;
  return Math.max(...ends) * MINUTE_MS - second * 1000;
}

/** When the first of them opens, where none is open now. */
export function windowOpensAt(
  windows: readonly DayWindow[],
  now: Date,
  timeZone: string | undefined,
): Date | undefined {
  if (openForMs(windows, now, timeZone) !== undefined) return undefined;
  const zone = timeZone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const times = windows.map((window) => opensAt({ ...window, days: EVERY_DAY, timeZone: zone }, now).getTime());
  return new Date(Math.min(...times));
}

/** Each day from one to the other, as DA; the other one included. */
export function* daysBetween(from: string, to: string): Generator<string> {
  for (let ms = msOf(from); ms <= msOf(to); ms += DAY_MS) yield toDa(ms);
}

/** Two halves of a range of days; undefined for a single one. */
export function halvesOf(from: string, to: string): readonly [[string, string], [string, string]] | undefined {
  const [first, last] = [msOf(from), msOf(to)];
  if (first >= last) return undefined;
  const middle = first + Math.floor((last - first) / DAY_MS / 2) * DAY_MS;
  return [
    [from, toDa(middle)],
    [toDa(middle + DAY_MS), to],
  ];
}

function msOf(da: string): number {
  return Date.UTC(Number(da.slice(0, 4)), Number(da.slice(4, 6)) - 1, Number(da.slice(6, 8)));
}

function toDa(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10).replaceAll('-', '');
}

function partsOf(now: Date, timeZone: string | undefined) {
  const format = new Intl.DateTimeFormat('en-u-hc-h23-ca-gregory', {
    ...(timeZone === undefined ? {} : { timeZone }),
    ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
  });
  const parts = new Map(format.formatToParts(now).map(({ type, value }) => [type, Number(value)]));
  const part = (name: Intl.DateTimeFormatPartTypes) => parts.get(name) ?? 0;
  return {
    ...{ year: part('year'), month: part('month'), day: part('day') },
    ...{ hour: part('hour'), minute: part('minute'), second: part('second') },
  };
}
