/** A route, and whether a study takes it. */
import type { RunStep, SeriesRow } from '../core/ledger.ts';
import { type Explanation, type Facts, factsOf, match } from './match.ts';
import type { Rule } from './rules.ts';

export interface Route {
  readonly name: string;
  readonly enabled: boolean;
  readonly when: Rule;
  readonly process: readonly RunStep[];
  /** Names of destinations. */
  readonly deliver: readonly string[];
  /** Only the series that match go, instead of the whole study. */
  readonly perSeries: boolean;
}

/** The routes in force, and the version of the configuration they come from. */
export interface ActiveRoutes {
  readonly configVersion: string;
  readonly routes: readonly Route[];
}

/** One series of a study as rules see it. */
export interface SeriesFacts {
  readonly seriesInstanceUid: SeriesRow['seriesInstanceUid'];
  readonly instances: number;
  readonly facts: Facts;
}

export interface RouteDecision {
  readonly route: Route;
  readonly matched: boolean;
  /** Series that go when it matched: the matching ones with `perSeries`, otherwise all. */
  readonly going: readonly SeriesFacts[];
  readonly series: readonly { readonly series: SeriesFacts; readonly explanation: Explanation }[];
}

export function seriesFacts(row: SeriesRow): SeriesFacts {
  return { seriesInstanceUid: row.seriesInstanceUid, instances: row.instances, facts: factsOf(row) };
}

/** A study matches when at least one of its series fulfils the whole rule. */
export function decide(route: Route, study: readonly SeriesFacts[]): RouteDecision {
  const series = study.map((each) => ({ series: each, explanation: match(route.when, each.facts) }));
  const matching = series.filter(({ explanation }) => explanation.matched);
  const matched = matching.length > 0;
  const going = !matched ? [] : route.perSeries ? matching.map((each) => each.series) : study;
  return { route, matched, going, series };
}

/** The decisions of all enabled routes, in the order of the configuration. */
export function decideAll(routes: readonly Route[], study: readonly SeriesFacts[]): readonly RouteDecision[] {
  return routes.filter((route) => route.enabled).map((route) => decide(route, study));
}
