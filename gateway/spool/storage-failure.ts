/** What a failing disk means to the sender. */
import { HubError } from '../../core/errors.ts';

export function storageFailure(error: unknown): HubError {
  if (error instanceof HubError) return error;
  const code = errorCode(error);
  return new HubError(code === 'ENOSPC' || code === 'EDQUOT' ? 'store.full' : 'store.failed', { reason: code }, error);
}

/** The system's word for it, for a log: no path, no message. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
}
