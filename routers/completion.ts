/** How long to wait for the rest of a study, when routes have wishes of their own. */
import type { CompletionRule } from '../core/ledger.ts';
import { type Facts, match } from './match.ts';
import type { Route } from './route.ts';

/**
 * The rule for a series with these facts: the longest wait of the routes it takes, a route without a wish counting as
 * `fallback`, so that no route is served a study in more pieces than it asked for. Without a matching route, `fallback`.
 */
export function completionFor(routes: readonly Route[], facts: Facts, fallback: CompletionRule): CompletionRule {
  const wishes = routes
    .filter((route) => route.enabled && match(route.when, facts).matched)
    .map((route) => ({ ...fallback, ...route.completion }));
  if (wishes.length === 0) return fallback;
  return {
    quietMs: Math.max(...wishes.map((wish) => wish.quietMs)),
    forceMs: Math.max(...wishes.map((wish) => wish.forceMs)),
  };
}
