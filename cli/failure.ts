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

/** What to do about it; undefined where the table can only point to what the sentence says already. */
export function remedyOf({ row }: HubError): string | undefined {
  return row.remedy.startsWith('See the detail') ? undefined : row.remedy;
}

/** What is wrong, and what to do about it. */
export function adviceOf(error: HubError): string {
  const remedy = remedyOf(error);
  return remedy === undefined ? sentenceOf(error) : `${sentenceOf(error)}: ${remedy.replace(/\.$/u, '')}`;
}

/**
 * Any thrown value as a HubError. What the operating system said about a file the person named is no defect of ours:
 * it becomes `file.failed` with the path and the reason.
 */
export function commandFailure(thrown: unknown): HubError {
  const error = toHubError(thrown);
  if (error.code !== 'internal.unexpected') return error;
  const detail = causeOf(error);
  return detail === undefined ? error : new HubError('file.failed', { detail }, error.cause);
}

/** What the operating system said, when it was asked: `/data/hub.yaml: permission denied`. */
export function causeOf({ cause }: HubError): string | undefined {
  if (!isSystemError(cause)) return undefined;
  const reason = getSystemErrorMessage(cause.errno);
  return cause.path === undefined ? reason : `${cause.path}: ${reason}`;
}

interface SystemError extends Error {
  readonly errno: number;
  readonly path?: string;
}

function isSystemError(cause: unknown): cause is SystemError {
  return cause instanceof Error && 'errno' in cause && typeof cause.errno === 'number' && 'syscall' in cause;
}
