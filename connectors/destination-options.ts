/** Keys that every destination may have, as zod reads them from the configuration. */
import * as z from 'zod';
import { DELIVERY_PRIORITIES } from '../core/ledger/deliveries.ts';
import { duration, size } from '../core/quantities.ts';

const DEFAULT_CONCURRENCY = 2;
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const HOURS = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$/;

const sendWindow = z
  .strictObject({
    hours: z
      .string()
      .refine((text) => HOURS.test(text) && !/-24:(?!00)/.test(text), 'not hours like 18:00-06:00 or 00:00-24:00')
      .default('00:00-24:00')
      .describe('First and last minute of the day; past midnight they belong to the day they began on.'),
    days: z
      .array(z.enum(DAYS))
      .min(1)
      .default([...DAYS])
      .describe('Days on which they begin.'),
    timeZone: z
      .string()
      .refine(isTimeZone, 'not a time zone like Europe/Helsinki or UTC')
      .optional()
      .describe("Absent: the machine's own."),
  })
  .transform(({ hours, days, timeZone }) => {
    const [, fromHour, fromMinute, toHour, toMinute] = (HOURS.exec(hours) ?? []).map(Number);
    return {
      fromMinute: (fromHour ?? 0) * 60 + (fromMinute ?? 0),
      toMinute: ((toHour ?? 0) * 60 + (toMinute ?? 0)) % (24 * 60),
      days: days.map((day) => DAYS.indexOf(day)),
      timeZone: timeZone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone,
    };
  });

/** Spread into the schema of each connector's options. */
export const destinationOptions = {
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,63}$/)
    .describe('Name that routes refer to; also a label of metrics.'),
  partner: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('The destination gets only what a deidentify step released for this partner.'),
  concurrency: z.int().min(1).max(32).default(DEFAULT_CONCURRENCY).describe('Deliveries under way at once.'),
  priority: z.enum(DELIVERY_PRIORITIES).default('normal').describe('Whose turn it is, where the route does not say.'),
  order: z
    .enum(['none', 'study'])
    .default('none')
    .describe('study: a revision waits until the earlier ones of its study have gone, or are dead letters.'),
  bandwidth: size('8kB', '100GB').optional().describe('Bytes a second, of all its deliveries together.'),
  sendWindow: sendWindow.optional().describe('When deliveries may begin; absent: always.'),
  retry: z
    .strictObject({
      attempts: z.int().min(1).max(100).default(10),
      firstDelay: duration('0ms', '1d').prefault('30s'),
      maxDelay: duration('0ms', '7d').prefault('10m'),
    })
    .prefault({})
    .transform(({ attempts, firstDelay, maxDelay }) => ({ attempts, firstDelayMs: firstDelay, maxDelayMs: maxDelay }))
    .describe('When a failed delivery is tried again: doubling delays, then a dead letter.'),
  breaker: z
    .strictObject({
      failures: z.int().min(2).max(1000).default(5),
      pause: duration('10ms', '1d').prefault('30s'),
      maxPause: duration('10ms', '7d').prefault('10m'),
      patience: duration('0ms', '365d').prefault('3d'),
    })
    .prefault({})
    .transform(({ failures, pause, maxPause, patience }) => ({
      ...{ failures, pauseMs: pause, maxPauseMs: maxPause, patienceMs: patience },
    }))
    .describe('When a destination that fails again and again is left alone, and for how long.'),
};

/** Of connectors that can ask the destination what it has. */
export const verifyAfter = z
  .enum(['none', 'after'])
  .default('none')
  .describe('after: the destination is asked for what it confirmed; what is missing goes again.');

/** A secret never stands in the configuration itself. */
export const secretReference = z.union([
  z.strictObject({ env: z.string().min(1) }),
  z.strictObject({ file: z.string().min(1) }),
]);

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    // The schema says what is wanted.
    return false;
  }
}
