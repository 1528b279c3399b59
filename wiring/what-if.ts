/** What another configuration would have done with the studies of the ledger: the views that are compared, and the past. */
import type { Ledger } from '../core/ledger.ts';
import { resolveStep } from '../processors/registry.ts';
import {
  diffRoutes,
  type DiffOptions,
  type HistoricStudy,
  type RoutesDiff,
  type RoutingView,
} from '../routers/history.ts';
import { factsOf } from '../routers/match.ts';
import type { Config } from './shapes.ts';

const PAGE = 500;

export interface WhatIf extends DiffOptions {
  readonly now: Config;
  readonly draft: Config;
  readonly since: Date;
}

/** Reads the ledger and nothing else. */
export async function whatIf(
  ledger: Pick<Ledger, 'configuration'>,
  { now, draft, since, ...options }: WhatIf,
): Promise<RoutesDiff> {
  return diffRoutes(viewOf(now), viewOf(draft), studiesSince(ledger, since), options);
}

function viewOf(config: Config): RoutingView {
  return {
    routes: config.routes,
    destinations: config.destinations,
    meaningOf: (step) => JSON.stringify(resolveStep(step, config)),
  };
}

async function* studiesSince(ledger: Pick<Ledger, 'configuration'>, since: Date): AsyncGenerator<HistoricStudy> {
  let page = await ledger.configuration.history(since, { limit: PAGE });
  for (;;) {
    for (const { studyInstanceUid, revision, completedAt, series } of page.studies) {
      yield {
        studyInstanceUid,
        revision,
        completedAtMs: Date.parse(completedAt),
        // How many instances there are decides nothing, and counting them would read every row.
        series: series.map((row) => ({ seriesInstanceUid: row.seriesInstanceUid, instances: 0, facts: factsOf(row) })),
      };
    }
    if (page.next === undefined) return;
    page = await ledger.configuration.history(since, { limit: PAGE, after: page.next });
  }
}
