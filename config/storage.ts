/** What the gateway does with its disk: when it is low, how segments are cut, what a UID that comes again means, and how long things are kept. */
import * as z from 'zod';
import { duration, size } from '../core/quantities.ts';

/** When nothing is received any more; whichever limit is met first counts. */
export const disk = z
  .strictObject({ minFree: size().prefault('5GB'), maxUsedPercent: z.int().min(1).max(100).default(75) })
  .prefault({})
  .transform(({ minFree, maxUsedPercent }) => ({ minFreeBytes: minFree, maxUsedFraction: maxUsedPercent / 100 }));

export const spool = z
  .strictObject({
    segment: size('1MiB', '16GiB').prefault('256MiB'),
    maxInFlight: size('16MiB', '64GiB').prefault('256MiB'),
    maxObject: size('1MiB', '1TiB').prefault('16GiB'),
  })
  .prefault({})
  .transform(({ segment, maxInFlight, maxObject }) => ({
    segmentBytes: segment,
    maxInFlightBytes: maxInFlight,
    maxObjectBytes: maxObject,
  }));

/** What a known SOP Instance UID with other bytes means. */
export const sameUid = z.enum(['reject', 'keep-both-as-revision', 'quarantine']);

/** `never`, or after so long. */
const age = z
  .union([z.literal('never'), duration('1s', '36500d')])
  .transform((value) => (value === 'never' ? undefined : value));

/** Undefined is for ever. */
export const retention = z
  .strictObject({
    received: age.prefault('never'),
    results: age.prefault('never'),
    quarantine: age.prefault('never'),
    every: duration('1s', '7d').prefault('1h'),
    compactBelowPercent: z.int().min(0).max(90).default(50),
  })
  .prefault({})
  .transform(({ received, results, quarantine, every, compactBelowPercent }) => ({
    receivedMs: received,
    resultsMs: results,
    quarantineMs: quarantine,
    everyMs: every,
    compactBelowFraction: compactBelowPercent / 100,
  }));
