/** Whether a record is to blame for what the ledger says of it, or the surroundings are. */
import { HubError, toHubError, type ErrorCode } from '../../core/errors.ts';
import { errorCode } from './storage-failure.ts';

/** True for what passes or is for the operator to mend: no record is to blame for it. */
export function isOfDiskOrSystem(error: unknown): boolean {
  return OF_DISK_OR_SYSTEM.has(toHubError(error).code) || OF_DISK_OR_SYSTEM.has(errorCode(error));
}

const OF_DISK_OR_SYSTEM: ReadonlySet<string> = new Set([
  ...([
    ...(['store.full', 'store.failed', 'ledger.locked'] as const),
    ...(['ledger.unreachable', 'ledger.busy', 'ledger.denied'] as const),
  ] satisfies ErrorCode[]),
  ...['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'],
]);

/** Never a value of the record: a constraint's name, a code. */
export function reasonOf(error: unknown): string {
  return error instanceof HubError && error.cause instanceof Error
    ? `${error.message}: ${error.cause.message}`
    : String(error);
}
