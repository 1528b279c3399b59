/** One operation of the partner API: what it takes, what it answers, and the scope it needs. The schemas check and document it. */
import type { Request } from 'express';
import type * as z from 'zod';
import type { DescribedOperation } from '../../core/openapi.ts';
import { type CheckedOperation, type Nothing, perform, type Performed } from '../../core/operation.ts';
import type { PartnerScope } from '../../core/partners.ts';
import type { Caller } from './door.ts';

interface Asker {
  readonly caller: Caller;
}

interface Definition<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Answer extends z.ZodType,
> extends CheckedOperation<Params, Query, Body, Answer, Asker> {
  readonly description?: string;
  /** Absent: any token of the partner. */
  readonly scope?: PartnerScope;
}

/** An operation whose types have been forgotten after they were checked. */
export interface PartnerOperation {
  readonly described: DescribedOperation;
  readonly scope: PartnerScope | undefined;
  readonly audit: string | undefined;
  readonly perform: (request: Request, caller: Caller) => Promise<Performed>;
}

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
    perform: (request, caller) => perform(definition, request, { caller }),
  };
}
