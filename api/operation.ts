/** One operation of the API: what it takes, what it answers, who may, and the schemas that both check it and document it. */
import type { Request, RequestHandler } from 'express';
import type * as z from 'zod';
import type { Role } from '../core/ledger/tokens.ts';
import { type CheckedOperation, type Nothing, perform, type Performed } from '../core/operation.ts';
import type { Identity } from '../core/ports.ts';

interface Asker {
  readonly identity: Identity;
}

interface Definition<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Answer extends z.ZodType,
> extends CheckedOperation<Params, Query, Body, Answer, Asker> {
  readonly roles: readonly Role[];
  /** The answer is a page, as a string; otherwise it is JSON. */
  readonly isPage?: true;
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
  readonly perform: (request: Request, identity: Identity) => Promise<Performed>;
}

export interface Access {
  require(...roles: readonly Role[]): RequestHandler;
  identityOf(request: Request): Identity;
}

export function operation<
  Answer extends z.ZodType,
  Params extends z.ZodType = Nothing,
  Query extends z.ZodType = Nothing,
  Body extends z.ZodType = z.ZodUnknown,
>(definition: Definition<Params, Query, Body, Answer>): Operation {
  const { method, path, tag, summary, roles, params, query, body, answer, audit } = definition;
  return {
    ...{ method, path, tag, summary, roles, params, query, body, answer, audit },
    status: definition.status ?? 200,
    isPage: definition.isPage === true,
    perform: (request, identity) => perform(definition, request, { identity }),
  };
}
