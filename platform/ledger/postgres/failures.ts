/** What PostgreSQL's failures mean to the hub. https://www.postgresql.org/docs/current/errcodes-appendix.html */
import { HubError } from '../../../core/errors.ts';

/** SQLSTATE, or the code of the system or of TLS. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Who asked for it must look at the configuration, the certificate or the rights of the user: asking again changes nothing. */
const DENIED = /^(?:28...|3D000|42501|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_|ERR_SSL_|HOSTNAME_MISMATCH)/;
/** The server is gone, going, coming, or not to be found. */
const UNREACHABLE = /^(?:08...|57P0[1-5]|25006|E[A-Z_]{2,}$)/;
/** Too much at once, or two that waited for each other. */
const BUSY = /^(?:40...|53[02-4]..|55P03|57014|25P0[34])/;
/** The transaction met another one: done again it goes through, or finds what the other did. 23505: both made the same row. */
const COLLIDED = /^(?:40001|40P01|23505|55P03)/;

/** What the client library says without a code when its connection is over, or was never there. */
const LOST = /connection (?:terminated|error)|not queryable|timeout expired|read timeout|connection ended/i;

/** What the pool says to whoever waited too long for a connection that others have: the server may be well, or frozen. */
const ALL_TAKEN = /timeout exceeded when trying to connect/i;

/** True when the connection is of no use any more. */
export function isConnectionLost(error: unknown): boolean {
  return error instanceof HubError ? error.code === 'ledger.unreachable' : isUnreachable(error);
}

function isUnreachable(error: unknown): boolean {
  const code = codeOf(error);
  return code === '' ? error instanceof Error && LOST.test(error.message) : UNREACHABLE.test(code);
}

/** True when the same transaction once more may go through. */
export function isCollision(error: unknown): boolean {
  return COLLIDED.test(codeOf(error));
}

/** What follows a failed statement in its transaction; the failure itself came before it. */
export function isConsequence(error: unknown): boolean {
  return codeOf(error) === '25P02';
}

/** What the server says of a transaction whose number it has not given yet: invalid_parameter_value. */
export function isInTheFuture(error: unknown): boolean {
  return codeOf(error) === '22023';
}

/** In the hub's words; an error of the hub itself, and one that nobody expected, stay what they are. */
export function translate(error: unknown): unknown {
  if (error instanceof HubError) return error;
  const code = codeOf(error);
  const cause = withoutValues(error);
  const detail = cause instanceof Error ? cause.message : undefined;
  if (DENIED.test(code) || (error instanceof Error && /does not support SSL/.test(error.message)))
    return new HubError('ledger.denied', { detail }, cause);
  if (isUnreachable(error)) return new HubError('ledger.unreachable', { detail }, cause);
  if (code === '53100') return new HubError('store.full', {}, cause);
  if (BUSY.test(code) || (error instanceof Error && ALL_TAKEN.test(error.message)))
    return new HubError('ledger.busy', { detail }, cause);
  if (/^(?:58|XX)...$/.test(code)) return new HubError('store.failed', { detail }, cause);
  return cause;
}

/** The server quotes values of rows in some of its sentences: they stay out of logs and answers. */
function withoutValues(error: unknown): unknown {
  const code = codeOf(error);
  if (!(error instanceof Error) || !/^[0-9A-Z]{5}$/.test(code)) return error;
  const mayQuote = /^2[12]|^23/.test(code);
  const plain = new Error(mayQuote ? `PostgreSQL ${code}` : `${error.message} (PostgreSQL ${code})`);
  plain.name = 'PostgresError';
  return plain;
}
