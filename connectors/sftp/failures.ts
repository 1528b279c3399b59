/** What goes wrong with an SFTP server, as a row of the table of errors: whether it is worth another try. */
import { HubError } from '../../core/errors.ts';

export /** draft-ietf-secsh-filexfer-02 Section 7 */
const STATUS = { noSuchFile: 2, permissionDenied: 3, failure: 4, unsupported: 8 } as const;

export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}

/** @param what - what could not be done with a file; no name of one, for a server may log what it is told */
export function fileFailure(error: unknown, what: string): unknown {
  if (error instanceof HubError || !(error instanceof Error)) return error;
  const status = statusOf(error);
  const fields = { detail: `a file cannot be ${what}`, status };
  switch (status) {
    case STATUS.permissionDenied:
      return new HubError(
        'partner.refused',
        { ...fields, detail: `a file may not be ${what}: permission denied` },
        error,
      );
    case STATUS.unsupported:
    case STATUS.noSuchFile:
      return new HubError('partner.refused', fields, error);
    case undefined:
      return new HubError('partner.unreachable', { detail: 'the connection broke' }, error);
    default:
      // Of version 3 a full disk, a quota and a share that is gone are all just "failure": it may pass.
      return new HubError('partner.busy', fields, error);
  }
}

/** Of the connection, before or while it stands. */
export function connectionFailure(error: Error): HubError {
  const level = 'level' in error ? String(error.level) : '';
  const reason = 'code' in error && typeof error.code === 'string' ? error.code : level;
  if (level === 'client-authentication')
    return new HubError('partner.refused', { detail: 'it does not let us in: user, key or password', reason }, error);
  if (/no matching .*/i.test(error.message))
    return new HubError('partner.refused', { detail: 'no method in common (ciphers, keys)', reason }, error);
  return new HubError('partner.unreachable', { detail: 'no connection, or it broke', reason }, error);
}
