/** What the API says of configurations: how two differ, what was taken, and what another one would have done. */
import * as z from 'zod';

const count = z.int().min(0);
const names = z.array(z.string());

export const difference = z.object({
  pointer: z.string().describe('Entries of lists by their names: /routes/brain/deliver'),
  change: z.enum(['added', 'removed', 'changed']),
  before: z.unknown().optional(),
  after: z.unknown().optional(),
});

export const takenConfiguration = z.object({
  version: z.string(),
  previous: z.string(),
  isNew: z.boolean().describe('False: it was in force already'),
  differences: z.array(difference),
  warnings: names,
  fileDiffers: z.boolean().describe('The file says something else: the next start would take the file'),
});

export const routesDiff = z.object({
  from: z.string(),
  to: z.string(),
  studies: count,
  unroutedBefore: count,
  unroutedAfter: count,
  heldBefore: count.describe('Would wait for series that never came'),
  heldAfter: count,
  changed: count.describe('Studies that would go another way; changes lists the first of them'),
  routes: z.array(z.object({ route: z.string(), before: count, after: count, settings: names.optional() })),
  destinations: z.array(
    z.object({
      destination: z.string(),
      partner: z.string().optional(),
      change: z.enum(['added', 'removed', 'changed', 'same']),
      before: count,
      after: count,
    }),
  ),
  steps: z.array(z.object({ step: z.string(), routes: names, destinations: names, partners: names, studies: count })),
  changes: z.array(
    z.object({
      studyInstanceUid: z.string(),
      revision: count,
      routes: z.array(
        z.object({
          route: z.string(),
          change: z.enum(['gained', 'lost', 'changed']),
          why: z.array(z.enum(['steps', 'policy-or-model', 'destinations', 'series'])).optional(),
          destinations: names,
        }),
      ),
      gains: names,
      losses: names,
      becomesUnrouted: z.boolean(),
      becomesHeld: z.boolean(),
    }),
  ),
});
