/** `hub routes explain` and `hub routes diff`: which routes studies take, and would take. No side effect. */
import type { HubConfig } from '../config/schema.ts';
import { processEnvironment } from '../config/environment.ts';
import { count } from '../core/count.ts';
import { HubError } from '../core/errors.ts';
import type { Ledger } from '../core/ledger.ts';
import { parseDuration } from '../core/quantities.ts';
import { explainStudy, explanationLines, type RouteExplanation } from '../routers/explain.ts';
import { diffRoutes, type HistoricStudy, type RoutesDiff } from '../routers/history.ts';
import type { Facts } from '../routers/match.ts';
import { type Route, seriesFacts } from '../routers/route.ts';
import type { Rule } from '../routers/rules.ts';
import { configShapes } from '../shapes.ts';
import { JSON_OPTION, onlyPath, readArguments } from './arguments.ts';
import { CONFIG_OPTION, DATA_OPTION, requireConfig } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { leftOutLines, openLocalFiles } from './local-files.ts';
import { type ReceivedStudy, receivedStudies } from './received-studies.ts';
import { columns, json, terminal, type Terminal } from './terminal.ts';

const EXPLAIN_OPTIONS = {
  config: CONFIG_OPTION,
  source: { type: 'string', value: 'NAME', about: 'explain: as if this source had sent it' },
  calling: { type: 'string', value: 'AET', about: 'explain: as if from this AE title' },
  called: { type: 'string', value: 'AET', about: 'explain: as if to this AE title of ours' },
  json: JSON_OPTION,
} as const;
const DIFF_OPTIONS = {
  config: CONFIG_OPTION,
  data: DATA_OPTION,
  with: { type: 'string', value: 'FILE', about: 'diff: the changed configuration (needed)' },
  since: { type: 'string', value: 'TIME', default: '7d', about: 'diff: how far back, as 12h or 7d (7d)' },
  json: JSON_OPTION,
} as const;

/** Opens the ledger of a configuration's data folder, for reading, beside a hub that may be running. */
export type LedgerOpener = (config: HubConfig) => Promise<Pick<Ledger, 'studies' | 'close'>>;

/** @throws {HubError} `command.usage`, `config.invalid` */
export async function routes(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  if (command === 'explain') return explain(rest, terminal);
  if (command === 'diff') {
    const { openLedgerForReading } = await import('../app.ts');
    return diff(rest, (config) => openLedgerForReading(config, processEnvironment()), terminal);
  }
  readArguments(argv, { ...EXPLAIN_OPTIONS, ...DIFF_OPTIONS });
  throw new HubError('command.usage', { detail: 'explain or diff?' });
}

/** `hub routes explain PATH`: each route, whether it would take each study, and why. 1 when there is no study. */
export async function explain(argv: readonly string[], { out, err }: Terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, EXPLAIN_OPTIONS);
  const path = onlyPath(positionals);
  const config = requireConfig(values, configShapes());
  const sender = assumedSender(values, config);
  const files = await openLocalFiles(path);
  const studies = receivedStudies(files, sender);
  const explained = studies.map((study) => ({ ...study, ...explainStudy(config.routes, study.series) }));

  if (values.json === true) {
    const shown = explained.map(({ series, ...study }) => ({ ...study, instances: countInstances(series) }));
    const { otherFiles } = files;
    const damagedFiles = files.damaged.map(({ name, error }) => ({ name, reason: error.code }));
    out(json({ sender, configVersion: config.version, studies: shown, damagedFiles, otherFiles }));
  } else {
    out(
      `as if sent by ${sender.source ?? 'an unknown source'} (${sender.callingAeTitle ?? 'any AE title'}) to ${sender.calledAeTitle ?? ''} with C-STORE`,
    );
    if (sender.source === undefined)
      err('name the sender with --source or --calling: rules that ask for it do not match without');
    for (const study of explained) for (const line of studyLines(study, study.routes)) out(line);
    for (const line of leftOutLines(files)) err(line);
  }
  if (studies.length > 0) return EXIT.done;
  err(`no DICOM file in ${path}`);
  return EXIT.failed;
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
  const { values, positionals } = readArguments(argv, DIFF_OPTIONS);
  if (positionals.length > 0) throw new HubError('command.usage', { detail: `not expected: ${positionals.join(' ')}` });
  if (values.with === undefined) throw new HubError('command.usage', { detail: '--with FILE is missing' });
  const sinceMs = parseDuration(values.since);
  if (sinceMs === undefined)
    throw new HubError('command.usage', { detail: `--since ${values.since}: a duration like 12h or 7d` });
  const now = requireConfig(values, configShapes());
  const draft = requireConfig({ config: values.with }, configShapes());
  const ledger = await openLedger(now);
  try {
    const studies = studiesSince(ledger, new Date(Date.now() - sinceMs));
    const result = await diffRoutes(routesOf(now), routesOf(draft), studies);
    if (values.json === true) out(json({ since: values.since, from: now.version, to: draft.version, ...result }));
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
