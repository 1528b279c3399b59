/** Entries of the configuration whose shape a plug-in owns: destinations by `type`, steps by processor. */
import * as z from 'zod';
import type { RunStep } from '../core/ledger/runs.ts';
import type { DestinationOptions } from '../core/plugins.ts';
import { suggest } from '../core/suggestion.ts';
import { findingsOf, messageOf } from './mistakes.ts';
import { keysAt } from './schema-walk.ts';

/** One entry of `destinations`: `type` decides which connector reads it. */
export function destinationSchema<Destination extends DestinationOptions>(
  connectors: readonly { readonly type: string; readonly options: z.ZodType<Destination> }[],
): z.ZodType<Destination> {
  const types = connectors.map(({ type }) => type);
  const alternatives = connectors.map(({ options }) => editorSchema(options));
  return z
    .unknown()
    .transform((value, context): Destination => {
      const complain = (path: readonly PropertyKey[], message: string) => {
        context.issues.push({ code: 'custom', path: [...path], message, input: value });
        return z.NEVER;
      };
      if (!isMapping(value)) return complain([], 'a mapping with name and type');
      const type = value['type'];
      const connector = connectors.find((each) => each.type === type);
      if (connector === undefined) return complain('type' in value ? ['type'] : [], typeMessage(type, types));
      const result = connector.options.safeParse(value, { error: messageOf });
      if (result.success) return result.data;
      // Only here is it known which keys this type has.
      for (const finding of findingsOf(result.error.issues, (path) => keysAt(connector.options, path))) {
        complain(finding.path, finding.message);
      }
      return z.NEVER;
    })
    .meta({ oneOf: alternatives });
}

function typeMessage(type: unknown, types: readonly string[]): string {
  const choices = `one of ${types.join(', ')}`;
  if (type === undefined) return `missing: type, ${choices}`;
  if (typeof type !== 'string') return `not ${choices}`;
  return `no such type, ${choices}${suggest(type, types)}`;
}

/** One step of a route: `qc`, or with what it works by: `{ deidentify: kct }`. */
export function stepSchema(processors: readonly { readonly name: string }[]): z.ZodType<RunStep> {
  const names = processors.map(({ name }) => name);
  return z
    .unknown()
    .transform((value, context): RunStep => {
      const complain = (path: readonly PropertyKey[], message: string) => {
        context.issues.push({ code: 'custom', path: [...path], message, input: value });
        return z.NEVER;
      };
      const step = stepOf(value);
      if (step === undefined)
        return complain(
          [],
          `a step is the name of a processor, or one key with what it works by: { deidentify: POLICY }`,
        );
      if (names.includes(step.processor)) return step;
      const path = typeof value === 'string' ? [] : [step.processor];
      return complain(
        path,
        `no such processor: ${step.processor}; one of ${names.join(', ')}${suggest(step.processor, names)}`,
      );
    })
    .meta({
      anyOf: [
        { enum: names },
        {
          type: 'object',
          minProperties: 1,
          maxProperties: 1,
          properties: Object.fromEntries(names.map((name) => [name, {}])),
          additionalProperties: false,
        },
      ],
    });
}

/** The step as it is written, whether or not there is such a processor. */
export function stepOf(value: unknown): RunStep | undefined {
  if (typeof value === 'string') return { processor: value, argument: undefined };
  if (!isMapping(value)) return undefined;
  const [entry, second] = Object.entries(value);
  if (entry === undefined || second !== undefined) return undefined;
  return { processor: entry[0], argument: entry[1] ?? undefined };
}

/** JSON Schema without the key that only a document of its own has. */
function editorSchema(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return rest;
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
