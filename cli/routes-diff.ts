/** `hub routes diff`: which of the studies received would go another way under a changed configuration. No side effect. */
import { count } from '../core/count.ts';
import { HubError } from '../core/errors.ts';
import type { Ledger } from '../core/ledger.ts';
import { parseDuration } from '../core/quantities.ts';
import type { RouteChange, RoutesDiff, StudyChange } from '../routers/history.ts';
import { type Config, configShapes } from '../wiring/shapes.ts';
import { whatIf } from '../wiring/what-if.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, DATA_OPTION, requireConfig } from './configuration.ts';
import { columns, json, type Terminal } from './terminal.ts';

export const AT_OPTION = {
  type: 'string',
  value: 'TIME',
  about: 'as if every study were complete at this moment, for routes with dates: 2026-03-01 or 2026-03-01T08:00Z',
} as const;
export const DIFF_OPTIONS = {
  config: CONFIG_OPTION,
  data: DATA_OPTION,
  with: { type: 'string', value: 'FILE', about: 'the changed configuration (needed)' },
  since: { type: 'string', value: 'TIME', default: '7d', about: 'how far back, as 12h or 7d (7d)' },
  at: AT_OPTION,
  json: JSON_OPTION,
} as const;

/** Opens the ledger of a configuration's data folder, for reading, beside a hub that may be running. */
export type LedgerOpener = (config: Config) => Promise<Pick<Ledger, 'configuration' | 'close'>>;

/** @throws {HubError} `command.usage`, `config.invalid` */
export async function diff(argv: readonly string[], openLedger: LedgerOpener, { out }: Terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, DIFF_OPTIONS);
  if (positionals.length > 0) throw new HubError('command.usage', { detail: `not expected: ${positionals.join(' ')}` });
  if (values.with === undefined) throw new HubError('command.usage', { detail: '--with FILE is missing' });
  const sinceMs = parseDuration(values.since);
  if (sinceMs === undefined)
    throw new HubError('command.usage', { detail: `--since ${values.since}: a duration like 12h or 7d` });
  const atMs = momentOf(values.at);
  const now = requireConfig(values, configShapes());
  const draft = requireConfig({ config: values.with }, configShapes());
  const ledger = await openLedger(now);
  try {
    const since = new Date(Date.now() - sinceMs);
    const result = await whatIf(ledger, { now, draft, since, atMs });
    if (values.json === true) out(json({ since: values.since, from: now.version, to: draft.version, ...result }));
    else for (const line of diffLines(result, values.since)) out(line);
  } finally {
    await ledger.close();
  }
  return 0;
}

/** @throws {HubError} `command.usage` */
export function momentOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const atMs = Date.parse(text);
  if (Number.isNaN(atMs))
    throw new HubError('command.usage', { detail: `--at ${text}: a time like 2026-03-01T08:00Z` });
  return atMs;
}

function diffLines(result: RoutesDiff, since: string): readonly string[] {
  const routes = result.routes.map(({ route, before, after, settings = [] }) => [
    route,
    ...numbers(before, after),
    settings.length === 0 ? '' : `other ${settings.join(', ')}`,
  ]);
  const held =
    result.heldBefore + result.heldAfter === 0 ? [] : [['(held)', ...numbers(result.heldBefore, result.heldAfter)]];
  const unrouted = ['(no route)', ...numbers(result.unroutedBefore, result.unroutedAfter)];
  const destinations = result.destinations.filter(({ change, before, after }) => change !== 'same' || before !== after);
  return [
    `${count(result.studies, 'study', 'studies')} in the last ${since}, ${String(result.changed)} of them would go another way`,
    ...columns([['route', 'now', 'then', ''], ...routes, ...held, unrouted]),
    ...(destinations.length === 0
      ? []
      : [
          '',
          ...columns([
            ['destination', 'now', 'then', '', ''],
            ...destinations.map(({ destination, partner, change, before, after }) => [
              destination,
              ...numbers(before, after),
              partner === undefined ? '' : `of ${partner}`,
              change === 'same' ? '' : change,
            ]),
          ]),
        ]),
    ...result.steps.flatMap(({ step, routes: by, partners, studies }) => [
      `\n${step} would do something else with ${count(studies, 'study', 'studies')} of ${by.join(', ')}${partners.length === 0 ? '' : `, for ${partners.join(', ')}`}`,
    ]),
    ...result.changes.flatMap(studyLines),
  ];
}

function studyLines(change: StudyChange): readonly string[] {
  const ends = [
    ...(change.becomesUnrouted ? ['no route any more'] : []),
    ...(change.becomesHeld ? ['it would wait for series that it does not have'] : []),
  ];
  return [
    `\nstudy ${change.studyInstanceUid} revision ${String(change.revision)}${ends.length === 0 ? '' : `: ${ends.join(', ')}`}`,
    ...change.routes.map(routeLine),
  ];
}

function routeLine({ route, change, why = [], destinations }: RouteChange): string {
  const to = destinations.length === 0 ? '' : ` → ${destinations.join(', ')}`;
  return `  ${MARKS[change]} ${route}${to}${why.length === 0 ? '' : ` (other ${why.map((each) => REASONS[each]).join(', ')})`}`;
}

const MARKS = { gained: '+', lost: '-', changed: '~' } as const;
const REASONS = {
  steps: 'steps',
  'policy-or-model': 'policy or model',
  destinations: 'destinations',
  series: 'series',
} as const;

function numbers(before: number, after: number): readonly string[] {
  const by = after - before;
  return [String(before), String(after), by === 0 ? '' : by > 0 ? `+${String(by)}` : String(by)];
}
