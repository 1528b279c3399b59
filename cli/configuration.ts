/** What commands that need the configuration have in common: arguments, loading, and what is said when it is wrong. */
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { processEnvironment } from '../config/environment.ts';
import { configFile, loadConfig, type LoadedConfig } from '../config/loader.ts';
import { mistakeLine } from '../config/mistakes.ts';
import type { Override } from '../config/overrides.ts';
import type { ConfigShapes, PolicyEntry } from '../config/schema.ts';
import { HubError } from '../core/errors.ts';
import type { DestinationOptions } from '../core/plugins.ts';

/** EX_CONFIG of sysexits.h. */
export const EX_CONFIG = 78;

/** Where a command speaks: results on `out`, what went wrong on `err`. One line each. */
export interface Terminal {
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
}

export const terminal: Terminal = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
};

/** @throws {HubError} `command.usage` */
export function readArguments<const Options extends ParseArgsOptionsConfig>(argv: readonly string[], options: Options) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new HubError('command.usage', { detail: error instanceof Error ? error.message : String(error) }, error);
  }
}

/** The configuration a command works under, with the file it came from. */
export function loadFor<W, P extends PolicyEntry, D extends DestinationOptions>(
  named: string | undefined,
  shapes: ConfigShapes<W, P, D>,
  overrides: readonly Override[] = [],
): { readonly file: string | undefined; readonly loaded: LoadedConfig<W, P, D> } {
  const env = processEnvironment();
  const file = configFile(named, env);
  return { file, loaded: loadConfig({ file, env, shapes, overrides }) };
}

/** As `loadFor`, for a command that cannot go on with mistakes. @throws {HubError} `config.invalid` with all of them */
export function requireConfig<W, P extends PolicyEntry, D extends DestinationOptions>(
  named: string | undefined,
  shapes: ConfigShapes<W, P, D>,
  overrides: readonly Override[] = [],
) {
  const { loaded } = loadFor(named, shapes, overrides);
  if (loaded.mistakes === undefined) return loaded.config;
  throw new HubError('config.invalid', { detail: ['', ...loaded.mistakes.map(mistakeLine)].join('\n') });
}

/** `--data DIR` as an override of the configuration's data folder. */
export function dataOverride(dir: string | undefined): readonly Override[] {
  return dir === undefined ? [] : [{ path: ['hub', 'data'], value: dir, from: '--data' }];
}

/** Rows in columns, two spaces apart. */
export function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
