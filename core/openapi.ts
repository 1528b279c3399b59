/** Descriptions of HTTP interfaces (OpenAPI 3.1), made from the operations themselves, so that they cannot say something else. */
import * as z from 'zod';
import { ERRORS } from './errors.ts';

const PROBLEM_JSON = 'application/problem+json';

/** An operation as its reader sees it. The schemas are those that check the request. */
export interface DescribedOperation {
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  /** In OpenAPI's writing, below the server's path: `/studies/{studyInstanceUid}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string | undefined;
  /** What a token needs; undefined: no token is asked for. */
  readonly needs?: readonly string[] | undefined;
  readonly params?: z.ZodType | undefined;
  readonly query?: z.ZodType | undefined;
  readonly headers?: z.ZodType | undefined;
  readonly body?: z.ZodType | undefined;
  /** Media types of a body that is no JSON. */
  readonly bytes?: Readonly<Record<string, undefined>> | undefined;
  readonly status: number;
  /** By media type; a media type without a schema holds bytes. */
  readonly answer: Readonly<Record<string, z.ZodType | undefined>>;
}

export interface ApiDescription {
  readonly title: string;
  readonly description: string;
  readonly version: string;
  /** Where its paths begin. */
  readonly server: string;
  /** Of the token. */
  readonly token: string;
  /** What every operation may answer beside its own. */
  readonly refusals: Readonly<Record<number, string>>;
  readonly operations: readonly DescribedOperation[];
}

export function openApi(api: ApiDescription): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const each of api.operations) (paths[each.path] ??= {})[each.method] = describe(each, api.refusals);
  return {
    openapi: '3.1.0',
    info: { title: api.title, version: api.version, description: api.description },
    servers: [{ url: api.server }],
    security: [{ token: [] }],
    tags: [...new Set(api.operations.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: api.token } },
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

/** JSON Schema of a zod schema, as it stands inside another document. */
export function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _, ...body } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return body;
}

function describe(each: DescribedOperation, refusals: ApiDescription['refusals']): Record<string, unknown> {
  const { method, path, needs, body, summary, description } = each;
  const problem = { [PROBLEM_JSON]: { schema: { $ref: '#/components/schemas/Problem' } } };
  const refused = Object.entries(needs === undefined ? {} : refusals).map(([status, about]) => [
    status,
    { description: about, content: problem },
  ]);
  return {
    operationId: `${method}${path.replaceAll(/[{}]/g, '').replaceAll(/[/.-]+(.)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [each.tag],
    security: needs === undefined ? [] : [{ token: needs }],
    parameters: [
      ...parametersOf(each.params, 'path'),
      ...parametersOf(each.query, 'query'),
      ...parametersOf(each.headers, 'header'),
    ],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: jsonSchemaOf(body, 'input') } } } }),
    ...(each.bytes === undefined ? {} : { requestBody: { required: true, content: contentOf(each.bytes) } }),
    responses: {
      [each.status]: {
        description: summary,
        ...(Object.keys(each.answer).length === 0 ? {} : { content: contentOf(each.answer) }),
      },
      ...Object.fromEntries(refused),
      default: { description: 'A problem', content: problem },
    },
  };
}

function contentOf(answer: DescribedOperation['answer']): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(answer).map(([mediaType, schema]) => [
      mediaType,
      schema === undefined ? {} : { schema: jsonSchemaOf(schema, 'output') },
    ]),
  );
}

function parametersOf(
  schema: z.ZodType | undefined,
  place: 'path' | 'query' | 'header',
): readonly Record<string, unknown>[] {
  if (!(schema instanceof z.ZodObject)) return [];
  const { required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return Object.entries(schema.shape).map(([name, field]) => {
    const { description, ...body } = jsonSchemaOf(field as z.ZodType, 'input');
    return {
      name,
      in: place,
      required: place === 'path' || required.includes(name),
      ...(description === undefined ? {} : { description }),
      schema: body,
    };
  });
}
