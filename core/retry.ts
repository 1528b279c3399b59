/** When something that failed is tried again: deliveries and runs by a policy, the end of work while its lease lasts. */
import { HubError } from './errors.ts';
import { waited } from './waited.ts';

/** When to try again: 30 s doubling to 10 min, 10 tries, full jitter on the upper half (the archive world's default). */
export interface RetryPolicy {
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  attempts: 10,
  firstDelayMs: 30_000,
  maxDelayMs: 600_000,
};

/** Five failures in a row of several deliveries; then one tries after 30 s, doubling to 10 min. */
export const DEFAULT_BREAKER = {
  failures: 5,
  pauseMs: 30_000,
  maxPauseMs: 600_000,
  patienceMs: 3 * 86_400_000,
} as const;

/**
 * Delay before the next attempt, or `undefined` when the attempts are used up.
 *
 * @param failedAttempts - attempts made so far, ≥ 1
 * @param random - 0 ≤ random < 1; the delay lies between a half and the whole of the step, so that peers do not beat in time
 */
export function nextDelayMs(policy: RetryPolicy, failedAttempts: number, random: number): number | undefined {
  if (failedAttempts >= policy.attempts) return undefined;
  const step = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (failedAttempts - 1));
  return Math.round(step / 2 + (step / 2) * random);
}

const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 2_000;

/**
 * Records the end of work that is done, again and again while the ledger cannot take it: the work may have taken an hour,
 * a failover of the database takes seconds. Recording is repeatable: what was recorded by a call whose answer got lost is
 * refused the second time by its fence, as that of a lease that was lost.
 *
 * @param heldUntilMs - of `performance.now()`: when the lease runs out and somebody else begins the same work
 * @throws what the last call threw
 */
export async function recordWhileHeld<Result>(
  record: () => Promise<Result>,
  heldUntilMs: number,
  signal: AbortSignal,
): Promise<Result> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    try {
      return await record();
    } catch (error) {
      if (!isOfLedger(error) || signal.aborted || performance.now() + pauseMs >= heldUntilMs) throw error;
      await waited(pauseMs, signal);
    }
  }
}

/** It may take it later: it is unreachable or busy, or its disk is full. */
function isOfLedger(error: unknown): boolean {
  return error instanceof HubError && error.row.retry === 'transient' && /^(?:ledger|store)\./.test(error.code);
}
