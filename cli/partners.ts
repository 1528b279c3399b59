/** `hub partners`: who gets results, and changing that while the hub runs; and what to set up in Kafka for them. */
import { kafkaPartners } from '../config/bus.ts';
import { HubError } from '../core/errors.ts';
import { configShapes } from '../wiring/shapes.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, DATA_OPTION, requireConfig } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { type HubApi, withHubApi } from './hub-api.ts';
import { aclCommands, aclRules, strimziUser } from './partners-acls.ts';
import { field, listLines, parseList, parseRow, shownLines, type Table } from './rows.ts';
import { json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  expires: {
    type: 'string',
    value: 'TIME',
    about: 'create, extend: when access ends, as 2027-01-31 or 2027-01-31T18:00:00Z; never: as the configuration says',
  },
  contact: { type: 'string', value: 'TEXT', about: 'create: whom to ask there' },
  description: { type: 'string', value: 'TEXT', about: 'create: who they are' },
  config: CONFIG_OPTION,
  data: DATA_OPTION,
  json: JSON_OPTION,
} as const;

interface Given {
  readonly expires?: string | undefined;
  readonly contact?: string | undefined;
  readonly description?: string | undefined;
  readonly config?: string | undefined;
  readonly data?: string | undefined;
  readonly json?: boolean | undefined;
}

const PARTNERS: Table = {
  none: 'no partners: they stand under partners in the configuration, or hub partners create NAME',
  columns: [
    ['partner', field('name')],
    ['from', field('origin')],
    ['access', ({ suspended, expiresAt }) => (suspended === true ? 'suspended' : accessUntil(expiresAt))],
    ['tokens', field('tokens')],
    ['webhooks', field('webhooks')],
    ['destinations', field('destinations')],
    ['contact', field('contact')],
  ],
};

const PARTS: Readonly<Record<string, Table>> = {
  webhookList: {
    none: 'no webhooks',
    columns: [
      ['webhook', field('webhookId')],
      ['state', field('state')],
      ['failures', field('failures')],
      ['url', field('url')],
    ],
  },
  tokenList: {
    none: 'no tokens',
    columns: [
      ['token', field('tokenId')],
      ['created', field('createdAt')],
      ['last used', field('lastUsedAt')],
      ['ends', field('expiresAt')],
    ],
  },
  changes: {
    none: 'nothing was changed at run time',
    columns: [
      ['when', field('changedAt')],
      ['by', field('actor')],
      ['what', field('change')],
    ],
  },
};

const accessUntil = (expiresAt: unknown): string =>
  typeof expiresAt === 'string' ? `until ${expiresAt.replace('T00:00:00.000Z', '')}` : 'yes';

export async function partners(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const [verb = 'list', name, ...more] = positionals;
  if (more.length > 0) throw new HubError('command.usage', { detail: 'one partner at a time' });
  if (verb === 'acls') {
    if (name !== undefined) throw new HubError('command.usage', { detail: `acls takes no ${name}` });
    return acls(values, to);
  }
  const work = workOf(verb, name, values);
  const { answer, lines } = await withHubApi(values, false, work);
  if (values.json === true) to.out(json(answer));
  else for (const line of lines) to.out(line);
  return EXIT.done;
}

interface Said {
  readonly answer: unknown;
  readonly lines: readonly string[];
}

/** @throws {HubError} `command.usage` before anything is opened */
function workOf(verb: string, name: string | undefined, given: Given): (api: HubApi) => Promise<Said> {
  if (verb === 'list') {
    if (name !== undefined) throw new HubError('command.usage', { detail: `list takes no ${name}: show ${name}?` });
    return async (api) => {
      const answer = parseList(await api.call('GET', '/partners'));
      return { answer, lines: listLines(PARTNERS, answer.items) };
    };
  }
  const ask = requestOf(verb, given);
  if (name === undefined) throw new HubError('command.usage', { detail: `${verb} which partner?` });
  return async (api) => {
    const answer = parseRow(await ask(api, name));
    const { needs, ...rest } = answer;
    const lines = verb === 'show' ? shownLines(rest, PARTS) : listLines(PARTNERS, [rest]);
    return { answer, lines: verb === 'show' || verb === 'create' ? [...lines, ...needLines(needs)] : lines };
  };
}

function needLines(needs: unknown): readonly string[] {
  if (!Array.isArray(needs) || needs.length === 0) return [];
  return ['', 'does not get yet, and needs for it:', ...needs.map((need) => `  ${String(need)}`)];
}

function requestOf(verb: string, given: Given): (api: HubApi, name: string) => Promise<unknown> {
  const placeOf = (name: string) => `/partners/${encodeURIComponent(name)}`;
  const isOnly = (...options: readonly (keyof Given)[]) => {
    const wrong = (['expires', 'contact', 'description'] as const).find(
      (option) => given[option] !== undefined && !options.includes(option),
    );
    if (wrong !== undefined) throw new HubError('command.usage', { detail: `--${wrong} is not for ${verb}` });
  };
  switch (verb) {
    case 'show':
      isOnly();
      return (api, name) => api.call('GET', placeOf(name));
    case 'create': {
      isOnly('expires', 'contact', 'description');
      const { contact, description } = given;
      const body = {
        contact,
        description,
        ...(given.expires === undefined ? {} : { expiresAt: momentOf(given.expires) }),
      };
      return (api, name) => api.call('POST', '/partners', { name, ...body });
    }
    case 'suspend':
    case 'resume':
      isOnly();
      return (api, name) => api.call('PATCH', placeOf(name), { suspended: verb === 'suspend' });
    case 'extend': {
      isOnly('expires');
      if (given.expires === undefined) throw new HubError('command.usage', { detail: 'extend --expires TIME' });
      const expiresAt = momentOf(given.expires);
      return (api, name) => api.call('PATCH', placeOf(name), { expiresAt });
    }
    default:
      throw new HubError('command.usage', {
        detail: `no ${verb}: list, show, create, suspend, resume, extend or acls`,
      });
  }
}

/** `null`: as the configuration says. */
function momentOf(text: string): string | null {
  if (text === 'never') return null;
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(Date.parse(text)))
    throw new HubError('command.usage', { detail: `--expires ${text}: a time like 2027-01-31, or never` });
  return new Date(text).toISOString();
}

function acls(values: Given, to: Terminal): number {
  const config = requireConfig(values, configShapes());
  if (config.bus.kind !== 'kafka')
    throw new HubError('resource.not-found', { detail: 'the bus of this configuration is not Kafka' });
  const found = kafkaPartners(config.partners);
  const [bootstrap = ''] = config.bus.brokers;
  const answer = found.map((partner) => ({
    ...partner,
    rules: aclRules(partner),
    commands: aclCommands(partner, bootstrap),
    kafkaUser: strimziUser(partner),
  }));
  if (values.json === true) to.out(json({ partners: answer }));
  else if (answer.length === 0) to.out('# no partner reads from Kafka: give one `kafka: {}` under partners');
  else {
    for (const { partner, topic, commands, kafkaUser } of answer) {
      to.out(`# ${partner} reads ${topic}, and nothing else. With Kafka's own tools:`);
      for (const command of commands) to.out(command);
      to.out(`# or with Strimzi:`);
      to.out(kafkaUser);
    }
  }
  return EXIT.done;
}
