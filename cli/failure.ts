/** What a failure says to the person at the terminal. */
import { getSystemErrorMessage } from 'node:util';
import { HubError, toHubError } from '../core/errors.ts';

/** `Data set cannot be read: cut off (offset 420)`. */
export function sentenceOf(error: HubError): string {
  const { detail, ...others } = error.fields;
  const fields = Object.entries(others).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} ${String(value)}`],
  );
  const rest = fields.length === 0 ? '' : ` (${fields.join(', ')})`;
  return `${error.row.title}${detail === undefined ? '' : `: ${String(detail)}`}${rest}`;
}

/**
 * Any thrown value as a HubError. What the operating system said about a file the person named is no defect of ours:
 * it becomes `file.failed` with the path and the reason.
 */
export function commandFailure(thrown: unknown): HubError {
  const error = toHubError(thrown);
  if (error.code !== 'internal.unexpected' || !isSystemError(error.cause)) return error;
  const { path, errno } = error.cause;
  const reason = getSystemErrorMessage(errno);
  return new HubError('file.failed', { detail: path === undefined ? reason : `${path}: ${reason}` }, error.cause);
}

interface SystemError extends Error {
  readonly errno: number;
  readonly path?: string;
}

function isSystemError(cause: unknown): cause is SystemError {
  return cause instanceof Error && 'errno' in cause && typeof cause.errno === 'number' && 'syscall' in cause;
}
