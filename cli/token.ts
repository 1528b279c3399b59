/** `hub token create | list | revoke`: who may use the HTTP doors. */
import { role as roles } from '../api/shapes.ts';
import { HubError } from '../core/errors.ts';
import { PARTNER_SCOPES } from '../core/partners.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, DATA_OPTION } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { type HubApi, withHubApi } from './hub-api.ts';
import { cellText, field, listLines, parseList, parseRow, type Row, type Table } from './rows.ts';
import { json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  role: { type: 'string', value: 'ROLE', about: `create: ${roles.options.join(', ')}` },
  partner: { type: 'string', value: 'NAME', about: 'create: the partner, with --role partner' },
  scopes: {
    type: 'string',
    value: 'A,B',
    about: `create: what a partner may do with it: ${PARTNER_SCOPES.join(', ')}; else all`,
  },
  expires: { type: 'string', value: 'TIME', about: 'create: when it ends, as 2027-01-31T00:00:00Z; else never' },
  config: CONFIG_OPTION,
  data: DATA_OPTION,
  json: JSON_OPTION,
} as const;

interface Wanted {
  readonly role?: string | undefined;
  readonly partner?: string | undefined;
  readonly expires?: string | undefined;
  readonly scopes?: string | undefined;
}

const TOKENS: Table = {
  none: 'no tokens',
  columns: [
    ['token', field('tokenId')],
    ['role', field('role')],
    ['partner', field('partner')],
    ['created', field('createdAt')],
    ['last used', field('lastUsedAt')],
    ['ends', (row) => row['revokedAt'] ?? row['expiresAt']],
  ],
};

/** A token can be made before the first start: whoever sets a machine up need not wait for it. */
export async function token(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const [verb = 'list', id, ...more] = positionals;
  const work = workOf(verb, id, values);
  if (more.length > 0 || (verb !== 'revoke' && id !== undefined))
    throw new HubError('command.usage', { detail: `${verb} takes no ${positionals.slice(1).join(' ')}` });
  const { answer, lines } = await withHubApi(values, verb === 'create', work);
  if (values.json === true) to.out(json(answer));
  else for (const line of lines) to.out(line);
  return EXIT.done;
}

interface Said {
  readonly answer: unknown;
  readonly lines: readonly string[];
}

/** @throws {HubError} `command.usage` before anything is opened */
function workOf(verb: string, id: string | undefined, wanted: Wanted): (api: HubApi) => Promise<Said> {
  switch (verb) {
    case 'create': {
      const body = newToken(wanted);
      return async (api) => {
        const created = parseRow(await api.call('POST', '/tokens', body));
        return { answer: created, lines: [cellText(created['token'])] };
      };
    }
    case 'revoke':
      if (id === undefined) throw new HubError('command.usage', { detail: 'revoke which token?' });
      return async (api) => {
        const answer = await api.call('DELETE', `/tokens/${encodeURIComponent(id)}`);
        return { answer, lines: [`${id} is revoked`] };
      };
    case 'list':
      return async (api) => {
        const answer = { items: await allTokens(api) };
        return { answer, lines: listLines(TOKENS, answer.items) };
      };
    default:
      throw new HubError('command.usage', { detail: `no ${verb}: create, list or revoke` });
  }
}

/** The oldest first, as they were made. */
async function allTokens(api: HubApi): Promise<readonly Row[]> {
  const items: Row[] = [];
  for (let place = ''; ;) {
    const page = parseList(await api.call('GET', `/tokens?limit=500${place}`));
    items.push(...page.items);
    if (page.cursor === undefined) return items.toReversed();
    place = `&before=${encodeURIComponent(page.cursor)}`;
  }
}

function newToken({ role, partner, expires, scopes }: Wanted) {
  if (role === undefined || !roles.safeParse(role).success)
    throw new HubError('command.usage', { detail: `--role ${roles.options.join(', ')}: which?` });
  if ((role === 'partner') !== (partner !== undefined))
    throw new HubError('command.usage', { detail: '--partner NAME belongs to --role partner, and only to it' });
  if (expires !== undefined && Number.isNaN(Date.parse(expires)))
    throw new HubError('command.usage', { detail: `--expires ${expires}: a time like 2027-01-31T00:00:00Z` });
  if (scopes !== undefined && role !== 'partner')
    throw new HubError('command.usage', { detail: '--scopes belongs to --role partner' });
  const wanted = scopes?.split(',').map((scope) => scope.trim());
  const unknown = wanted?.find((scope) => !PARTNER_SCOPES.some((known) => known === scope));
  if (unknown !== undefined)
    throw new HubError('command.usage', { detail: `no scope ${unknown}: ${PARTNER_SCOPES.join(', ')}` });
  return {
    role,
    partner,
    ...(expires === undefined ? {} : { expiresAt: new Date(expires).toISOString() }),
    ...(wanted === undefined ? {} : { scopes: wanted }),
  };
}
