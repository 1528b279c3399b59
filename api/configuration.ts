/** Configurations that were in force, taking the file anew or an earlier version, and trying another one on the past. */
import * as z from 'zod';
import { differences, withoutCredentials } from '../core/difference.ts';
import { HubError } from '../core/errors.ts';
import { ACTIVATION_CAUSES } from '../core/ledger/configuration.ts';
import { parseDuration } from '../core/quantities.ts';
import { type Operation, operation } from './operation.ts';
import { listPage, pageOf } from './page.ts';
import type { ApiPorts, ConfigurationControl } from './ports.ts';
import { ADMINS, OPERATORS, READERS } from './roles.ts';
import { difference, routesDiff, takenConfiguration } from './configuration-shapes.ts';
import { listOf, pageQuery } from './shapes.ts';

const version = z.string().regex(/^[0-9a-f]{4,12}$/, 'a version: up to 12 hexadecimal digits');
const params = z.object({ version });
const DEFAULT_LISTED = 1_000;

const activation = z.object({
  activationId: z.string(),
  version: z.string(),
  previous: z.string().optional().describe('In force before it on the same node'),
  cause: z.enum(ACTIVATION_CAUSES),
  actor: z.string().describe('Whose token it was, or what'),
  node: z.string(),
  file: z.string().optional(),
  activatedAt: z.string(),
});

export function configurationOperations(ports: ApiPorts): readonly Operation[] {
  const { configuration } = ports.ledger;
  return [
    operation({
      method: 'get',
      path: '/configuration',
      tag: 'configuration',
      summary: 'Configurations that came into force, newest first, with who or what brought each about',
      roles: READERS,
      query: pageQuery,
      answer: listOf(activation).extend({ inForce: z.string().describe('On the node that answers') }),
      handle: async ({ query }) => {
        const rows = await configuration.activations(pageOf(query));
        const { configVersion: inForce } = ports.catalogue();
        return { ...listPage(rows, query.limit, ({ activationId }) => activationId), inForce };
      },
    }),
    operation({
      method: 'get',
      path: '/configuration/{version}',
      tag: 'configuration',
      summary: 'What a version says, as it was written; secrets are references in it',
      roles: READERS,
      params,
      answer: z.object({ version: z.string(), inForce: z.boolean(), document: z.unknown() }),
      handle: async ({ params: { version: given } }) => {
        const found = await known(ports, given);
        const inForce = found === ports.catalogue().configVersion;
        return { version: found, inForce, document: withoutCredentials(await documentOf(ports, found)) };
      },
    }),
    operation({
      method: 'get',
      path: '/configuration/{version}/diff',
      tag: 'configuration',
      summary: 'How a version differs from another, or else from the one that it followed',
      roles: READERS,
      params,
      query: z.object({ against: version.optional() }),
      answer: z.object({ from: z.string().optional(), to: z.string(), differences: z.array(difference) }),
      handle: async ({ params: { version: given }, query: { against } }) => {
        const to = await known(ports, given);
        const from = against === undefined ? await before(ports, to) : await known(ports, against);
        const older = from === undefined ? {} : await documentOf(ports, from);
        return {
          ...(from === undefined ? {} : { from }),
          to,
          differences: [...differences(older, await documentOf(ports, to))],
        };
      },
    }),
    operation({
      method: 'post',
      path: '/configuration/reload',
      tag: 'configuration',
      summary:
        'Takes what the configuration file says now; a file with mistakes, or that needs a restart, changes nothing',
      roles: ADMINS,
      answer: takenConfiguration,
      audit: 'configuration.reload',
      subject: ({ version: taken }) => taken,
      handle: async ({ identity: { actor } }) => takenConfiguration.parse(await control(ports).reload(actor)),
    }),
    operation({
      method: 'post',
      path: '/configuration/{version}/rollback',
      tag: 'configuration',
      summary:
        'Takes a version that was in force before; the file is not written, and /health/ready says so until it agrees',
      roles: ADMINS,
      params,
      answer: takenConfiguration,
      audit: 'configuration.rollback',
      subject: ({ version: taken }) => taken,
      handle: async ({ params: { version: given }, identity: { actor } }) =>
        takenConfiguration.parse(await control(ports).rollback(await known(ports, given), actor)),
    }),
    operation({
      method: 'post',
      path: '/routes/diff',
      tag: 'configuration',
      summary: 'Which of the studies received would go another way under a changed configuration; nothing is changed',
      roles: OPERATORS,
      body: z.strictObject({
        configuration: z.string().min(1).max(1_000_000).describe('The changed file, YAML or JSON'),
        since: z.string().default('7d').describe('How far back: 12h, 7d'),
        at: z.iso.datetime({ offset: true }).optional().describe('As if every study were complete then'),
        limit: z.int().min(0).max(100_000).default(DEFAULT_LISTED).describe('Studies listed; all are counted'),
      }),
      answer: routesDiff,
      handle: async ({ body: { configuration: draft, since, at, limit } }) => {
        const sinceMs = parseDuration(since);
        if (sinceMs === undefined) throw new HubError('request.invalid', { detail: 'body.since: a duration like 7d' });
        const diff = await control(ports).whatIf({
          configuration: draft,
          since: new Date(ports.clock.now().getTime() - sinceMs),
          maxChanges: limit,
          ...(at === undefined ? {} : { atMs: Date.parse(at) }),
        });
        return routesDiff.parse(diff);
      },
    }),
  ];
}

function control({ configuration }: ApiPorts): ConfigurationControl {
  if (configuration !== undefined) return configuration;
  throw new HubError('resource.conflict', {
    detail: 'no hub runs on this data folder: it takes its file when it starts',
  });
}

/** The one version that begins so. @throws {HubError} `resource.not-found`, `request.invalid` */
async function known({ ledger }: ApiPorts, prefix: string): Promise<string> {
  const [only, second] = await ledger.configuration.versionsLike(prefix);
  if (only === undefined) throw new HubError('resource.not-found', { detail: `${prefix} was never in force` });
  if (second !== undefined) throw new HubError('request.invalid', { detail: `${prefix} begins more than one version` });
  return only;
}

async function documentOf({ ledger }: ApiPorts, found: string): Promise<unknown> {
  return JSON.parse((await ledger.configuration.document(found)) ?? '{}');
}

/** What was in force before it came the last time. */
async function before({ ledger }: ApiPorts, found: string): Promise<string | undefined> {
  return (await ledger.configuration.lastOf(found))?.previous;
}
