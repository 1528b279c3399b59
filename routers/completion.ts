/**
 * How patient the routes are with a study that is still being received. A revision goes to all its routes at once, so
 * it waits for the most patient of those that would match what has come: the longest quiet period, every required
 * series. Judged again as series come, for they may match another route.
 */
import type { RequiredSeries, RoutePatience } from '../core/completion.ts';
import type { SeriesRow } from '../core/ledger.ts';
import { factsOf, match } from './match.ts';
import type { Rule } from './rules.ts';

/** `completion` of a route. */
export interface RouteCompletion {
  /** Undefined: as the source has it. */
  readonly quietMs?: number | undefined;
  readonly forceMs?: number | undefined;
  /** Each must be fulfilled by a series of the study; one series may fulfil several. */
  readonly requiredSeries: readonly Rule[];
  /** With one missing at `force`: complete as it is, or wait on. */
  readonly whenMissing: 'proceed' | 'hold';
}

export interface PatientRoute {
  readonly name: string;
  readonly enabled: boolean;
  readonly when: Rule;
  readonly completion?: RouteCompletion | undefined;
}

/** Pure. */
export function patienceOf(routes: readonly PatientRoute[], study: readonly SeriesRow[]): RoutePatience {
  const facts = study.map(factsOf);
  const holds = (rule: Rule) => facts.some((series) => match(rule, series).matched);
  const matching = routes.filter(({ enabled, when }) => enabled && holds(when));
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
