/** `hub pulls`: what the hub fetches from other archives, and having it begin, pause, go on or stop. */
import { HubError } from '../core/errors.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, DATA_OPTION } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { type HubApi, withHubApi } from './hub-api.ts';
import { cellText, field, listLines, parseList, parseRow, type Row, shownLines, type Table } from './rows.ts';
import { json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  from: { type: 'string', value: 'DAY', about: 'backfill: the first study date, 2020-01-01' },
  to: { type: 'string', value: 'DAY', about: 'backfill: the last one' },
  config: CONFIG_OPTION,
  data: DATA_OPTION,
  json: JSON_OPTION,
} as const;

const PULLS: Table = {
  none: 'no pulls: they stand under pulls in the configuration',
  columns: [
    ['pull', field('name')],
    ['state', field('state')],
    ['by', field('retrieve')],
    ['from', field('source')],
    ['next', field('nextAt')],
    ['closed until', field('opensAt')],
    ['waiting', field('found')],
    ['under way', field('fetching')],
    ['done', field('done')],
    ['failed', field('failed')],
  ],
};

const STUDIES: Table['columns'] = [
  ['study', field('studyInstanceUid')],
  ['attempts', field('attempts')],
  ['here', field('held')],
  ['at the source', field('instances')],
  ['code', field('code')],
  ['reason', field('reason')],
];

const PARTS: Readonly<Record<string, Table>> = {
  runs: {
    none: 'none yet',
    columns: [
      ['requested', field('requestedAt')],
      ['kind', field('kind')],
      ['days', ({ from, to }) => (from === undefined ? '' : `${cellText(from)}-${cellText(to)}`)],
      ['state', field('state')],
      ['progress', progressOf],
      ['found', field('found')],
      ['fetched', field('fetched')],
      ['here before', field('skipped')],
      ['failed', field('failed')],
      ['instances', field('instances')],
      ['reason', field('reason')],
    ],
  },
  underWay: { none: 'nothing', columns: STUDIES.filter(([title]) => title !== 'code' && title !== 'reason') },
  unfetched: { none: 'nothing: all that was found is here, or waits', columns: STUDIES },
};

const SAID: Readonly<Record<string, (answer: Row, name: string) => string>> = {
  run: (answer, name) => `${name} looks for studies${fromWhen(answer)}; hub pulls show ${name} says how far it is`,
  backfill: (answer, name) =>
    `${name} goes through the days${fromWhen(answer)}; hub pulls show ${name} says how far it is`,
  pause: (_, name) => `${name} asks and fetches nothing until hub pulls resume ${name}`,
  resume: (_, name) => `${name} goes on`,
  cancel: ({ runs }, name) => `${name}: ${cellText(runs)} ended; what was fetched stays`,
};

export async function pulls(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const [verb = 'list', name, ...more] = positionals;
  const days = checked(verb, name, more, values);
  return await withHubApi(values, false, async (api) => {
    if (verb === 'list') {
      const answer = parseList(await api.call('GET', '/pulls'));
      if (values.json === true) to.out(json(answer));
      else for (const line of listLines(PULLS, answer.items)) to.out(line);
      return EXIT.done;
    }
    const answer = parseRow(await ask(api, verb, name ?? '', days));
    const said = SAID[verb];
    if (values.json === true) to.out(json(answer));
    else if (said !== undefined) to.out(said(answer, name ?? ''));
    else for (const line of shownLines(answer, PARTS)) to.out(line);
    return EXIT.done;
  });
}

/** @returns the body of a back-fill @throws {HubError} `command.usage` */
function checked(
  verb: string,
  name: string | undefined,
  more: readonly string[],
  { from, to }: { readonly from?: string | undefined; readonly to?: string | undefined },
): { readonly from: string; readonly to: string } | undefined {
  const refuse = (detail: string) => new HubError('command.usage', { detail });
  const verbs = ['list', 'show', ...Object.keys(SAID)];
  if (!verbs.includes(verb)) throw refuse(`no ${verb}: ${verbs.join(', ')}`);
  if (verb === 'list' && name !== undefined) throw refuse(`list takes no ${name}: did you mean show ${name}?`);
  if (verb !== 'list' && name === undefined) throw refuse(`${verb} which pull?`);
  if (more.length > 0) throw refuse('one pull at a time');
  if (verb !== 'backfill') {
    if (from !== undefined || to !== undefined) throw refuse('--from and --to are for backfill');
    return undefined;
  }
  if (from === undefined || to === undefined) throw refuse('backfill --from DAY --to DAY');
  return { from, to };
}

async function ask(api: HubApi, verb: string, name: string, body: unknown): Promise<unknown> {
  const place = `/pulls/${encodeURIComponent(name)}`;
  return verb === 'show' ? await api.call('GET', place) : await api.call('POST', `${place}/${verb}`, body);
}

function fromWhen({ opensAt }: Row): string {
  return opensAt === undefined ? '' : ` when its window opens, at ${cellText(opensAt)}`;
}

/** `day 12 of 366`: what was asked of what is to be asked. */
function progressOf({ questions, answered, unanswered }: Row): string {
  const done = Number(answered) + Number(unanswered);
  const missed = Number(unanswered) === 0 ? '' : `, ${cellText(unanswered)} without an answer`;
  return `${String(done)} of ${cellText(questions)} asked${missed}`;
}
