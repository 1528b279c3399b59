/** What a changed configuration would have done with studies already received. Pure: no pixel is read, nothing is written. */
import { isDeepStrictEqual } from 'node:util';
import { decideAll, type Route, type RouteDecision, type SeriesFacts } from './route.ts';

export interface HistoricStudy {
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly series: readonly SeriesFacts[];
}

/** One route of one study where the two configurations differ. */
export interface RouteChange {
  readonly route: string;
  /** `gained`: only the new one takes it. `lost`: only the old one. `changed`: both, but other steps, destinations or series. */
  readonly change: 'gained' | 'lost' | 'changed';
  readonly destinations: readonly string[];
}

export interface StudyChange {
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly routes: readonly RouteChange[];
  /** Taken by no route under the new configuration, though it was under the old one. */
  readonly becomesUnrouted: boolean;
}

export interface RoutesDiff {
  readonly studies: number;
  readonly unroutedBefore: number;
  readonly unroutedAfter: number;
  /** By route, over all studies; routes of either configuration. */
  readonly routes: readonly { readonly route: string; readonly before: number; readonly after: number }[];
  /** Only the studies that would have gone another way. */
  readonly changes: readonly StudyChange[];
}

/** Both sets of routes are matched against the studies as they are recorded; what the old ones did at the time is not asked. */
export async function diffRoutes(
  oldRoutes: readonly Route[],
  newRoutes: readonly Route[],
  studies: AsyncIterable<HistoricStudy> | Iterable<HistoricStudy>,
): Promise<RoutesDiff> {
  const names = [...new Set([...oldRoutes, ...newRoutes].map((route) => route.name))];
  const counts = new Map(names.map((route) => [route, { route, before: 0, after: 0 }]));
  const changes: StudyChange[] = [];
  const totals = { studies: 0, unroutedBefore: 0, unroutedAfter: 0 };
  for await (const study of studies) {
    const before = taken(oldRoutes, study);
    const after = taken(newRoutes, study);
    totals.studies += 1;
    if (before.size === 0) totals.unroutedBefore += 1;
    if (after.size === 0) totals.unroutedAfter += 1;
    for (const [name, count] of counts) {
      if (before.has(name)) count.before += 1;
      if (after.has(name)) count.after += 1;
    }
    const routes = names.flatMap((name) => changeOf(name, before.get(name), after.get(name)));
    if (routes.length === 0) continue;
    const { studyInstanceUid, revision } = study;
    changes.push({ studyInstanceUid, revision, routes, becomesUnrouted: before.size > 0 && after.size === 0 });
  }
  return { ...totals, routes: [...counts.values()], changes };
}

function taken(routes: readonly Route[], study: HistoricStudy): ReadonlyMap<string, RouteDecision> {
  const decisions = decideAll(routes, study.series).filter((decision) => decision.matched);
  return new Map(decisions.map((decision) => [decision.route.name, decision]));
}

function changeOf(
  route: string,
  before: RouteDecision | undefined,
  after: RouteDecision | undefined,
): readonly RouteChange[] {
  if (after === undefined)
    return before === undefined ? [] : [{ route, change: 'lost', destinations: before.route.deliver }];
  const destinations = after.route.deliver;
  if (before === undefined) return [{ route, change: 'gained', destinations }];
  return isDeepStrictEqual(work(before), work(after)) ? [] : [{ route, change: 'changed', destinations }];
}

/** What a decision makes the hub do. The order of destinations does not matter. */
function work({ route, going }: RouteDecision): unknown {
  return {
    process: route.process,
    deliver: route.deliver.toSorted(),
    going: going.map((series) => series.seriesInstanceUid),
  };
}
