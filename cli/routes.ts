/** `hub routes explain` and `hub routes diff`: which routes studies take, and would take. No side effect. */
import type { HubConfig } from '../config/schema.ts';
import { HubError } from '../core/errors.ts';
import type { Ledger } from '../core/ledger.ts';
import { parseDuration } from '../core/quantities.ts';
import { explainStudy, explanationLines, type RouteExplanation } from '../routers/explain.ts';
import { diffRoutes, type HistoricStudy, type RoutesDiff } from '../routers/history.ts';
import type { Facts } from '../routers/match.ts';
import { type Route, seriesFacts } from '../routers/route.ts';
import type { Rule } from '../routers/rules.ts';
import { configShapes } from '../shapes.ts';
import { columns, readArguments, requireConfig, terminal, type Terminal } from './configuration.ts';
import { readStudies, type ReceivedStudy } from './received-studies.ts';

/** Opens the ledger of a configuration's data folder, for reading, beside a hub that may be running. */
export type LedgerOpener = (config: HubConfig) => Promise<Pick<Ledger, 'studies' | 'close'>>;

/** @throws {HubError} `command.usage`, `config.invalid` */
export async function routes(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  if (command === 'explain') return explain(rest, terminal);
  if (command === 'diff') return diff(rest, (await import('../app.ts')).openLedgerForReading, terminal);
  throw new HubError('command.usage', { detail: 'explain or diff' });
}

/** `hub routes explain PATH`: each route, whether it would take each study, and why. 1 when there is no study. */
export async function explain(argv: readonly string[], { out, err }: Terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, {
    config: { type: 'string' },
    source: { type: 'string' },
    calling: { type: 'string' },
    called: { type: 'string' },
    json: { type: 'boolean' },
  });
  const [path, second] = positionals;
  if (path === undefined || second !== undefined) throw new HubError('command.usage', { detail: 'one file or folder' });
  const config = requireConfig(values.config, configShapes());
  const sender = assumedSender(values, config);
  const { studies, otherFiles } = await readStudies(path, sender);
  const explained = studies.map((study) => ({ ...study, ...explainStudy(config.routes, study.series) }));

  if (values.json === true) {
    const shown = explained.map(({ series, ...study }) => ({ ...study, instances: countInstances(series) }));
    out(JSON.stringify({ sender, configVersion: config.version, studies: shown, otherFiles }, undefined, 2));
  } else {
    out(
      `as if sent by ${sender.source ?? 'an unknown source'} (${sender.callingAeTitle ?? 'any AE title'}) to ${sender.calledAeTitle ?? ''} with C-STORE`,
    );
    if (sender.source === undefined)
      err('name the sender with --source or --calling: rules that ask for it do not match without');
    for (const study of explained) for (const line of studyLines(study, study.routes)) out(line);
    const [first] = otherFiles;
    if (first !== undefined) {
      err(
        `${count(otherFiles.length, 'file')} could not be taken, ${otherFiles.length === 1 ? '' : 'the first '}${first.path}: ${first.reason}`,
      );
    }
    if (studies.length === 0) err(`no DICOM file in ${path}`);
  }
  return studies.length === 0 ? 1 : 0;
}

type Sender = Omit<Facts, 'attributes'>;

/** Who the studies are taken to come from: who was named, else the only source there is. */
function assumedSender(
  given: {
    readonly source?: string | undefined;
    readonly calling?: string | undefined;
    readonly called?: string | undefined;
  },
  config: HubConfig,
): Sender {
  const { sources, aeTitles } = config.gateway.dimse;
  if (given.source !== undefined && !sources.some(({ name }) => name === given.source)) {
    throw new HubError('command.usage', {
      detail: `there is no source ${given.source}; ${sources.map(({ name }) => name).join(', ')}`,
    });
  }
  const isNamed = given.source !== undefined || given.calling !== undefined;
  const candidates = sources.filter(
    (each) =>
      (given.source === undefined || each.name === given.source) &&
      (given.calling === undefined || each.aeTitle === given.calling),
  );
  const only = candidates.length === 1 || given.source !== undefined ? candidates[0] : undefined;
  // Without configured sources, associations come from loopback.
  const source = given.source ?? only?.name ?? (sources.length === 0 && !isNamed ? 'loopback' : undefined);
  const callingAeTitle = given.calling ?? only?.aeTitle;
  const calledAeTitle = given.called ?? aeTitles[0];
  return {
    door: 'dimse',
    ...(source === undefined ? {} : { source }),
    ...(callingAeTitle === undefined ? {} : { callingAeTitle }),
    ...(calledAeTitle === undefined ? {} : { calledAeTitle }),
  };
}

function studyLines(study: ReceivedStudy, explained: readonly RouteExplanation[]): readonly string[] {
  const heading = `\nstudy ${study.studyInstanceUid}: ${count(study.series.length, 'series', 'series')}, ${count(countInstances(study.series), 'instance')}`;
  if (explained.length === 0) return [heading, '  there are no routes'];
  return [heading, ...explained.flatMap((route) => routeLines(route, study))];
}

function routeLines(route: RouteExplanation, study: ReceivedStudy): readonly string[] {
  const goes =
    route.going.length < study.series.length
      ? ` with ${String(route.going.length)} of ${count(study.series.length, 'series', 'series')}`
      : '';
  const way = [...route.processors, route.destinations.join(', ')].filter((step) => step !== '').join(' → ');
  const heading = `  route ${route.route} ${route.verdict}${route.verdict === 'matches' ? `${goes}: ${way}` : ''}`;
  return [
    heading,
    ...route.series.flatMap((series) => [
      `    series ${series.seriesInstanceUid} (${count(series.instances, 'instance')})${series.explanation.matched ? '' : ' does not match'}`,
      ...explanationLines(series.explanation).map((line) => `      ${line}`),
    ]),
  ];
}

/** `hub routes diff --with FILE`: what the routes of FILE would have done with the studies received since. */
export async function diff(argv: readonly string[], openLedger: LedgerOpener, { out }: Terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, {
    config: { type: 'string' },
    with: { type: 'string' },
    since: { type: 'string', default: '7d' },
    json: { type: 'boolean' },
  });
  if (positionals.length > 0) throw new HubError('command.usage', { detail: `not expected: ${positionals.join(' ')}` });
  if (values.with === undefined) throw new HubError('command.usage', { detail: '--with FILE is missing' });
  const sinceMs = parseDuration(values.since);
  if (sinceMs === undefined)
    throw new HubError('command.usage', { detail: `--since ${values.since}: a duration like 12h or 7d` });
  const now = requireConfig(values.config, configShapes());
  const draft = requireConfig(values.with, configShapes());
  const ledger = await openLedger(now);
  try {
    const studies = studiesSince(ledger, new Date(Date.now() - sinceMs));
    const result = await diffRoutes(routesOf(now), routesOf(draft), studies);
    if (values.json === true)
      out(JSON.stringify({ since: values.since, from: now.version, to: draft.version, ...result }, undefined, 2));
    else for (const line of diffLines(result, values.since)) out(line);
  } finally {
    await ledger.close();
  }
  return 0;
}

const PAGE = 200;

async function* studiesSince(ledger: Pick<Ledger, 'studies'>, since: Date): AsyncGenerator<HistoricStudy> {
  for (let before: string | undefined; ;) {
    const page = await ledger.studies.completedSince(
      since,
      before === undefined ? { limit: PAGE } : { limit: PAGE, before },
    );
    for (const { studyInstanceUid, revision } of page) {
      yield { studyInstanceUid, revision, series: (await ledger.studies.series(studyInstanceUid)).map(seriesFacts) };
    }
    before = page.at(-1)?.studyInstanceUid;
    if (before === undefined) return;
  }
}

function routesOf(config: HubConfig<Rule>): readonly Route[] {
  return config.routes;
}

function diffLines(result: RoutesDiff, since: string): readonly string[] {
  const counts = result.routes.map(({ route, before, after }) => [
    route,
    String(before),
    String(after),
    difference(after - before),
  ]);
  const unrouted = [
    '(no route)',
    String(result.unroutedBefore),
    String(result.unroutedAfter),
    difference(result.unroutedAfter - result.unroutedBefore),
  ];
  return [
    `${count(result.studies, 'study', 'studies')} in the last ${since}, ${String(result.changes.length)} of them would go another way`,
    ...columns([['route', 'now', 'then', ''], ...counts, unrouted]),
    ...result.changes.flatMap((change) => [
      `\nstudy ${change.studyInstanceUid} revision ${String(change.revision)}${change.becomesUnrouted ? ': no route any more' : ''}`,
      ...change.routes.map(
        (route) =>
          `  ${WORDS[route.change]} ${route.route}${route.destinations.length === 0 ? '' : ` → ${route.destinations.join(', ')}`}`,
      ),
    ]),
  ];
}

const WORDS = { gained: '+', lost: '-', changed: '~' } as const;

function difference(by: number): string {
  return by === 0 ? '' : by > 0 ? `+${String(by)}` : String(by);
}

function countInstances(series: ReceivedStudy['series']): number {
  return series.reduce((sum, each) => sum + each.instances, 0);
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${String(number)} ${number === 1 ? one : many}`;
}
