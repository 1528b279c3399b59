/** `pulls`: studies that the hub fetches from a PACS or another origin server, by schedule or by hand. */
import { resolve } from 'node:path';
import cron from 'node-cron';
import * as z from 'zod';
import { lookup } from '../core/dicom/dictionary.ts';
import { duration, parseDuration, size } from '../core/quantities.ts';
import { aeTitle, entryName, port, secret, singleHost } from './entries.ts';
import { originServer } from './origin-server.ts';

const DAY_MS = 86_400_000;

const schedule = z
  .string()
  .max(200)
  .superRefine((expression, context) => {
    const mistake = scheduleMistake(expression);
    if (mistake !== undefined) context.addIssue({ code: 'custom', message: mistake });
  })
  .describe('Five fields: minute, hour, day of month, month, day of week');

function scheduleMistake(expression: string): string | undefined {
  const { valid, errors } = cron.validateDetailed(expression);
  if (!valid) {
    const [first] = errors;
    const where = first === undefined ? '' : ` (${first.field}: ${first.value ?? ''})`;
    return `not a schedule like "0 2 * * *"${where}`;
  }
  return cron.createTask(expression, () => undefined).getNextRuns(1).length === 1 ? undefined : 'it never fires';
}

const timeZone = z.string().refine(isTimeZone, 'not a time zone like Europe/Helsinki');

function isTimeZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    // Its own way to say no.
    return false;
  }
}

const WINDOW = /^([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))$/;

const window = z
  .string()
  .regex(WINDOW, 'not a time of day like 22:00-06:00')
  .transform((text) => {
    const [from = 0, to = 0] = text.split('-').map((time) => {
      const [hours = 0, minutes = 0] = time.split(':').map(Number);
      return hours * 60 + minutes;
    });
    return { fromMinute: from, toMinute: to };
  })
  .refine(({ fromMinute, toMinute }) => fromMinute !== toMinute, 'begins and ends at the same minute');

const tls = z.strictObject({
  ca: secret.optional().describe('PEM: who may have signed its certificate; absent: the usual authorities'),
  certificate: secret.optional(),
  key: secret.optional(),
  serverName: z.string().min(1).optional(),
});

const node = z.strictObject({
  host: singleHost,
  port: port.refine((number) => number > 0, 'not a port to connect to'),
  aeTitle,
  callingAeTitle: aeTitle.optional(),
  tls: tls.optional(),
});

const from = z.union([
  z
    .strictObject({ dicom: node, retrieve: z.enum(['c-move', 'c-get']).default('c-move'), moveTo: aeTitle.optional() })
    .refine(({ retrieve, moveTo }) => retrieve === 'c-move' || moveTo === undefined, {
      path: ['moveTo'],
      message: 'a C-GET comes back on its own association: moveTo is for c-move',
    }),
  z.strictObject({ dicomweb: originServer }),
]);

const date = z
  .string()
  .refine(isDate, 'not a date like 2026-03-01')
  .transform((text) => text.replaceAll('-', ''));

function isDate(text: string): boolean {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
}

const studyDate = z.union([
  z
    .strictObject({
      last: z.string().refine((text) => {
        const ms = parseDuration(text);
        return ms !== undefined && ms >= DAY_MS && ms % DAY_MS === 0;
      }, 'not a number of days like 3d'),
    })
    .transform(({ last }) => ({ lastDays: (parseDuration(last) ?? DAY_MS) / DAY_MS })),
  z
    .strictObject({ from: date, to: date.optional() })
    .refine(({ from: first, to: last }) => last === undefined || first <= last, {
      path: ['to'],
      message: 'before from',
    }),
]);

/** Text that a key is matched with (PS3.4 Section C.2.2.2): `*` and `?` are wild; a backslash would be a second value. */
const matched = z
  .string()
  .min(1)
  .max(64)
  // Without a flag and classes by name: other readers of the published schema know neither (JSON Schema, Section 6.4).
  .regex(/^[ -[\]-~\u00a0-\uffff]*$/, 'no backslash and no control characters');
const OWN_KEYS = new Set(['StudyDate', 'StudyTime', 'AccessionNumber', 'ModalitiesInStudy', 'QueryRetrieveLevel']);

const query = z
  .strictObject({
    modality: z
      .union([matched, z.array(matched).min(1).max(16)])
      .transform((one) => [one].flat())
      .optional(),
    studyDate: studyDate.optional(),
    studyDescription: matched.optional(),
    stationName: matched.optional(),
    accessions: z
      .strictObject({ file: z.string().min(1), column: z.string().min(1).max(64).optional() })
      .transform(({ file, ...rest }) => ({ file: resolve(file), ...rest }))
      .optional(),
    match: z
      .record(z.string(), matched)
      .superRefine((keys, context) => {
        for (const keyword of Object.keys(keys)) {
          if (lookup(keyword) !== undefined && !OWN_KEYS.has(keyword)) continue;
          const message = 'not a keyword of DICOM that may stand here, like PatientID';
          context.addIssue({ code: 'custom', path: [keyword], message });
        }
      })
      .optional(),
  })
  .refine(
    ({ studyDate: dates, accessions, match }) => dates !== undefined || accessions !== undefined || match !== undefined,
    'asks for everything there is: limit it by studyDate, accessions or match',
  );

/** One entry of `pulls`. */
export const pull = z.strictObject({
  name: entryName.describe('The source of what it brings, as routes call it'),
  enabled: z.boolean().default(true),
  schedule: schedule.optional(),
  timeZone: timeZone.optional(),
  windows: z.array(window).max(8).default([]),
  from,
  query,
  priority: z.enum(['low', 'medium', 'high']).default('medium'),
  concurrency: z.int().min(1).max(16).default(1),
  bytesPerSecond: size('1kB', '100GB').optional(),
  maxMatches: z.int().min(1).max(100_000).default(2000),
  timeouts: z
    .strictObject({
      connect: duration('100ms', '5m').prefault('10s'),
      answer: duration('100ms', '1h').prefault('60s'),
      stall: duration('100ms', '1d').prefault('5m'),
      settle: duration('100ms', '1h').prefault('30s'),
    })
    .prefault({})
    .transform(({ connect, answer, stall, settle }) => ({
      connectMs: connect,
      answerMs: answer,
      stallMs: stall,
      settleMs: settle,
    })),
  retry: z
    .strictObject({
      attempts: z.int().min(1).max(100).default(5),
      firstDelay: duration('10ms', '1d').prefault('1m'),
      maxDelay: duration('10ms', '7d').prefault('1h'),
    })
    .prefault({})
    .transform(({ attempts, firstDelay, maxDelay }) => ({
      attempts,
      firstDelayMs: firstDelay,
      maxDelayMs: maxDelay,
    })),
});
