/** What is to be done with a study, and what cannot be. Stream `hub.work.v1`. */
import * as z from 'zod';
import { OVERRIDE_REASONS } from '../override-reasons.ts';
import type { EventEntry } from './entry.ts';
import { count, name, run, uid } from './fields.ts';

export const WORK_EVENTS = {
  'study.routed': {
    stream: 'hub.work.v1',
    about: 'A route matched; one event a matching route (and, with perSeries, one for the matching series together).',
    data: z.strictObject({
      ...run,
      instances: z.int().min(1),
      series: z.array(uid),
      processors: z.array(name),
      destinations: z.array(name),
      configVersion: z.string(),
    }),
  },
  'study.unrouted': {
    stream: 'hub.work.v1',
    about: 'No route matched; the study stands in the list of unrouted studies.',
    data: z.strictObject({
      studyInstanceUid: uid,
      revision: z.int().min(1),
      instances: z.int().min(1),
      routesTried: count,
      configVersion: z.string(),
    }),
  },
  'study.overridden': {
    stream: 'hub.work.v1',
    about: 'Somebody let a run go on behind the step that held it, all the same; who, and why.',
    data: z.strictObject({
      ...run,
      quarantineId: z.uuid(),
      processor: name,
      /** Why it was held. */
      heldFor: z.string(),
      because: z.enum(OVERRIDE_REASONS),
      /** The token's ID, or `local`; as in the audit. */
      by: z.string(),
      role: z.string(),
    }),
  },
  'study.quarantined': {
    stream: 'hub.work.v1',
    about: 'Content that cannot be trusted or processed is held with its bytes, the reason and a way to replay.',
    data: z.strictObject({
      studyInstanceUid: uid.optional(),
      quarantineId: z.uuid(),
      stage: z.string(),
      reason: z.string(),
      instances: count,
      runId: z.uuid().optional(),
      /** Of the run. */
      configVersion: z.string().optional(),
    }),
  },
} as const satisfies Record<string, EventEntry>;
