/** `hub routes history | show | rollback`: configurations that were in force, and having one of them hold again. */
import * as z from 'zod';
import { writeYaml } from '../config/yaml.ts';
import { HubError } from '../core/errors.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, DATA_OPTION } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { withHubApi } from './hub-api.ts';
import { field, listLines, parseList, type Table } from './rows.ts';
import { differenceLines, parseDifferences, parseTaken, takenLines } from './taken.ts';
import { json, type Terminal } from './terminal.ts';

const COMMON = { config: CONFIG_OPTION, data: DATA_OPTION, json: JSON_OPTION } as const;
export const HISTORY_OPTIONS = {
  ...COMMON,
  limit: { type: 'string', value: 'N', default: '20', about: 'history: rows, newest first (20)' },
  before: { type: 'string', value: 'ID', about: 'history: the next page, as the page before says' },
} as const;
const SHOW_OPTIONS = {
  ...COMMON,
  diff: { type: 'boolean', about: 'show: what differs from the version before' },
  against: { type: 'string', value: 'VERSION', about: 'show: what differs from this version' },
} as const;

const HISTORY: Table = {
  none: 'no configuration was noted yet: a hub notes its own when it starts',
  columns: [
    ['version', field('version')],
    ['in force since', field('activatedAt')],
    ['through', field('cause')],
    ['who', field('actor')],
    ['node', field('node')],
    ['instead of', field('previous')],
    ['file', field('file')],
  ],
};

const shownVersion = z.object({ version: z.string(), inForce: z.boolean(), document: z.unknown() });

export async function history(argv: readonly string[], { out }: Terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, HISTORY_OPTIONS);
  if (positionals.length > 0) throw new HubError('command.usage', { detail: `not expected: ${positionals.join(' ')}` });
  const query = new URLSearchParams({ limit: values.limit });
  if (values.before !== undefined) query.set('before', values.before);
  return await withHubApi(values, false, async (api) => {
    const answer = await api.call('GET', `/configuration?${query.toString()}`);
    if (values.json === true) {
      out(json(answer));
      return EXIT.done;
    }
    const { items, cursor } = parseList(answer);
    for (const line of listLines(HISTORY, items)) out(line);
    if (cursor !== undefined) out(`more: --before ${cursor}`);
    return EXIT.done;
  });
}

/** Prints a version as a file that could be used as it is, or what differs. */
export async function show(argv: readonly string[], { out }: Terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, SHOW_OPTIONS);
  const version = oneVersion(positionals);
  return await withHubApi(values, false, async (api) => {
    if (values.diff === true || values.against !== undefined) {
      const against = values.against === undefined ? '' : `?against=${encodeURIComponent(values.against)}`;
      const answer = parseDifferences(await api.call('GET', `/configuration/${version}/diff${against}`));
      if (values.json === true) out(json(answer));
      else {
        out(answer.from === undefined ? `${answer.to}: the first one` : `${answer.to}, against ${answer.from}`);
        for (const line of differenceLines(answer.differences)) out(line);
      }
      return EXIT.done;
    }
    const answer = shownVersion.parse(await api.call('GET', `/configuration/${version}`));
    if (values.json === true) out(json(answer));
    else {
      out(
        `# version ${answer.version}${answer.inForce ? ', in force' : ''}; overrides by variables and options stand in it too`,
      );
      out(writeYaml(answer.document).trimEnd());
    }
    return EXIT.done;
  });
}

/** @throws {HubError} `config.not-taken`, `resource.not-found` */
export async function rollback(argv: readonly string[], { out }: Terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, COMMON);
  const version = oneVersion(positionals);
  return await withHubApi(values, false, async (api) => {
    const taken = parseTaken(await api.call('POST', `/configuration/${version}/rollback`));
    if (values.json === true) out(json(taken));
    else for (const line of takenLines(taken)) out(line);
    return EXIT.done;
  });
}

function oneVersion([version, ...more]: readonly string[]): string {
  if (version === undefined || more.length > 0 || !/^[0-9a-f]{4,12}$/.test(version)) {
    throw new HubError('command.usage', { detail: 'one VERSION, as hub routes history lists them' });
  }
  return version;
}
