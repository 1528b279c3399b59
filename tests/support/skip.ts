import Mocha, { type Context, type Runnable, type Suite } from 'mocha';

const reasons = new WeakMap<Runnable | Suite, string>();

/**
 * Skips the running test, or all tests of the suite when called in a `before` hook, and says why.
 *
 * @param context - mocha's `this`, so the caller is a `function`, not an arrow
 * @param reason - printed beside the test; a bare `this.skip()` leaves the reader guessing
 */
export function skip(context: Context, reason: string): never {
  const runnable = context.test ?? context.currentTest;
  if (runnable instanceof Mocha.Hook) {
    // A `before` hook sees the suite's first test as the current one, but skips them all.
    const skipped = runnable.title.startsWith('"before all"') ? runnable.parent : context.currentTest;
    if (skipped !== undefined) reasons.set(skipped, reason);
  } else if (runnable !== undefined) {
    reasons.set(runnable, reason);
  }
  return context.skip();
}

/** The reason given for skipping this test, by itself or by a suite around it. */
export function skipReason(test: Runnable): string | undefined {
  const own = reasons.get(test);
  if (own !== undefined) return own;
  for (let suite = test.parent; suite !== undefined; suite = suite.parent) {
    const reason = reasons.get(suite);
    if (reason !== undefined) return reason;
  }
  return undefined;
}
