/** `hub reload`: has the running hub take what its configuration file says now. Nothing is closed, nothing dropped. */
import { HubError } from '../core/errors.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, DATA_OPTION } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { withHubApi } from './hub-api.ts';
import { parseTaken, takenLines } from './taken.ts';
import { json, terminal, type Terminal } from './terminal.ts';

const OPTIONS = { config: CONFIG_OPTION, data: DATA_OPTION, json: JSON_OPTION } as const;

/** @throws {HubError} `config.not-taken` with all that is wrong */
export async function reload(argv: readonly string[], { out }: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  if (positionals.length > 0)
    throw new HubError('command.usage', { detail: `reload takes no ${positionals.join(' ')}` });
  return await withHubApi(values, false, async (api) => {
    const taken = parseTaken(await api.call('POST', '/configuration/reload'));
    if (values.json === true) out(json(taken));
    else for (const line of takenLines(taken)) out(line);
    return EXIT.done;
  });
}
