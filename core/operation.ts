/**
 * An operation over HTTP, whoever may ask for it: the schemas that describe it check what comes in and what goes out. What
 * a token needs for it is said by the interface it belongs to.
 */
import type * as z from 'zod';
import { HubError } from './errors.ts';
import { parseInput, parseQuery } from './parse-input.ts';

/** What an operation takes and answers. `Asker` is what its handler learns of who asks. */
export interface CheckedOperation<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Answer extends z.ZodType,
  Asker extends object,
> {
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  /** In OpenAPI's writing, below the path of its interface: `/studies/{studyInstanceUid}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  readonly status?: 200 | 201 | 202;
  readonly answer: Answer;
  /** Set for what changes something: the action of the audit event. */
  readonly audit?: string;
  /** What the audit event is about; the first parameter of the path when absent. */
  readonly subject?: (answer: z.output<Answer>) => string;
  readonly handle: (
    input: {
      readonly params: z.output<Params>;
      readonly query: z.output<Query>;
      readonly body: z.output<Body>;
    } & Asker,
  ) => Promise<z.input<Answer>>;
}

/** A request as the HTTP server has parsed it. */
interface ParsedRequest {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly params: Readonly<Record<string, string | readonly string[]>>;
  readonly query: unknown;
  readonly body?: unknown;
}

export interface Performed {
  readonly answer: unknown;
  /** For the audit event. */
  readonly subject: string;
}

/** Of an operation that takes none: its handler sees an empty object. */
export type Nothing = z.ZodObject<Record<string, never>>;

/** Does what is asked for. @throws {HubError} `request.invalid`, `request.media-type`, and what the operation throws */
export async function perform<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Answer extends z.ZodType,
  Asker extends object,
>(
  { params, query, body, answer, path, subject, handle }: CheckedOperation<Params, Query, Body, Answer, Asker>,
  request: ParsedRequest,
  asker: Asker,
): Promise<Performed> {
  if (body !== undefined && request.body === undefined && hasBody(request)) {
    throw new HubError('request.media-type', { detail: 'the body must be application/json' });
  }
  const input = {
    params: parseInput(params, request.params, 'path'),
    query: parseQuery(query, request.query),
    body: parseInput(body, request.body ?? {}, 'body'),
    ...asker,
  };
  // Fields that the contract does not name stay inside, whatever the ledger's rows hold.
  const checked = answer.parse(await handle(input));
  return {
    answer: checked,
    subject: subject?.(checked) ?? Object.values(request.params)[0]?.toString() ?? path,
  };
}

/** One that came and that the server did not read, for it is no JSON (RFC 9112 Section 6). */
function hasBody({ headers }: ParsedRequest): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}
