/** What partners return: the sources it comes from, the routes that may take it, and what about them contradicts itself. */
import type { RunStep } from '../core/ledger/runs.ts';
import type { ProcessorPlugin } from '../core/plugins.ts';
import { suggest } from '../core/suggestion.ts';
import { stepOf } from './plugin-entries.ts';
import { entriesAt, listOf, names, type Report } from './raw-values.ts';

const SOURCES = ['gateway', 'dimse', 'sources'];

/** The partner of each source that is bound to one. */
export function partnersOfSources(config: {
  readonly gateway: {
    readonly dimse: { readonly sources: readonly { readonly name: string; readonly partner?: string | undefined }[] };
  };
  readonly partners: readonly { readonly name: string; readonly returns?: string | undefined }[];
}): ReadonlyMap<string, string> {
  return new Map([
    ...config.gateway.dimse.sources.flatMap(({ name, partner }) =>
      partner === undefined ? [] : [[name, partner] as const],
    ),
    ...config.partners.flatMap(({ name, returns }) => (returns === undefined ? [] : [[returns, name] as const])),
  ]);
}

/** What a route needs of plug-ins and rules to be told for whose returns it is. */
interface ReturnShapes<When> {
  readonly processors: readonly Pick<ProcessorPlugin, 'name' | 'takesReturned'>[];
  /** The rule, for series of these sources only, or for series of others only. */
  fromSources(when: When, sources: readonly string[], isFromThem: boolean): When;
}

/**
 * A route takes what one partner returned, if its first step says so, or else what nobody returned: what comes back under
 * pseudonyms goes nowhere before it was led back, whatever the other rules say.
 */
export function withReturns<When, Route extends { readonly when: When; readonly process: readonly RunStep[] }>(
  routes: readonly Route[],
  shapes: ReturnShapes<When>,
  bound: ReadonlyMap<string, string>,
): readonly Route[] {
  return routes.map((route) => {
    const partner = returnedTo(route.process[0], shapes.processors);
    if (partner === undefined && bound.size === 0) return route;
    const sources = [...bound].filter(([, of]) => partner === undefined || of === partner).map(([name]) => name);
    return { ...route, when: shapes.fromSources(route.when, sources, partner !== undefined) };
  });
}

/** The partner whose returns the step takes, if it takes any. */
function returnedTo(step: RunStep | undefined, processors: ReturnShapes<unknown>['processors']): string | undefined {
  const takes = processors.some(({ name, takesReturned }) => name === step?.processor && takesReturned === true);
  return takes && typeof step?.argument === 'string' ? step.argument : undefined;
}

export function reportReturns(
  raw: unknown,
  processors: readonly Pick<ProcessorPlugin, 'name' | 'takesReturned'>[],
  report: Report,
): void {
  const partners = names(entriesAt(raw, ['partners']));
  const taken = new Map(
    [...entriesAt(raw, SOURCES), ...entriesAt(raw, ['gateway', 'folders']), ...entriesAt(raw, ['pulls'])].map(
      ({ name }) => [name ?? '', 'a source'],
    ),
  );
  const returning = new Set<unknown>();
  for (const { index, value } of entriesAt(raw, SOURCES)) {
    const { partner } = value;
    if (typeof partner !== 'string') continue;
    returning.add(partner);
    if (!partners.includes(partner))
      report([...SOURCES, index, 'partner'], `no such partner: ${partner}${suggest(partner, partners)}`);
  }
  for (const { index, name, value } of entriesAt(raw, ['partners'])) {
    const { returns } = value;
    if (typeof returns !== 'string') continue;
    returning.add(name);
    const owner = taken.get(returns);
    if (owner !== undefined) report(['partners', index, 'returns'], `the name ${returns} is that of ${owner}`);
    taken.set(returns, 'what another partner returns');
  }
  for (const route of entriesAt(raw, ['routes'])) {
    for (const [index, written] of listOf(route.value['process']).entries()) {
      const step = stepOf(written);
      const partner = returnedTo(step, processors);
      if (step === undefined || partner === undefined) continue;
      const at = ['routes', route.index, 'process', index, step.processor];
      if (index > 0) report(at, 'is the first step of a route, or none: what stands before it would see pseudonyms');
      else if (!returning.has(partner))
        report(at, `nothing comes from ${partner}: give a source partner: ${partner}, or the partner returns: NAME`);
    }
  }
}
