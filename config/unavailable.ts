/** Keys and kinds the design names and this version lacks: refused by name, so that nobody believes they took effect. */
import * as z from 'zod';

export const NOT_AVAILABLE = 'not available in this version';

/** A key that may not be there yet. */
export const unavailableKey = z.never({ error: NOT_AVAILABLE }).optional().describe(`${NOT_AVAILABLE}: reserved`);

/** A section with a `kind` of which there is one so far. */
export function onlyKind<const Kind extends string>(available: Kind, planned: string): z.ZodType<{ kind: Kind }> {
  return z
    .unknown()
    .transform((value, context) => {
      // Other keys of a planned kind would only add noise to the one thing that is wrong.
      const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
      if (kind === planned) {
        context.issues.push({
          code: 'custom',
          path: ['kind'],
          message: `${planned} is ${NOT_AVAILABLE}; only ${available} is`,
          input: kind,
        });
      }
      return value;
    })
    .pipe(z.strictObject({ kind: z.literal(available).default(available) }));
}
