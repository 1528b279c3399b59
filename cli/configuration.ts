/** The configuration a command works under: which file, with which overrides, and what is said when it is wrong. */
import { processEnvironment } from '../config/environment.ts';
import { configFile, loadConfig, type LoadedConfig } from '../config/loader.ts';
import { mistakeLine } from '../config/mistakes.ts';
import type { Override } from '../config/overrides.ts';
import type { ConfigShapes, PolicyEntry } from '../config/schema.ts';
import { HubError } from '../core/errors.ts';
import type { DestinationOptions } from '../core/plugins.ts';

export const CONFIG_OPTION = {
  type: 'string',
  value: 'FILE',
  about: 'configuration; else $HUB_CONFIG, else hub.yaml here, else the defaults',
} as const;
export const DATA_OPTION = {
  type: 'string',
  value: 'DIR',
  about: "the hub's data folder, instead of the configuration's",
} as const;

/** The configuration, or its mistakes, with the file it came from. */
export function loadFor<W, P extends PolicyEntry, D extends DestinationOptions>(
  named: string | undefined,
  shapes: ConfigShapes<W, P, D>,
  overrides: readonly Override[] = [],
): { readonly file: string | undefined; readonly loaded: LoadedConfig<W, P, D> } {
  const env = processEnvironment();
  const file = configFile(named, env);
  return { file, loaded: loadConfig({ file, env, shapes, overrides }) };
}

/**
 * As `loadFor`, for a command that cannot go on with mistakes.
 *
 * @param given - the command's `--config` and `--data`
 * @throws {HubError} `config.invalid` with all of them
 */
export function requireConfig<W, P extends PolicyEntry, D extends DestinationOptions>(
  given: { readonly config?: string | undefined; readonly data?: string | undefined },
  shapes: ConfigShapes<W, P, D>,
) {
  return requireSource(given, shapes).config;
}

/** As `requireConfig`, with where it came from, so that it can be read again. */
export function requireSource<W, P extends PolicyEntry, D extends DestinationOptions>(
  given: { readonly config?: string | undefined; readonly data?: string | undefined },
  shapes: ConfigShapes<W, P, D>,
) {
  const data: readonly Override[] =
    given.data === undefined ? [] : [{ path: ['hub', 'data'], value: given.data, from: '--data' }];
  const { file, loaded } = loadFor(given.config, shapes, data);
  if (loaded.mistakes !== undefined) throw invalidConfig(loaded.mistakes.map(mistakeLine));
  const { config, document, warnings, secrets } = loaded;
  const env = processEnvironment();
  return {
    ...{ config, warnings, secrets },
    source: {
      file,
      document,
      read: () => loadConfig({ file, env, shapes, overrides: data }),
      readDocument: (earlier: unknown) => loadConfig({ document: earlier, env, shapes }),
    },
  };
}

/** All mistakes at once, below one another. */
export function invalidConfig(lines: readonly string[]): HubError {
  return new HubError('config.invalid', {
    detail: ['the configuration is not valid', ...lines.map((line) => `  ${line}`)].join('\n'),
  });
}
