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
