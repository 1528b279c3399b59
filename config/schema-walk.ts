/** What a schema looks like inside: which keys an object has, and which single keys there are to be set from outside. */
import * as z from 'zod';

type Schema = z.core.$ZodType;

/** Keys of the object the schema reads, or none when it reads something else. */
export function keysOf(schema: Schema): readonly string[] {
  return Object.keys(shapeOf(schema) ?? {});
}

/** Keys the schema knows at a path, for suggestions. */
export function keysAt(schema: Schema, path: readonly PropertyKey[]): readonly string[] {
  let here: Schema | undefined = schema;
  for (const step of path) {
    const inner: Schema = unwrap(here);
    here = inner instanceof z.ZodArray ? inner.element : shapeOf(inner)?.[String(step)];
    if (here === undefined) return [];
  }
  return keysOf(here);
}

/** A key that holds a single value (or a list of single values), with what its text becomes. */
export interface Leaf {
  readonly path: readonly string[];
  readonly type: 'text' | 'number' | 'boolean' | 'list';
}

/** Every key of the nested objects, from the top; lists of entries and mappings of any keys are no single keys. */
export function leavesOf(schema: Schema, path: readonly string[] = []): readonly Leaf[] {
  const shape = shapeOf(schema);
  if (shape !== undefined) return Object.entries(shape).flatMap(([key, inner]) => leavesOf(inner, [...path, key]));
  const type = leafType(unwrap(schema));
  return type === undefined ? [] : [{ path, type }];
}

function leafType(schema: Schema): Leaf['type'] | undefined {
  if (schema instanceof z.ZodString || schema instanceof z.ZodEnum || schema instanceof z.ZodLiteral) return 'text';
  if (schema instanceof z.ZodNumber) return 'number';
  if (schema instanceof z.ZodBoolean) return 'boolean';
  // Text or a list of texts: a comma makes it a list.
  if (schema instanceof z.ZodUnion) return 'list';
  return undefined;
}

function shapeOf(schema: Schema): Readonly<Record<string, Schema>> | undefined {
  const inner = unwrap(schema);
  return inner instanceof z.ZodObject ? inner.shape : undefined;
}

/** Without defaults and transforms: what is read, not what comes of it. */
function unwrap(schema: Schema): Schema {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
    return unwrap(schema.def.innerType);
  }
  if (!(schema instanceof z.ZodPipe)) return schema;
  // A pipe into an object only looks before it reads.
  const from = unwrap(schema.def.in);
  return from instanceof z.ZodUnknown || from instanceof z.ZodTransform ? unwrap(schema.def.out) : from;
}
