/** What a changed configuration would have done with studies already received. Pure: no pixel is read, nothing is written. */
import { isDeepStrictEqual } from 'node:util';
import type { RunStep } from '../core/ledger/runs.ts';
import { patienceOfFacts } from './completion.ts';
import { fulfils } from './match.ts';
import { type Route, type Rules, type SeriesFacts, takenBy } from './route.ts';

export interface HistoricStudy {
  readonly studyInstanceUid: string;
  readonly revision: number;
  /** When it was complete. */
  readonly completedAtMs: number;
  readonly series: readonly SeriesFacts[];
}

/** One configuration, as far as it says where studies go and what becomes of them. */
export interface RoutingView {
  readonly routes: readonly Route[];
  /** Everything that is written of each. */
  readonly destinations: readonly { readonly name: string; readonly partner?: string | undefined }[];
  /** What a step amounts to, the policy or model that it names included: equal when the same would be done. */
  readonly meaningOf: (step: RunStep) => string;
}

/** Why a route that takes a study before and after does something else with it. */
export type ChangeReason = 'steps' | 'policy-or-model' | 'destinations' | 'series';

/** One route of one study where the two configurations differ. */
export interface RouteChange {
  readonly route: string;
  /** `gained`: only the new one takes it. `lost`: only the old one. `changed`: both, but other work, destinations or series. */
  readonly change: 'gained' | 'lost' | 'changed';
  /** Of `changed`. */
  readonly why?: readonly ChangeReason[];
  readonly destinations: readonly string[];
}

export interface StudyChange {
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly routes: readonly RouteChange[];
  /** Destinations that would get it and did not, and the other way round. */
  readonly gains: readonly string[];
  readonly losses: readonly string[];
  /** Taken by no route under the new configuration, though it was under the old one. */
  readonly becomesUnrouted: boolean;
  /** Would wait for series that never came, though it did not under the old one. */
  readonly becomesHeld: boolean;
}

/** A processor's step that means something else, under a name that may be the same. */
export interface StepChange {
  readonly step: string;
  readonly routes: readonly string[];
  readonly destinations: readonly string[];
  readonly partners: readonly string[];
  /** That would be worked otherwise. */
  readonly studies: number;
}

export interface DestinationChange {
  readonly destination: string;
  readonly partner?: string | undefined;
  /** What is written of it. */
  readonly change: 'added' | 'removed' | 'changed' | 'same';
  /** Studies that go there. */
  readonly before: number;
  readonly after: number;
}

export interface RoutesDiff {
  readonly studies: number;
  readonly unroutedBefore: number;
  readonly unroutedAfter: number;
  /** Would wait for series that never came. */
  readonly heldBefore: number;
  readonly heldAfter: number;
  /** By route, over all studies; routes of either configuration. `settings`: what else is written of it that differs. */
  readonly routes: readonly {
    readonly route: string;
    readonly before: number;
    readonly after: number;
    readonly settings?: readonly string[];
  }[];
  readonly destinations: readonly DestinationChange[];
  readonly steps: readonly StepChange[];
  /** How many would have gone another way; `changes` lists the first of them. */
  readonly changed: number;
  readonly changes: readonly StudyChange[];
}

export interface DiffOptions {
  /** Judges every study as if it were complete at this moment: routes with dates. Undefined: as it was. */
  readonly atMs?: number | undefined;
  /** How many changed studies are listed. */
  readonly maxChanges?: number | undefined;
}

/** Both sets of routes are matched against the studies as they are recorded; what the old ones did at the time is not asked. */
export async function diffRoutes(
  before: RoutingView,
  after: RoutingView,
  studies: AsyncIterable<HistoricStudy> | Iterable<HistoricStudy>,
  options: DiffOptions = {},
): Promise<RoutesDiff> {
  const tally = new Tally(before, after, options);
  for await (const study of studies) tally.add(study);
  return tally.result();
}

class Tally {
  readonly #before: RoutingView;
  readonly #after: RoutingView;
  readonly #options: DiffOptions;
  readonly #names: readonly string[];
  readonly #routes: Map<string, { route: string; before: number; after: number }>;
  readonly #destinations: Map<string, { before: number; after: number }>;
  readonly #steps = new Map<
    string,
    { routes: Set<string>; destinations: Set<string>; studies: number; last: number }
  >();
  readonly #changes: StudyChange[] = [];
  readonly #meanings = new Map<RoutingView, Map<RunStep, string>>();
  readonly #rules: Map<Rules, number>;
  readonly #totals = { studies: 0, unroutedBefore: 0, unroutedAfter: 0, heldBefore: 0, heldAfter: 0, changed: 0 };

  constructor(before: RoutingView, after: RoutingView, options: DiffOptions) {
    this.#before = before;
    this.#after = after;
    this.#options = options;
    const all = [...before.routes, ...after.routes];
    this.#names = [...new Set(all.map((route) => route.name))];
    this.#routes = new Map(this.#names.map((route) => [route, { route, before: 0, after: 0 }]));
    const destinations = [...before.destinations, ...after.destinations].map(({ name }) => name);
    this.#destinations = new Map(
      [...destinations, ...all.flatMap(({ deliver }) => deliver)].map((name) => [name, { before: 0, after: 0 }]),
    );
    // Most routes are the same in both: their rules are evaluated once.
    const written: string[] = [];
    this.#rules = new Map(
      all.map((route) => {
        const text = JSON.stringify(route.when);
        const known = written.indexOf(text);
        return [route, known >= 0 ? known : written.push(text) - 1];
      }),
    );
  }

  add(study: HistoricStudy): void {
    const atMs = this.#options.atMs ?? study.completedAtMs;
    const holds = this.#holds();
    const before = byName(takenBy(this.#before.routes, study.series, atMs, holds));
    const after = byName(takenBy(this.#after.routes, study.series, atMs, holds));
    const heldBefore = isHeld(this.#before.routes, study, atMs);
    const heldAfter = isHeld(this.#after.routes, study, atMs);
    const totals = this.#totals;
    totals.studies += 1;
    totals.unroutedBefore += before.size === 0 ? 1 : 0;
    totals.unroutedAfter += after.size === 0 ? 1 : 0;
    totals.heldBefore += heldBefore ? 1 : 0;
    totals.heldAfter += heldAfter ? 1 : 0;
    for (const [name, count] of this.#routes) {
      if (before.has(name)) count.before += 1;
      if (after.has(name)) count.after += 1;
    }
    const had = destinationsOf(before);
    const has = destinationsOf(after);
    for (const name of had) this.#countOf(name).before += 1;
    for (const name of has) this.#countOf(name).after += 1;

    const routes = this.#names.flatMap((name) => this.#changeOf(name, before.get(name), after.get(name)));
    const becomesHeld = heldAfter && !heldBefore;
    if (routes.length === 0 && !becomesHeld) return;
    totals.changed += 1;
    if (this.#changes.length >= (this.#options.maxChanges ?? Infinity)) return;
    this.#changes.push({
      studyInstanceUid: study.studyInstanceUid,
      revision: study.revision,
      routes,
      gains: [...has].filter((name) => !had.has(name)),
      losses: [...had].filter((name) => !has.has(name)),
      becomesUnrouted: before.size > 0 && after.size === 0,
      becomesHeld,
    });
  }

  result(): RoutesDiff {
    const { changed, ...totals } = this.#totals;
    return {
      ...totals,
      routes: [...this.#routes.values()].map((count) => ({ ...count, ...this.#settingsOf(count.route) })),
      destinations: [...this.#destinations].map(([name, count]) => this.#destinationChange(name, count)),
      steps: [...this.#steps].map(([step, { routes, destinations, studies }]) => ({
        step,
        routes: [...routes],
        destinations: [...destinations],
        partners: [...new Set([...destinations].flatMap((name) => this.#partnerOf(name) ?? []))],
        studies,
      })),
      changed,
      changes: this.#changes,
    };
  }

  /** Of one study: what a rule says of a series is asked once, whichever configuration asks. */
  #holds(): (route: Rules, series: SeriesFacts) => boolean {
    const known = new Map<SeriesFacts, (boolean | undefined)[]>();
    return (route, series) => {
      let answers = known.get(series);
      if (answers === undefined) known.set(series, (answers = []));
      const rule = this.#rules.get(route) ?? -1;
      return (answers[rule] ??= fulfils(route.when, series.facts));
    };
  }

  #changeOf(route: string, before: Taken | undefined, after: Taken | undefined): readonly RouteChange[] {
    if (after === undefined)
      return before === undefined ? [] : [{ route, change: 'lost', destinations: before.route.deliver }];
    const destinations = after.route.deliver;
    if (before === undefined) return [{ route, change: 'gained', destinations }];
    const why = this.#whyOther(before, after);
    return why.length === 0 ? [] : [{ route, change: 'changed', why, destinations }];
  }

  #whyOther(before: Taken, after: Taken): readonly ChangeReason[] {
    const why: ChangeReason[] = [];
    const steps = after.route.process;
    if (!isDeepStrictEqual(before.route.process, steps)) why.push('steps');
    else {
      const other = steps.filter((step, index) => this.#differs(before.route.process[index], step));
      if (other.length > 0) why.push('policy-or-model');
      for (const step of other) this.#noteStep(step, after.route);
    }
    // Their order does not matter.
    if (!isDeepStrictEqual(before.route.deliver.toSorted(), after.route.deliver.toSorted())) why.push('destinations');
    const uids = ({ going }: Taken) => going.map(({ seriesInstanceUid }) => seriesInstanceUid).join(' ');
    if (uids(before) !== uids(after)) why.push('series');
    return why;
  }

  #differs(before: RunStep | undefined, after: RunStep): boolean {
    return before !== undefined && this.#meaning(this.#before, before) !== this.#meaning(this.#after, after);
  }

  #meaning(view: RoutingView, step: RunStep): string {
    let known = this.#meanings.get(view);
    if (known === undefined) this.#meanings.set(view, (known = new Map<RunStep, string>()));
    const meaning = known.get(step) ?? view.meaningOf(step);
    known.set(step, meaning);
    return meaning;
  }

  #noteStep({ processor, argument }: RunStep, route: Route): void {
    const step = typeof argument === 'string' ? `${processor}: ${argument}` : processor;
    let noted = this.#steps.get(step);
    if (noted === undefined) {
      noted = { routes: new Set(), destinations: new Set(), studies: 0, last: 0 };
      this.#steps.set(step, noted);
    }
    noted.routes.add(route.name);
    for (const name of route.deliver) noted.destinations.add(name);
    // By several routes it is one study.
    if (noted.last !== this.#totals.studies) noted.studies += 1;
    noted.last = this.#totals.studies;
  }

  #countOf(destination: string): { before: number; after: number } {
    return this.#destinations.get(destination) ?? { before: 0, after: 0 };
  }

  #partnerOf(destination: string): string | undefined {
    const find = ({ destinations }: RoutingView) => destinations.find(({ name }) => name === destination);
    return (find(this.#after) ?? find(this.#before))?.partner;
  }

  #destinationChange(destination: string, count: { before: number; after: number }): DestinationChange {
    const [old, now] = [this.#before, this.#after].map(({ destinations }) =>
      destinations.find(({ name }) => name === destination),
    );
    const partner = this.#partnerOf(destination);
    const isSame = isDeepStrictEqual(old, now);
    const change = isSame ? 'same' : old === undefined ? 'added' : now === undefined ? 'removed' : 'changed';
    return { destination, ...(partner === undefined ? {} : { partner }), change, ...count };
  }

  /** What is written of a route that is in both and does not say where studies go. */
  #settingsOf(name: string): { readonly settings?: readonly string[] } {
    const [old, now] = [this.#before, this.#after].map(({ routes }) => routes.find((route) => route.name === name));
    if (old === undefined || now === undefined) return {};
    const [was, is]: readonly Readonly<Record<string, unknown>>[] = [{ ...old }, { ...now }];
    const settings = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter(
      (key) => !GOES_BY.has(key) && !isDeepStrictEqual(was?.[key], is?.[key]),
    );
    return settings.length === 0 ? {} : { settings };
  }
}

/** Shown by the studies that go another way. */
const GOES_BY: ReadonlySet<string> = new Set([
  'name',
  'when',
  'process',
  'deliver',
  'perSeries',
  'enabled',
  'fallback',
]);

interface Taken {
  readonly route: Route;
  readonly going: readonly SeriesFacts[];
}

function byName(taken: ReadonlyMap<Route, readonly SeriesFacts[]>): ReadonlyMap<string, Taken> {
  return new Map([...taken].map(([route, going]) => [route.name, { route, going }]));
}

function destinationsOf(taken: ReadonlyMap<string, Taken>): ReadonlySet<string> {
  return new Set([...taken.values()].flatMap(({ route }) => route.deliver));
}

/** A route asks for series that are not there, and will not have the study without. */
function isHeld(routes: readonly Route[], study: HistoricStudy, atMs: number): boolean {
  if (!routes.some(({ completion }) => completion?.whenMissing === 'hold')) return false;
  const { required, whenMissing } = patienceOfFacts(routes, study.series, atMs);
  return whenMissing === 'hold' && required.some(({ met }) => !met);
}
