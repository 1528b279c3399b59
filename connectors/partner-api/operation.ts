/** One operation of the partner API: what it takes, what it answers, and the scope it needs. The schemas check and document it. */
import type { Request } from 'express';
import type * as z from 'zod';
import type { DescribedOperation } from '../../core/openapi.ts';
import { parseInput } from '../../core/parse-input.ts';
import type { PartnerScope } from '../../core/partners.ts';
import type { Caller } from './door.ts';

interface Definition<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Answer extends z.ZodType,
> {
  readonly method: DescribedOperation['method'];
  /** In OpenAPI's writing, below /partner/v1. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** Absent: any token of the partner. */
  readonly scope?: PartnerScope;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  readonly status?: 200 | 201 | 202;
  readonly answer: Answer;
  /** Set for what changes something: the action of the audit event. */
  readonly audit?: string;
  /** What the audit event is about; the first parameter of the path when absent. */
  readonly subject?: (answer: z.output<Answer>) => string;
  readonly handle: (input: {
    readonly params: z.output<Params>;
    readonly query: z.output<Query>;
    readonly body: z.output<Body>;
    readonly caller: Caller;
  }) => Promise<z.input<Answer>>;
}

/** An operation whose types have been forgotten after they were checked. */
export interface PartnerOperation {
  readonly described: DescribedOperation;
  readonly scope: PartnerScope | undefined;
  readonly audit: string | undefined;
  readonly perform: (
    request: Request,
    caller: Caller,
  ) => Promise<{ readonly answer: unknown; readonly subject: string }>;
}

/** Of an operation that takes none. */
type Nothing = z.ZodObject<Record<string, never>>;

export function partnerOperation<
  Answer extends z.ZodType,
  Params extends z.ZodType = Nothing,
  Query extends z.ZodType = Nothing,
  Body extends z.ZodType = z.ZodUnknown,
>(definition: Definition<Params, Query, Body, Answer>): PartnerOperation {
  const { method, path, tag, summary, description, scope, params, query, body, answer } = definition;
  return {
    described: {
      ...{ method, path, tag, summary, description, params, query, body },
      needs: scope === undefined ? [] : [scope],
      status: definition.status ?? 200,
      answer: { 'application/json': answer },
    },
    scope,
    audit: definition.audit,
    perform: async (request, caller) => {
      const input = {
        params: parseInput(params, request.params, 'path'),
        query: parseInput(query, request.query, 'query'),
        body: parseInput(body, request.body ?? {}, 'body'),
        caller,
      };
      // Fields that the contract does not name stay inside, whatever the ledger's rows hold.
      const checked = answer.parse(await definition.handle(input));
      const subject = definition.subject?.(checked) ?? Object.values(request.params)[0]?.toString() ?? path;
      return { answer: checked, subject };
    },
  };
}
