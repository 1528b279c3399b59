/** `hub check`: all mistakes of a configuration, each with its place; or, when there is none, what it amounts to. */
import { configJsonSchema } from '../config/json-schema.ts';
import { mistakeLine } from '../config/mistakes.ts';
import type { ConfigShapes, HubConfig, PolicyEntry } from '../config/schema.ts';
import type { DestinationOptions } from '../core/plugins.ts';
import { HubError } from '../core/errors.ts';
import { configShapes } from '../shapes.ts';
import { columns, EX_CONFIG, loadFor, readArguments, terminal, type Terminal } from './configuration.ts';

export function check(argv: readonly string[]): Promise<number> {
  return checkWith(argv, configShapes(), terminal);
}

/** `check` with its surroundings. @throws {HubError} `command.usage` */
export async function checkWith<W, P extends PolicyEntry, D extends DestinationOptions>(
  argv: readonly string[],
  shapes: ConfigShapes<W, P, D>,
  { out, err }: Terminal,
): Promise<number> {
  const { values, positionals } = readArguments(argv, {
    config: { type: 'string' },
    json: { type: 'boolean' },
    schema: { type: 'boolean' },
  });
  const [file, second] = positionals;
  if (second !== undefined || (file !== undefined && values.config !== undefined)) {
    throw new HubError('command.usage', { detail: 'one file at a time' });
  }
  if (values.schema === true) {
    out(JSON.stringify(configJsonSchema(shapes), undefined, 2));
    return 0;
  }
  const checked = loadFor(values.config ?? file, shapes);
  const name = checked.file ?? 'the defaults';
  if (checked.loaded.mistakes !== undefined) {
    const { mistakes } = checked.loaded;
    if (values.json === true) out(JSON.stringify({ valid: false, file: checked.file, mistakes }, undefined, 2));
    else {
      for (const mistake of mistakes) err(mistakeLine(mistake));
      err(`${name}: ${mistakes.length === 1 ? '1 mistake' : `${mistakes.length} mistakes`}`);
    }
    return EX_CONFIG;
  }
  const { config, warnings } = checked.loaded;
  if (values.json === true) {
    out(
      JSON.stringify(
        { valid: true, file: checked.file, version: config.version, warnings, ...summary(config) },
        undefined,
        2,
      ),
    );
    return 0;
  }
  for (const warning of warnings) err(`warning: ${mistakeLine(warning)}`);
  out(`${name} ${checked.file === undefined ? 'are' : 'is'} valid, version ${config.version}`);
  for (const line of columns(summaryRows(config))) out(line);
  return 0;
}

function summary(config: HubConfig) {
  const { dimse, http } = config.gateway;
  return {
    doors: {
      dimse: {
        host: dimse.host,
        port: dimse.port,
        aeTitles: dimse.aeTitles,
        sources: dimse.sources.map(({ name }) => name),
      },
      http: { host: http.host, port: http.port, anonymousLoopback: http.anonymousLoopback },
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
    ['door', 'dimse', `${doors.dimse.host}:${doors.dimse.port} as ${doors.dimse.aeTitles.join(', ')}, ${sources}`],
    ['door', 'http', `${doors.http.host}:${doors.http.port}${anonymous}`],
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
