/** Which deliveries are meant, as a request says it. */
import * as z from 'zod';
import type { DeliveryFilter } from '../core/ledger/deliveries.ts';

const time = z.iso.datetime({ offset: true });

export const deliveryFilter = {
  destination: z.string().max(64).optional(),
  study: z.string().max(64).optional().describe('Study Instance UID, its own or the one it was released under.'),
  route: z.string().max(64).optional(),
  partner: z.string().max(64).optional(),
  since: time.optional().describe('Opened then or later.'),
  until: time.optional().describe('Opened before.'),
  reason: z
    .string()
    .regex(/^[a-z-]+\.[a-z-]+$/, 'not an error code like partner.refused')
    .optional()
    .describe('Error code of the last attempt.'),
};

type Given = { readonly [Key in keyof typeof deliveryFilter]?: string | undefined };

export function filterOf({ destination, study, route, partner, since, until, reason }: Given): DeliveryFilter {
  return {
    ...(destination === undefined ? {} : { destination }),
    ...(study === undefined ? {} : { study }),
    ...(route === undefined ? {} : { route }),
    ...(partner === undefined ? {} : { partner }),
    ...(since === undefined ? {} : { since: new Date(since) }),
    ...(until === undefined ? {} : { until: new Date(until) }),
    ...(reason === undefined ? {} : { reason }),
  };
}
