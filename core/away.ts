/** Failures of what the hub itself stands on, as against those of what it was asked to do. */
import { type ErrorCode, toHubError } from './errors.ts';

const LEDGER_AWAY: ReadonlySet<ErrorCode> = new Set(['ledger.unreachable', 'ledger.busy', 'ledger.denied']);
const STORE_AWAY: ReadonlySet<ErrorCode> = new Set([
  ...(['store.unreachable', 'store.denied', 'store.credentials', 'store.bucket-missing'] as const),
  ...(['store.wrong-region', 'store.clock-skew', 'store.bucket-full', 'store.foreign'] as const),
]);

/** The ledger was not told, and can be told later. */
export function isLedgerAway(error: unknown): boolean {
  return LEDGER_AWAY.has(toHubError(error).code);
}

/** The hub's own object store was not asked, or did not let the hub in: nothing is known of what lies there. */
export function isStoreAway(error: unknown): boolean {
  return STORE_AWAY.has(toHubError(error).code);
}
