import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 25;

/**
 * Waits until a condition holds; tests wait for what they need, never for a length of time.
 *
 * @param what - names the awaited condition in the error
 * @param condition - asked again and again until it returns something other than undefined and false; may throw to give up
 * @returns what the condition returned
 * @throws {Error} when the deadline passes first
 */
export async function waitFor<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 10_000,
): Promise<T> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    const answer = await condition();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > until) throw new Error(`waited ${deadlineMs} ms in vain for: ${what}`);
    await delay(POLL_MS);
  }
}
