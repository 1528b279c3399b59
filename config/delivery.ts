/** What a route says of its deliveries. The keys of destinations are their connectors' (`connectors/destination-options.ts`). */
import * as z from 'zod';
import { DELIVERY_PRIORITIES } from '../core/ledger/deliveries.ts';

/** Absent: each destination's own. */
export const routePriority = z
  .enum(DELIVERY_PRIORITIES)
  .optional()
  .describe('Whose turn it is at the destinations of this route.');
