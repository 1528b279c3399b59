/** A route, and whether a study takes it. */
import type { RunStep } from '../core/ledger/runs.ts';
import type { SeriesRow } from '../core/ledger/studies.ts';
import { type Explanation, type Facts, factsOf, fulfils, match } from './match.ts';
import type { Rule } from './rules.ts';

/** Of a route, what decides whether a study takes it. */
export interface Rules {
  readonly name: string;
  readonly enabled: boolean;
  readonly when: Rule;
  /** Only the series that match go, instead of the whole study. */
  readonly perSeries?: boolean | undefined;
  /** It takes what no other route takes: the study, or with `perSeries` the series that are left. */
  readonly fallback?: boolean | undefined;
  /** UTC ISO 8601: studies that are complete from then on, and before then. */
  readonly effectiveFrom?: string | undefined;
  readonly effectiveUntil?: string | undefined;
}

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

export interface Route extends Rules {
  readonly process: readonly RunStep[];
  /** Names of destinations. */
  readonly deliver: readonly string[];
  readonly perSeries: boolean;
  readonly completion?: RouteCompletion | undefined;
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

export interface RouteDecision<R extends Rules = Route> {
  readonly route: R;
  readonly matched: boolean;
  /** Series that go when it matched: the matching ones with `perSeries`, otherwise all. */
  readonly going: readonly SeriesFacts[];
  readonly series: readonly { readonly series: SeriesFacts; readonly explanation: Explanation }[];
}

export function seriesFacts(row: SeriesRow): SeriesFacts {
  return { seriesInstanceUid: row.seriesInstanceUid, instances: row.instances, facts: factsOf(row) };
}

/** Whether it takes studies that are complete at that moment, as far as its dates say. */
export function isEffective({ effectiveFrom, effectiveUntil }: Rules, atMs: number): boolean {
  if (effectiveFrom !== undefined && atMs < Date.parse(effectiveFrom)) return false;
  return effectiveUntil === undefined || atMs < Date.parse(effectiveUntil);
}

/** A study matches when at least one of its series fulfils the whole rule. */
export function decide<R extends Rules>(route: R, study: readonly SeriesFacts[]): RouteDecision<R> {
  const series = study.map((each) => ({ series: each, explanation: match(route.when, each.facts) }));
  const matching = series.filter(({ explanation }) => explanation.matched);
  const matched = matching.length > 0;
  const going = !matched ? [] : route.perSeries === true ? matching.map((each) => each.series) : study;
  return { route, matched, going, series };
}

/**
 * The decisions of all routes that were asked, in the order of the configuration: of the enabled ones in effect, and of
 * fallback routes where something is left for them.
 *
 * @param atMs - when the study was complete
 */
export function decideAll<R extends Rules>(
  routes: readonly R[],
  study: readonly SeriesFacts[],
  atMs: number,
): readonly RouteDecision<R>[] {
  const asked = routes.filter((route) => route.enabled && isEffective(route, atMs));
  const first = new Map(asked.filter(isFirst).map((route) => [route, decide(route, study)]));
  const taken = new Set([...first.values()].flatMap(({ going }) => going));
  return asked.flatMap((route) => {
    const decision = first.get(route) ?? decideFallback(route, study, taken);
    return decision === undefined ? [] : [decision];
  });
}

/**
 * As `decideAll`, of those that take the study, with what goes: without explanations, many times as fast.
 *
 * @param holds - whether a route's rule holds for a series
 */
export function takenBy<R extends Rules>(
  routes: readonly R[],
  study: readonly SeriesFacts[],
  atMs: number,
  holds: (route: R, series: SeriesFacts) => boolean = ({ when }, { facts }) => fulfils(when, facts),
): ReadonlyMap<R, readonly SeriesFacts[]> {
  const goingOf = (route: R, candidates: readonly SeriesFacts[]): readonly SeriesFacts[] => {
    if (route.perSeries === true) return candidates.filter((series) => holds(route, series));
    return candidates.some((series) => holds(route, series)) ? candidates : [];
  };
  const asked = routes.filter((route) => route.enabled && isEffective(route, atMs));
  const first = new Map(asked.filter(isFirst).map((route) => [route, goingOf(route, study)]));
  const taken = new Set([...first.values()].flat());
  const leftFor = ({ perSeries }: R): readonly SeriesFacts[] => {
    if (perSeries === true) return study.filter((series) => !taken.has(series));
    return taken.size > 0 ? [] : study;
  };
  return new Map(
    asked.flatMap((route) => {
      const going = first.get(route) ?? goingOf(route, leftFor(route));
      return going.length === 0 ? [] : [[route, going] as const];
    }),
  );
}

function isFirst({ fallback }: Rules): boolean {
  return fallback !== true;
}

/** Undefined: nothing is left for it. */
function decideFallback<R extends Rules>(
  route: R,
  study: readonly SeriesFacts[],
  taken: ReadonlySet<SeriesFacts>,
): RouteDecision<R> | undefined {
  if (route.perSeries !== true) return taken.size > 0 ? undefined : decide(route, study);
  const left = study.filter((series) => !taken.has(series));
  return left.length === 0 ? undefined : decide(route, left);
}
