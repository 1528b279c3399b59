/** Keys that every destination may have, as zod reads them from the configuration. */
import * as z from 'zod';
import { duration } from '../core/quantities.ts';

const DEFAULT_CONCURRENCY = 2;

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
  retry: z
    .strictObject({
      attempts: z.int().min(1).max(100).default(10),
      firstDelay: duration('0ms', '1d').prefault('30s'),
      maxDelay: duration('0ms', '7d').prefault('10m'),
    })
    .prefault({})
    .transform(({ attempts, firstDelay, maxDelay }) => ({ attempts, firstDelayMs: firstDelay, maxDelayMs: maxDelay }))
    .describe('When a failed delivery is tried again: doubling delays, then a dead letter.'),
};

/** A secret never stands in the configuration itself. */
export const secretReference = z.union([
  z.strictObject({ env: z.string().min(1) }),
  z.strictObject({ file: z.string().min(1) }),
]);
