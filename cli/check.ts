/** `hub check`: all mistakes of a configuration, each with its place; or, when there is none, what it amounts to. */
import { configJsonSchema } from '../config/json-schema.ts';
import { mistakeLine } from '../config/mistakes.ts';
import type { ConfigShapes, HubConfig, PolicyEntry } from '../config/schema.ts';
import type { DestinationOptions } from '../core/plugins.ts';
import { count } from '../core/count.ts';
import { HubError } from '../core/errors.ts';
import { configShapes } from '../wiring/shapes.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, loadFor } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { columns, json, terminal, type Terminal } from './terminal.ts';

const OPTIONS = {
  config: CONFIG_OPTION,
  schema: { type: 'boolean', about: 'print the JSON Schema of the configuration, for editors' },
  json: JSON_OPTION,
} as const;

export function check(argv: readonly string[]): Promise<number> {
  return checkWith(argv, configShapes(), terminal);
}

/** `check` with its surroundings. @throws {HubError} `command.usage` */
export async function checkWith<W, P extends PolicyEntry, D extends DestinationOptions>(
  argv: readonly string[],
  shapes: ConfigShapes<W, P, D>,
  { out, err }: Terminal,
): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const [file, second] = positionals;
  if (second !== undefined || (file !== undefined && values.config !== undefined)) {
    throw new HubError('command.usage', { detail: 'one file at a time' });
  }
  if (values.schema === true) {
    out(json(configJsonSchema(shapes)));
    return EXIT.done;
  }
  const checked = loadFor(values.config ?? file, shapes);
  const name = checked.file ?? 'the defaults';
  if (checked.loaded.mistakes !== undefined) {
    const { mistakes } = checked.loaded;
    if (values.json === true) out(json({ valid: false, file: checked.file, mistakes }));
    else {
      for (const mistake of mistakes) err(mistakeLine(mistake));
      err(`${name}: ${count(mistakes.length, 'mistake')}`);
    }
    return EXIT.config;
  }
  const { config, warnings } = checked.loaded;
  if (values.json === true) {
    out(json({ valid: true, file: checked.file, version: config.version, warnings, ...summary(config) }));
    return EXIT.done;
  }
  for (const warning of warnings) err(`warning: ${mistakeLine(warning)}`);
  out(`${name} ${checked.file === undefined ? 'are' : 'is'} valid, version ${config.version}`);
  for (const line of columns(summaryRows(config))) out(line);
  return EXIT.done;
}

function summary(config: HubConfig) {
  const { dimse, folders, http } = config.gateway;
  return {
    doors: {
      dimse: {
        host: dimse.host,
        port: dimse.port,
        ...(dimse.tls === undefined ? {} : { tlsPort: dimse.tls.port ?? dimse.port }),
        aeTitles: dimse.aeTitles,
        sources: dimse.sources.map(({ name }) => name),
      },
      http: { host: http.host, port: http.port, anonymousLoopback: http.anonymousLoopback },
      folders: folders.map(({ name, path, whenTaken }) => ({ name, path, whenTaken: whenTaken.kind })),
    },
    routes: config.routes.map((route) => ({
      name: route.name,
      enabled: route.enabled,
      process: route.process.map(({ processor }) => processor),
      deliver: route.deliver,
    })),
    destinations: config.destinations.map(({ name, type, partner }) => ({ name, type, partner })),
  };
}

function summaryRows(config: HubConfig): readonly (readonly string[])[] {
  const { doors, routes, destinations } = summary(config);
  const sources = doors.dimse.sources.length === 0 ? 'from loopback only' : `from ${doors.dimse.sources.join(', ')}`;
  const anonymous = doors.http.anonymousLoopback ? ', DICOMweb from loopback without token' : '';
  return [
    ...dimseDoors(doors.dimse).map((door) => [
      'door',
      'dimse',
      `${door} as ${doors.dimse.aeTitles.join(', ')}, ${sources}`,
    ]),
    ['door', 'http', `${doors.http.host}:${doors.http.port}${anonymous}`],
    ...doors.folders.map(({ name, path, whenTaken }) => [
      'door',
      'folder',
      `${path} as ${name}, taken files are ${whenTaken === 'keep' ? 'kept' : 'deleted'}`,
    ]),
    ...routes.map((route) => [
      'route',
      route.name,
      `${[...route.process, route.deliver.join(', ')].filter((step) => step !== '').join(' → ')}${route.enabled ? '' : ' (not enabled)'}`,
    ]),
    ...(routes.length === 0 ? [['route', 'none', 'every study stands in the list of unrouted studies']] : []),
    ...destinations.map(({ name, type, partner }) => [
      'destination',
      name,
      partner === undefined ? type : `${type}, only what was released for ${partner}`,
    ]),
  ];
}

function dimseDoors({ host, port, tlsPort }: ReturnType<typeof summary>['doors']['dimse']): readonly string[] {
  if (tlsPort === port) return [`${host}:${String(port)} with TLS`];
  return [`${host}:${String(port)}`, ...(tlsPort === undefined ? [] : [`${host}:${String(tlsPort)} with TLS`])];
}
