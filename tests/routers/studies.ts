import { parseSeriesInstanceUid } from '../../core/identifiers.ts';
import type { Attributes } from '../../core/ledger/common.ts';
import type { Route, SeriesFacts } from '../../routers/route.ts';
import { ruleSchema } from '../../routers/rules.ts';

/** A route that does nothing but match; the rest as a test needs it. */
export function aRoute(name: string, when: unknown, rest: Partial<Route> = {}): Route {
  return { name, enabled: true, when: ruleSchema.parse(when), process: [], deliver: [], perSeries: false, ...rest };
}

export function aSeries(uid: string, attributes: Attributes, instances = 10): SeriesFacts {
  return {
    seriesInstanceUid: parseSeriesInstanceUid(uid),
    instances,
    facts: { source: 'pv-7t', door: 'dimse', callingAeTitle: 'PV7T', calledAeTitle: 'HUB', attributes },
  };
}

/** One T2 of the brain and one localizer of nothing in particular. */
export const STUDY: readonly SeriesFacts[] = [
  aSeries('1.1', { Modality: ['MR'], SeriesDescription: ['T2 brain'] }, 20),
  aSeries('1.2', { Modality: ['MR'], SeriesDescription: ['localizer'] }, 3),
  aSeries('1.3', { Modality: ['SR'] }, 1),
];
