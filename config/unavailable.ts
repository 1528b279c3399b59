/** Keys and kinds the design names and this version lacks: refused by name, so that nobody believes they took effect. */
import * as z from 'zod';

export const NOT_AVAILABLE = 'not available in this version';

/** A key that may not be there yet. */
export const unavailableKey = z.never({ error: NOT_AVAILABLE }).optional().describe(`${NOT_AVAILABLE}: reserved`);
