/** An error on its way between threads or processes: it does not survive the crossing with its class; its parts do. */
import { type ErrorCode, type ErrorFields, HubError, toHubError } from './errors.ts';

export interface PackedError {
  readonly code: ErrorCode;
  readonly fields: ErrorFields;
  readonly cause?: { readonly name: string; readonly message: string; readonly stack: string | undefined };
}

export function packError(error: unknown): PackedError {
  const { code, fields, cause } = toHubError(error);
  if (!(cause instanceof Error)) return { code, fields };
  return { code, fields, cause: { name: cause.name, message: cause.message, stack: cause.stack } };
}

export function unpackError({ code, fields, cause }: PackedError): HubError {
  if (cause === undefined) return new HubError(code, fields);
  const inner = new Error(cause.message);
  inner.name = cause.name;
  if (cause.stack !== undefined) inner.stack = cause.stack;
  return new HubError(code, fields, inner);
}
