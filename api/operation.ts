/** One operation of the API: what it takes, what it answers, who may, and the schemas that both check it and document it. */
import type { Request, RequestHandler } from 'express';
import type * as z from 'zod';
import type { Role } from '../core/ledger/tokens.ts';
import { parseInput } from '../core/parse-input.ts';
import type { Identity } from '../core/ports.ts';

export interface Input<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly identity: Identity;
}

export interface OperationDefinition<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Answer extends z.ZodType,
> {
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  /** In OpenAPI's writing, below /api/v1: `/studies/{studyInstanceUid}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly roles: readonly Role[];
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  readonly status?: 200 | 201 | 202;
  readonly answer: Answer;
  /** The answer is a page, as a string; otherwise it is JSON. */
  readonly isPage?: true;
  /** Set for what changes something: the action of the audit event. */
  readonly audit?: string;
  /** What the audit event is about; the first parameter of the path when absent. */
  readonly subject?: (answer: z.output<Answer>) => string;
  readonly handle: (input: Input<z.output<Params>, z.output<Query>, z.output<Body>>) => Promise<z.input<Answer>>;
}

/** An operation whose types have been forgotten after they were checked. */
export interface Operation {
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly roles: readonly Role[];
  readonly params: z.ZodType | undefined;
  readonly query: z.ZodType | undefined;
  readonly body: z.ZodType | undefined;
  readonly status: number;
  readonly answer: z.ZodType;
  readonly isPage: boolean;
  readonly audit: string | undefined;
  readonly perform: (
    request: Request,
    identity: Identity,
  ) => Promise<{ readonly answer: unknown; readonly subject: string }>;
}

export interface Access {
  require(...roles: readonly Role[]): RequestHandler;
  identityOf(request: Request): Identity;
}

/** Of an operation that takes none: its handler sees an empty object. */
type Nothing = z.ZodObject<Record<string, never>>;

export function operation<
  Answer extends z.ZodType,
  Params extends z.ZodType = Nothing,
  Query extends z.ZodType = Nothing,
  Body extends z.ZodType = z.ZodUnknown,
>(definition: OperationDefinition<Params, Query, Body, Answer>): Operation {
  const { method, path, tag, summary, roles, params, query, body, answer, audit } = definition;
  return {
    method,
    path,
    tag,
    summary,
    roles,
    params,
    query,
    body,
    status: definition.status ?? 200,
    answer,
    isPage: definition.isPage === true,
    audit,
    perform: async (request, identity) => {
      const input = {
        params: parseInput(params, request.params, 'path'),
        query: parseInput(query, request.query, 'query'),
        body: parseInput(body, request.body ?? {}, 'body'),
        identity,
      };
      // Fields that the contract does not name stay inside, whatever the ledger's rows hold.
      const checked = answer.parse(await definition.handle(input));
      return {
        answer: checked,
        subject: definition.subject?.(checked) ?? Object.values(request.params)[0]?.toString() ?? path,
      };
    },
  };
}
