/** `hub studies | deliveries | dead-letters | quarantine | token`: the administration API at the terminal. */
import * as z from 'zod';
import { role as roles } from '../api/shapes.ts';
import { HubError } from '../core/errors.ts';
import { configShapes } from '../shapes.ts';
import { columns, dataOverride, readArguments, requireConfig, type Terminal, terminal } from './configuration.ts';
import { type HubApi, openHubApi } from './hub-api.ts';

/** How one kind of thing is listed and shown. */
interface Resource {
  readonly path: string;
  /** `no deliveries` is what an empty list says. */
  readonly none: string;
  readonly verbs: readonly string[];
  readonly columns: readonly (readonly [title: string, cell: (row: Row) => unknown])[];
}

type Row = Readonly<Record<string, unknown>>;
const row = z.record(z.string(), z.unknown());
const list = z.object({ items: z.array(row), cursor: z.string().optional() });
const DEFAULT_LIMIT = '50';

const field = (name: string) => (from: Row) => from[name];

export const studies = resourceCommand({
  path: '/studies',
  none: 'no studies',
  verbs: ['complete'],
  columns: [
    ['study', field('studyInstanceUid')],
    ['state', (from) => (from['held'] === true ? 'held' : from['state'])],
    ['revision', field('revision')],
    ['instances', field('instances')],
    ['source', field('source')],
    ['last received', field('lastReceivedAt')],
  ],
});

const DELIVERY_COLUMNS: Resource['columns'] = [
  ['delivery', field('deliveryId')],
  ['destination', field('destination')],
  ['state', field('state')],
  ['attempts', field('attempts')],
  ['next', field('dueAt')],
  ['study', field('studyInstanceUid')],
  ['reason', field('reason')],
];
export const deliveries = resourceCommand({
  path: '/deliveries',
  none: 'no deliveries',
  verbs: ['replay'],
  columns: DELIVERY_COLUMNS,
});
export const deadLetters = resourceCommand({
  path: '/dead-letters',
  none: 'no dead letters',
  verbs: ['replay'],
  columns: DELIVERY_COLUMNS.filter(([title]) => title !== 'next' && title !== 'state'),
});
export const quarantine = resourceCommand({
  path: '/quarantine',
  none: 'nothing in quarantine',
  verbs: ['release', 'replay'],
  columns: [
    ['entry', field('quarantineId')],
    ['state', field('state')],
    ['stage', field('stage')],
    ['reason', field('reason')],
    ['instances', field('instances')],
    ['study', field('studyInstanceUid')],
    ['since', field('createdAt')],
  ],
});

/** `hub token create --role ROLE [--partner NAME]`, and the list, and the end of one. */
export async function token(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, {
    ...COMMON_OPTIONS,
    role: { type: 'string' },
    partner: { type: 'string' },
    expires: { type: 'string' },
  });
  const [verb = 'list', id] = positionals;
  return await withApi(values, verb === 'create', async (api) => {
    const { role, partner, expires } = values;
    switch (verb) {
      case 'create': {
        if (role === undefined || !roles.safeParse(role).success)
          throw new HubError('command.usage', { detail: '--role admin, operator, auditor or partner' });
        if ((role === 'partner') !== (partner !== undefined))
          throw new HubError('command.usage', { detail: '--partner NAME belongs to --role partner, and only to it' });
        const body = { role, partner, ...(expires === undefined ? {} : { expiresAt: expires }) };
        const created = row.parse(await api.call('POST', '/tokens', body));
        to.out(values.json === true ? json(created) : text(created['token']));
        return 0;
      }
      case 'revoke': {
        if (id === undefined) throw new HubError('command.usage', { detail: 'revoke which token?' });
        const revoked = await api.call('DELETE', `/tokens/${encodeURIComponent(id)}`);
        to.out(values.json === true ? json(revoked) : `${id} is revoked`);
        return 0;
      }
      case 'list': {
        const { items } = list.parse(await api.call('GET', '/tokens'));
        if (values.json === true) to.out(json({ items }));
        else printTable(to, TOKENS, items);
        return 0;
      }
      default:
        throw new HubError('command.usage', { detail: 'create, list or revoke' });
    }
  });
}

const TOKENS: Resource = {
  path: '/tokens',
  none: 'no tokens',
  verbs: [],
  columns: [
    ['token', field('tokenId')],
    ['role', field('role')],
    ['partner', field('partner')],
    ['created', field('createdAt')],
    ['last used', field('lastUsedAt')],
    ['ends', (from) => from['revokedAt'] ?? from['expiresAt']],
  ],
};

const COMMON_OPTIONS = {
  config: { type: 'string' },
  data: { type: 'string' },
  json: { type: 'boolean' },
} as const;

function resourceCommand(resource: Resource): (argv: readonly string[], to?: Terminal) => Promise<number> {
  return async (argv, to = terminal) => {
    const { values, positionals } = readArguments(argv, {
      ...COMMON_OPTIONS,
      state: { type: 'string' },
      destination: { type: 'string' },
      study: { type: 'string' },
      limit: { type: 'string' },
      before: { type: 'string' },
    });
    const [verb = 'list', id, ...more] = positionals;
    const verbs = ['list', 'show', ...resource.verbs];
    if (!verbs.includes(verb)) throw new HubError('command.usage', { detail: `no ${verb}: ${verbs.join(', ')}` });
    if (more.length > 0) throw new HubError('command.usage', { detail: 'one at a time' });
    if (verb !== 'list' && id === undefined) throw new HubError('command.usage', { detail: `${verb} which?` });
    const { state, destination, study, limit, before } = values;

    return await withApi(values, false, async (api) => {
      if (verb === 'list') {
        const query = Object.entries({ state, destination, study, limit: limit ?? DEFAULT_LIMIT, before });
        const given = query.flatMap(([name, value]) =>
          value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
        );
        const answer = list.parse(await api.call('GET', `${resource.path}?${given.join('&')}`));
        if (values.json === true) to.out(json(answer));
        else {
          printTable(to, resource, answer.items);
          if (answer.cursor !== undefined) to.err(`there are more: --before ${answer.cursor}`);
        }
        return 0;
      }
      const path = `${resource.path}/${encodeURIComponent(id ?? '')}`;
      const answer = row.parse(
        verb === 'show' ? await api.call('GET', path) : await api.call('POST', `${path}/${verb}`),
      );
      if (values.json === true) to.out(json(answer));
      else for (const line of shown(answer)) to.out(line);
      return 0;
    });
  };
}

async function withApi(
  values: { readonly config?: string | undefined; readonly data?: string | undefined },
  isNewHubFine: boolean,
  work: (api: HubApi) => Promise<number>,
): Promise<number> {
  const api = await openHubApi(requireConfig(values.config, configShapes(), dataOverride(values.data)), isNewHubFine);
  try {
    return await work(api);
  } finally {
    await api.close();
  }
}

function printTable(to: Terminal, resource: Resource, rows: readonly Row[]): void {
  if (rows.length === 0) {
    to.out(resource.none);
    return;
  }
  // A column that says nothing for any row is left out.
  const used = resource.columns.filter(([, cell]) => rows.some((each) => text(cell(each)) !== ''));
  const cells = rows.map((each) => used.map(([, cell]) => text(cell(each))));
  for (const line of columns([used.map(([title]) => title), ...cells])) to.out(line);
}

/** Plain fields one a line, then each list of things as a table of its own. */
function shown(answer: Row): readonly string[] {
  const entries = Object.entries(answer);
  const plain = entries.filter(([, value]) => !isListOfRows(value));
  const lines = [...columns(plain.map(([name, value]) => [name, text(value)]))];
  for (const [name, value] of entries) {
    if (!isListOfRows(value)) continue;
    lines.push('', `${name}:`);
    const titles = [...new Set(value.flatMap((each) => Object.keys(each)))];
    const cells = value.map((each) => titles.map((title) => text(each[title])));
    lines.push(...columns([titles, ...cells]).map((line) => `  ${line}`));
  }
  return lines;
}

function isListOfRows(value: unknown): value is readonly Row[] {
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'object' && each !== null);
}

function text(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'object') return JSON.stringify(value);
  return typeof value === 'string' ? value : `${value as number | boolean}`;
}

const json = (value: unknown): string => JSON.stringify(value, undefined, 2);
