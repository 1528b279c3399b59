/**
 * How patient the routes are with a study that is still being received. A revision goes to all its routes at once, so
 * it waits for the most patient of those that would match what has come: the longest quiet period, every required
 * series. Judged again as series come, for they may match another route.
 */
import type { RequiredSeries, RoutePatience } from '../core/completion.ts';
import type { SeriesRow } from '../core/ledger/studies.ts';
import { fulfils } from './match.ts';
import { type RouteCompletion, type Rules, type SeriesFacts, seriesFacts, takenBy } from './route.ts';
import type { Rule } from './rules.ts';

export interface PatientRoute extends Rules {
  readonly completion?: RouteCompletion | undefined;
}

/** Pure. @param atMs - when it is judged: routes whose dates say otherwise do not count */
export function patienceOf(routes: readonly PatientRoute[], study: readonly SeriesRow[], atMs: number): RoutePatience {
  return patienceOfFacts(routes, study.map(seriesFacts), atMs);
}

/** As `patienceOf`. */
export function patienceOfFacts(
  routes: readonly PatientRoute[],
  study: readonly SeriesFacts[],
  atMs: number,
): RoutePatience {
  const holds = (rule: Rule) => study.some(({ facts }) => fulfils(rule, facts));
  const matching = [...takenBy(routes, study, atMs).keys()];
  const required = matching.flatMap(({ name, completion }) =>
    (completion?.requiredSeries ?? []).map((rule): RequiredSeries => ({ route: name, met: holds(rule) })),
  );
  // The revision is one: it waits on as long as one route with something missing will not have it without.
  const isHeld = matching.some(
    ({ completion }) => completion?.whenMissing === 'hold' && !completion.requiredSeries.every(holds),
  );
  return {
    quietMs: matching.map(({ completion }) => completion?.quietMs),
    forceMs: matching.map(({ completion }) => completion?.forceMs),
    required,
    whenMissing: isHeld ? 'hold' : 'proceed',
  };
}

/** Undefined: no route has one. */
export function shortestQuietMs(routes: readonly PatientRoute[]): number | undefined {
  const all = routes.flatMap(({ enabled, completion }) =>
    enabled && completion?.quietMs !== undefined ? [completion.quietMs] : [],
  );
  return all.length === 0 ? undefined : Math.min(...all);
}
