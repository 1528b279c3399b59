/** What became of the way to a partner. Stream `hub.delivery.v1`. */
import * as z from 'zod';
import type { EventEntry } from './entry.ts';
import { count, name, run, uid } from './fields.ts';

export const DELIVERY_EVENTS = {
  'delivery.succeeded': {
    stream: 'hub.delivery.v1',
    about: 'A destination has everything of a run.',
    data: z.strictObject({
      ...run,
      deliveryId: z.uuid(),
      destination: name,
      partner: name.optional(),
      releasedStudyInstanceUid: uid,
      instances: count,
      attempts: z.int(),
    }),
    partner: z.strictObject({
      studyInstanceUid: uid,
      revision: z.int(),
      deliveryId: z.uuid(),
      destination: name,
      instances: count,
      attempts: z.int(),
    }),
  },
  'delivery.dead-lettered': {
    stream: 'hub.delivery.v1',
    about: 'A delivery ended without success; it stands in the dead letters until someone replays it.',
    data: z.strictObject({
      ...run,
      deliveryId: z.uuid(),
      destination: name,
      partner: name.optional(),
      releasedStudyInstanceUid: uid,
      reason: z.string(),
      attempts: z.int(),
    }),
    partner: z.strictObject({
      studyInstanceUid: uid,
      revision: z.int(),
      deliveryId: z.uuid(),
      destination: name,
      reason: z.string(),
      attempts: z.int(),
    }),
  },
  'webhook.disabled': {
    stream: 'hub.delivery.v1',
    about:
      'A webhook that a partner manages is disabled: its endpoint is gone, or for too long nothing could be delivered. Nothing is lost: enabled again, it goes on where it stood. The key is its id.',
    data: z.strictObject({
      partner: name,
      webhookId: z.uuid(),
      reason: z.enum(['gone', 'failing']),
      failingSince: z.string().optional(),
    }),
    partner: z.strictObject({
      webhookId: z.uuid(),
      reason: z.enum(['gone', 'failing']),
      failingSince: z.string().optional(),
    }),
  },
} as const satisfies Record<string, EventEntry>;
