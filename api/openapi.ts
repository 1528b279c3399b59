/** The API's description (OpenAPI 3.1), made from the operations themselves, so that it cannot say something else. */
import * as z from 'zod';
import { ERRORS } from '../core/errors.ts';
import type { Operation } from './operation.ts';

const PROBLEM = 'application/problem+json';

export function openApiDocument(operations: readonly Operation[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const each of operations) (paths[each.path] ??= {})[each.method] = describe(each);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Imaging hub',
      version,
      description: 'Administration of the hub. Errors are problem details (RFC 9457).',
    },
    servers: [{ url: '/api/v1' }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'A token of `hub token create`.' } },
      schemas: {
        Problem: {
          type: 'object',
          required: ['type', 'title', 'status', 'instance'],
          properties: {
            type: { type: 'string', enum: Object.keys(ERRORS).map((code) => `urn:hub:error:${code}`) },
            title: { type: 'string' },
            status: { type: 'integer' },
            detail: { type: 'string' },
            issues: { type: 'array', items: { type: 'string' } },
            remedy: { type: 'string' },
            instance: { type: 'string' },
          },
        },
      },
    },
  };
}

function describe(each: Operation): Record<string, unknown> {
  const { params, query, body, answer, roles, summary, tag, status } = each;
  return {
    operationId: `${each.method}${each.path.replace(/[{}]/g, '').replace(/[/-]+(.)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary,
    description: `Roles: ${roles.join(', ')}.`,
    tags: [tag],
    parameters: [...parametersOf(params, 'path'), ...parametersOf(query, 'query')],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body, 'input') } } } }),
    responses: {
      [status]: { description: summary, content: { 'application/json': { schema: schemaOf(answer, 'output') } } },
      default: {
        description: 'A problem',
        content: { [PROBLEM]: { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  };
}

function parametersOf(schema: z.ZodType | undefined, place: 'path' | 'query'): readonly Record<string, unknown>[] {
  if (!(schema instanceof z.ZodObject)) return [];
  const { required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return Object.entries(schema.shape).map(([name, field]) => {
    const { description, ...body } = schemaOf(field as z.ZodType, 'input');
    return {
      name,
      in: place,
      required: place === 'path' || required.includes(name),
      ...(description === undefined ? {} : { description }),
      schema: body,
    };
  });
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _, ...body } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return body;
}
