/** When a message is tried again, and for how long its endpoint is left alone. */

const [SECOND, MINUTE, HOUR] = [1_000, 60_000, 3_600_000];

/** Standard Webhooks 1.0.0, "Deliverability and reliability": about three days in all. After the last: never by itself. */
const DELAYS_MS = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
/** Those that failed together are not tried together. */
const JITTER = 0.2;
const FIRST_PAUSE_MS = SECOND;
const MAX_PAUSE_MS = 5 * MINUTE;
/** A partner's Retry-After is honoured up to here. */
const MAX_RETRY_AFTER_MS = HOUR;

/** @param attempt - that failed, from 1. @param random - 0 ≤ random < 1. @returns undefined: it has failed for good */
export function retryDelayMs(attempt: number, random: number): number | undefined {
  const delayMs = DELAYS_MS[attempt - 1];
  return delayMs === undefined ? undefined : delayMs * (1 + JITTER * random);
}

/**
 * @param failures - of the endpoint in a row, this one included
 * @param retryAfterMs - what the endpoint asked for
 */
export function pauseMs(failures: number, retryAfterMs: number | undefined): number {
  const asked = Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
  return Math.max(asked, Math.min(FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 20), MAX_PAUSE_MS));
}
