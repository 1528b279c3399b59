/** Routes, as far as they need no stage to say what they are: who answers for one, and when it holds. */
import * as z from 'zod';

/** `2026-03-01` is its first moment in UTC; with a time of day the offset has to stand there too. Read: UTC ISO 8601. */
const moment = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })], {
    error: 'not a day like 2026-03-01 nor a time like 2026-03-01T08:00:00+02:00',
  })
  .transform((text) => new Date(text).toISOString());

/** Spread into the schema of a route. */
export const routeStanding = {
  enabled: z.boolean().default(true),
  owner: z.string().max(200).optional(),
  contact: z.string().max(200).optional(),
  fallback: z.boolean().default(false),
  effectiveFrom: moment.optional(),
  effectiveUntil: moment.optional(),
};

/** What the two say together; a route that never holds is a mistake. */
export function reportNeverEffective(
  {
    effectiveFrom: from,
    effectiveUntil: until,
  }: { readonly effectiveFrom?: unknown; readonly effectiveUntil?: unknown },
  complain: (key: string, message: string) => void,
): void {
  const [first, end] = [from, until].map((text) => (typeof text === 'string' ? Date.parse(text) : NaN));
  if (first !== undefined && end !== undefined && first >= end)
    complain('effectiveUntil', 'not after effectiveFrom: the route would never take anything');
}
