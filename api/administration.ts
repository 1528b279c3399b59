/** What is configured, who has tokens, and who did what. */
import * as z from 'zod';
import { HubError } from '../core/errors.ts';
import { EVENTS, type EventType, isEventOf, toCloudEvent, wireType } from '../core/events.ts';
import type { TokenRow } from '../core/ledger/tokens.ts';
import { PARTNER_SCOPES, SCOPES_BEFORE_SCOPES } from '../core/partners.ts';
import { type HubStream, STREAMS } from '../core/streams.ts';
import { type Operation, operation } from './operation.ts';
import { listPage, pageOf } from './page.ts';
import { partnersOf } from './partners.ts';
import type { ApiPorts } from './ports.ts';
import { ADMINS, READERS } from './roles.ts';
import * as shapes from './shapes.ts';

const wireTypes = new Map(Object.keys(EVENTS).map((type) => [wireType(type as EventType), type as EventType]));

const eventQuery = z.object({
  after: z.coerce.number().int().min(0).default(0).describe('`cursor` of the page before.'),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
const typesQuery = z
  .string()
  .transform((text) => text.split(',').filter((name) => name !== ''))
  .pipe(z.array(z.enum([...wireTypes.keys()])));

export function administrationOperations(ports: ApiPorts): readonly Operation[] {
  const { ledger } = ports;
  return [
    operation({
      method: 'get',
      path: '/routes',
      tag: 'configuration',
      summary: 'Routes in the order they are tried',
      roles: READERS,
      answer: z.object({ configVersion: z.string(), items: z.array(shapes.route) }),
      handle: async () => {
        const { configVersion, routes } = ports.catalogue();
        return {
          configVersion,
          items: routes.map((route) => ({ ...route, process: [...route.process], deliver: [...route.deliver] })),
        };
      },
    }),
    operation({
      method: 'get',
      path: '/tokens',
      tag: 'tokens',
      summary: 'Tokens, without their secrets, newest first',
      roles: ADMINS,
      query: shapes.pageQuery,
      answer: shapes.listOf(shapes.token),
      handle: async ({ query }) =>
        listPage((await ledger.tokens.page(pageOf(query))).map(showToken), query.limit, ({ tokenId }) => tokenId),
    }),
    operation({
      method: 'post',
      path: '/tokens',
      tag: 'tokens',
      summary: 'Makes a token; its text is answered this once and not kept',
      roles: ADMINS,
      body: shapes.newToken,
      status: 201,
      answer: shapes.createdToken,
      audit: 'token.create',
      subject: ({ tokenId }) => tokenId,
      handle: async ({ body }) => {
        if (body.partner !== undefined && !(await partnersOf(ports)).some(({ name }) => name === body.partner)) {
          throw new HubError('request.invalid', { detail: 'body.partner: no such partner' });
        }
        if (body.expiresAt !== undefined && Date.parse(body.expiresAt) <= ports.clock.now().getTime()) {
          throw new HubError('request.invalid', { detail: 'body.expiresAt: that time is over' });
        }
        const { tokenId, token, secretSha256 } = ports.mintToken();
        const row = {
          tokenId,
          role: body.role,
          ...(body.partner === undefined ? {} : { partner: body.partner }),
          createdAt: ports.clock.now().toISOString(),
          ...(body.expiresAt === undefined ? {} : { expiresAt: new Date(body.expiresAt).toISOString() }),
          ...(body.role === 'partner' ? { scopes: body.scopes ?? [...PARTNER_SCOPES] } : {}),
        };
        await ledger.tokens.create({ ...row, secretSha256 });
        return { ...row, token };
      },
    }),
    operation({
      method: 'delete',
      path: '/tokens/{tokenId}',
      tag: 'tokens',
      summary: 'Revokes a token at once',
      roles: ADMINS,
      params: shapes.tokenParams,
      answer: z.object({ tokenId: z.string(), revoked: z.literal(true) }),
      audit: 'token.revoke',
      handle: async ({ params: { tokenId } }) => {
        if (!(await ledger.tokens.revoke(tokenId))) throw new HubError('resource.not-found');
        return { tokenId, revoked: true as const };
      },
    }),
    operation({
      method: 'get',
      path: '/audit',
      tag: 'audit',
      summary: 'Who did what with a token, in the order it happened',
      roles: READERS,
      query: eventQuery,
      answer: z.object({ items: z.array(shapes.auditEntry), cursor: z.string(), hasMore: z.boolean() }),
      handle: async ({ query }) => {
        const { page, ...rest } = await readEvents(ports, ['hub.audit.v1'], query);
        const items = page.flatMap((event) =>
          isEventOf(event, 'action.audited') ? [{ position: event.position, time: event.time, ...event.data }] : [],
        );
        return { items, ...rest };
      },
    }),
    operation({
      method: 'get',
      path: '/events',
      tag: 'audit',
      summary: "The hub's own events as CloudEvents, in order",
      roles: READERS,
      query: eventQuery.extend({ types: typesQuery.optional() }),
      answer: z.object({
        items: z.array(z.record(z.string(), z.unknown())),
        cursor: z.string(),
        hasMore: z.boolean(),
      }),
      handle: async ({ query: { types, ...query } }) => {
        const wanted = types?.flatMap((name) => wireTypes.get(name) ?? []);
        const { page, ...rest } = await readEvents(ports, STREAMS, query, wanted);
        return { items: page.map((event) => toCloudEvent(event, ports.hubName)), ...rest };
      },
    }),
  ];
}

function showToken({ scopes, ...row }: TokenRow): z.input<typeof shapes.token> {
  return { ...row, ...(row.role === 'partner' ? { scopes: [...(scopes ?? SCOPES_BEFORE_SCOPES)] } : {}) };
}

async function readEvents(
  { ledger }: ApiPorts,
  streams: readonly HubStream[],
  { after, limit }: { readonly after: number; readonly limit: number },
  types?: readonly EventType[],
) {
  const options = { streams, after, limit: limit + 1, ...(types === undefined ? {} : { types }) };
  const read = await ledger.events.read(options);
  const page = read.slice(0, limit);
  return { page, cursor: String(page.at(-1)?.position ?? after), hasMore: read.length > page.length };
}
