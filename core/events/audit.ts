/** What people did. Stream `hub.audit.v1`. */
import * as z from 'zod';
import type { EventEntry } from './entry.ts';

export const AUDIT_EVENTS = {
  'action.audited': {
    stream: 'hub.audit.v1',
    about: 'Somebody with a token did something that changes what the hub does or shows.',
    data: z.strictObject({
      actor: z.string(),
      role: z.string(),
      action: z.string(),
      subject: z.string(),
      outcome: z.enum(['done', 'refused']),
    }),
  },
} as const satisfies Record<string, EventEntry>;
