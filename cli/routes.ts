/** `hub routes`: which routes studies take and why; what a changed configuration would do; versions. */
import type { HubConfig } from '../config/schema.ts';
import { count } from '../core/count.ts';
import { HubError } from '../core/errors.ts';
import { explainStudy, explanationLines, type RouteExplanation } from '../routers/explain.ts';
import type { Facts } from '../routers/match.ts';
import { configShapes } from '../wiring/shapes.ts';
import { JSON_OPTION, onlyPath, readArguments } from './arguments.ts';
import { CONFIG_OPTION, requireConfig } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { openKeptLedger } from './kept-ledger.ts';
import { leftOutLines, openLocalFiles } from './local-files.ts';
import { type ReceivedStudy, receivedStudies } from './received-studies.ts';
import { AT_OPTION, diff, DIFF_OPTIONS, momentOf } from './routes-diff.ts';
import { json, terminal, type Terminal } from './terminal.ts';

const EXPLAIN_OPTIONS = {
  config: CONFIG_OPTION,
  source: { type: 'string', value: 'NAME', about: 'explain: as if this source had sent it' },
  calling: { type: 'string', value: 'AET', about: 'explain: as if from this AE title' },
  called: { type: 'string', value: 'AET', about: 'explain: as if to this AE title of ours' },
  at: AT_OPTION,
  json: JSON_OPTION,
} as const;

/** @throws {HubError} `command.usage`, `config.invalid` */
export async function routes(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  switch (command) {
    case 'explain':
      return explain(rest, terminal);
    case 'diff':
      return diff(rest, openKeptLedger, terminal);
    case 'history':
    case 'show':
    case 'rollback': {
      const commands = await import('./routes-history.ts');
      return commands[command](rest, terminal);
    }
    case undefined:
    default: {
      const { HISTORY_OPTIONS } = await import('./routes-history.ts');
      readArguments(argv, { ...HISTORY_OPTIONS, ...EXPLAIN_OPTIONS, ...DIFF_OPTIONS });
      throw new HubError('command.usage', { detail: 'explain, diff, history, show or rollback?' });
    }
  }
}

/** `hub routes explain PATH`: each route, whether it would take each study, and why. 1 when there is no study. */
export async function explain(argv: readonly string[], { out, err }: Terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, EXPLAIN_OPTIONS);
  const path = onlyPath(positionals);
  const config = requireConfig(values, configShapes());
  const sender = assumedSender(values, config);
  const atMs = momentOf(values.at) ?? Date.now();
  const files = await openLocalFiles(path);
  const studies = receivedStudies(files, sender);
  const explained = studies.map((study) => ({ ...study, ...explainStudy(config.routes, study.series, atMs) }));

  if (values.json === true) {
    const shown = explained.map(({ series, ...study }) => ({ ...study, instances: countInstances(series) }));
    const { otherFiles } = files;
    const damagedFiles = files.damaged.map(({ name, error }) => ({ name, reason: error.code }));
    out(json({ sender, configVersion: config.version, studies: shown, damagedFiles, otherFiles }));
  } else {
    out(wayIn(sender));
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
    const others = sourcesWithoutAeTitle(config);
    const door = others.get(given.source);
    if (door === undefined) {
      const names = [...sources.map(({ name }) => name), ...others.keys()].join(', ');
      throw new HubError('command.usage', { detail: `there is no source ${given.source}; ${names}` });
    }
    if (given.calling !== undefined || given.called !== undefined)
      throw new HubError('command.usage', { detail: `what comes from ${given.source} has no AE titles` });
    return { door, source: given.source };
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

/** Those that no association comes from, with the door that a route sees them at. */
function sourcesWithoutAeTitle({ gateway, pulls, partners }: HubConfig): ReadonlyMap<string, string> {
  return new Map([
    ...gateway.folders.map(({ name }) => [name, 'folder'] as const),
    ...pulls.map(({ name, from }) => [name, 'dicom' in from ? 'dimse' : 'stow-rs'] as const),
    ...partners.flatMap(({ returns }) => (returns === undefined ? [] : [[returns, 'stow-rs'] as const])),
  ]);
}

function wayIn({ door, source, callingAeTitle, calledAeTitle }: Sender): string {
  if (calledAeTitle === undefined) return `as if it came from ${source ?? 'an unknown source'} (door ${door ?? ''})`;
  return `as if sent by ${source ?? 'an unknown source'} (${callingAeTitle ?? 'any AE title'}) to ${calledAeTitle} with C-STORE`;
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
  const heading = `  ${route.fallback === true ? 'fallback ' : ''}route ${route.route} ${route.verdict}${route.verdict === 'matches' ? `${goes}: ${way}` : ''}`;
  return [
    heading,
    ...route.series.flatMap((series) => [
      `    series ${series.seriesInstanceUid} (${count(series.instances, 'instance')})${series.explanation.matched ? '' : ' does not match'}`,
      ...explanationLines(series.explanation).map((line) => `      ${line}`),
    ]),
  ];
}

function countInstances(series: ReceivedStudy['series']): number {
  return series.reduce((sum, each) => sum + each.instances, 0);
}
