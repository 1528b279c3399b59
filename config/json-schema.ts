/** The schema of the file for editors. */
import * as z from 'zod';
import type { DestinationOptions } from '../core/plugins.ts';
import { type ConfigShapes, hubConfigSchema, type PolicyEntry } from './schema.ts';

/** JSON Schema 2020-12 of the file as it is written. Checks across entries are `hub check`'s alone. */
export function configJsonSchema<W, P extends PolicyEntry, D extends DestinationOptions>(
  shapes: ConfigShapes<W, P, D>,
): Record<string, unknown> {
  return {
    title: 'Configuration of the imaging hub',
    ...z.toJSONSchema(hubConfigSchema(shapes), { io: 'input', unrepresentable: 'any' }),
  };
}
