/** Partners: what the configuration gives them, what was granted at run time, and what comes of both. */
import * as z from 'zod';
import { HubError } from '../core/errors.ts';
import { EVENTS, type EventType } from '../core/events.ts';
import type { TokenRow } from '../core/ledger/tokens.ts';
import type { WebhookRow } from '../core/ledger/webhooks.ts';
import { type Entitlements, narrowed, type PartnerGrant, type PartnerSettings } from '../core/partners.ts';
import { type Operation, operation } from './operation.ts';
import type { ApiPorts } from './ports.ts';
import { ADMINS, READERS } from './roles.ts';

const time = z.string().describe('UTC, ISO 8601');
const partnerTypes = Object.entries(EVENTS)
  .filter(([, entry]) => 'partner' in entry)
  .map(([type]) => type as EventType);
const moment = z.iso.datetime({ offset: true });
const [requestsPerSecond, webhooks, streams] = [z.int().min(1), z.int().min(0), z.int().min(0)];

const entitlements = z.object({
  routes: z.array(z.string()).optional().describe('Absent: every route that releases for it'),
  types: z.array(z.string()).optional().describe('Absent: every type that partners may see'),
  from: time.optional(),
});
const quotas = z.object({ requestsPerSecond, webhooks, streams });
const granted = z.object({
  suspended: z.boolean().optional(),
  expiresAt: time.optional(),
  ...entitlements.shape,
  quotas: quotas.partial().optional(),
});

const partner = z.object({
  name: z.string(),
  description: z.string().optional(),
  contact: z.string().optional(),
  destinations: z.array(z.string()),
  policies: z.array(z.string()),
  suspended: z.boolean(),
  expiresAt: time.optional(),
  entitlements: entitlements.describe('What holds: the configuration, narrowed by what was granted'),
  quotas,
  granted: granted.optional(),
  webhookHosts: z.array(z.string()),
  tokens: z.int().min(0).describe('That can be used'),
  webhooks: z.int().min(0),
});
const webhook = z.object({
  webhookId: z.uuid(),
  url: z.string(),
  types: z.array(z.string()).optional(),
  ordered: z.boolean(),
  state: z.enum(['enabled', 'disabled']),
  disabledBecause: z.string().optional(),
  disabledAt: time.optional(),
  failures: z.int().min(0),
  failingSince: time.optional(),
  createdAt: time,
});
const partnerWithAll = partner.extend({
  webhookList: z.array(webhook),
  tokenList: z.array(
    z.object({ tokenId: z.string(), createdAt: time, expiresAt: time.optional(), lastUsedAt: time.optional() }),
  ),
});
const params = z.object({ name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/) });

/** A field that is null is granted no more: the configuration holds. */
const change = z.strictObject({
  suspended: z.boolean().optional(),
  expiresAt: moment.nullable().optional(),
  routes: z.array(z.string().max(64)).max(1_000).nullable().optional(),
  types: z.array(z.enum(partnerTypes)).nullable().optional(),
  from: moment.nullable().optional(),
  quotas: quotas.partial().nullable().optional(),
});

export function partnerOperations(ports: ApiPorts): readonly Operation[] {
  const { ledger, clock } = ports;
  const settingsOf = (name: string): PartnerSettings => {
    const found = ports.catalogue().partners.find((each) => each.name === name);
    if (found === undefined) throw new HubError('resource.not-found');
    return found;
  };
  const grants = async () =>
    new Map((await ledger.partners.grants()).map(({ partner: name, grant }) => [name, grant] as const));
  const one = async (name: string) => {
    const [settings, tokens] = [settingsOf(name), await ledger.tokens.ofPartner(name)];
    const hooks = await ledger.webhooks.list(name);
    return {
      ...show(ports, settings, (await grants()).get(name), tokens, hooks),
      webhookList: hooks.map(({ types, ...hook }) => ({
        ...hook,
        ...(types === undefined ? {} : { types: [...types] }),
      })),
      tokenList: usable(tokens, clock.now()),
    };
  };

  return [
    operation({
      method: 'get',
      path: '/partners',
      tag: 'partners',
      summary: 'Partners, with what they may have and how they receive',
      roles: READERS,
      answer: z.object({ items: z.array(partner) }),
      handle: async () => {
        const [granted_, tokens] = [await grants(), await ledger.tokens.list()];
        const items = [];
        for (const settings of ports.catalogue().partners) {
          const own = tokens.filter((row) => row.partner === settings.name);
          items.push(
            show(ports, settings, granted_.get(settings.name), own, await ledger.webhooks.list(settings.name)),
          );
        }
        return { items };
      },
    }),
    operation({
      method: 'get',
      path: '/partners/{name}',
      tag: 'partners',
      summary: 'One partner with its webhooks and tokens',
      roles: READERS,
      params,
      answer: partnerWithAll,
      handle: ({ params: { name } }) => one(name),
    }),
    operation({
      method: 'patch',
      path: '/partners/{name}',
      tag: 'partners',
      summary:
        'Narrows what a partner may have, at once; null takes it back. Nothing wider than the configuration holds',
      roles: ADMINS,
      params,
      body: change,
      answer: partnerWithAll,
      audit: 'partner.grant',
      subject: ({ name }) => name,
      handle: async ({ params: { name }, body }) => {
        settingsOf(name);
        const routes = ports.catalogue().routes.map((route) => route.name);
        const unknown = body.routes?.find((route) => !routes.includes(route));
        if (unknown !== undefined) throw new HubError('request.invalid', { detail: 'body.routes: no such route' });
        await ledger.partners.setGrant(name, changed((await grants()).get(name) ?? {}, body));
        ports.onGrant?.();
        return await one(name);
      },
    }),
  ];
}

function changed(grant: PartnerGrant, body: z.output<typeof change>): PartnerGrant {
  const { suspended, expiresAt, routes, types, from, quotas: given } = body;
  const kept = <T>(before: T | undefined, now: T | null | undefined): T | undefined =>
    now === undefined ? before : (now ?? undefined);
  return {
    suspended: suspended ?? grant.suspended,
    expiresAtMs: kept(grant.expiresAtMs, toMs(expiresAt)),
    routes: kept(grant.routes, routes),
    types: kept(grant.types, types),
    fromMs: kept(grant.fromMs, toMs(from)),
    quotas: kept(grant.quotas, given === null || given === undefined ? given : { ...grant.quotas, ...defined(given) }),
  };
}

function show(
  { catalogue, clock }: ApiPorts,
  settings: PartnerSettings,
  grant: PartnerGrant | undefined,
  tokens: readonly TokenRow[],
  hooks: readonly WebhookRow[],
): z.input<typeof partner> {
  const { destinations, policies } = catalogue();
  const now = narrowed(settings, grant);
  const namesOf = (entries: readonly { readonly name: string; readonly partner?: string | undefined }[]) =>
    entries.filter((entry) => entry.partner === settings.name).map((entry) => entry.name);
  return {
    name: settings.name,
    ...(settings.description === undefined ? {} : { description: settings.description }),
    ...(settings.contact === undefined ? {} : { contact: settings.contact }),
    destinations: namesOf(destinations),
    policies: namesOf(policies),
    suspended: now.suspended,
    ...momentOf('expiresAt', now.expiresAtMs),
    entitlements: showEntitlements(now.entitlements),
    quotas: now.quotas,
    ...(grant === undefined ? {} : { granted: showGrant(grant) }),
    webhookHosts: [...settings.webhookHosts],
    tokens: usable(tokens, clock.now()).length,
    webhooks: hooks.length,
  };
}

function showGrant({ suspended, expiresAtMs, quotas: given, ...rest }: PartnerGrant): z.input<typeof granted> {
  return {
    ...(suspended === undefined ? {} : { suspended }),
    ...momentOf('expiresAt', expiresAtMs),
    ...showEntitlements(rest),
    ...(given === undefined ? {} : { quotas: defined(given) }),
  };
}

function showEntitlements({ routes, types, fromMs }: Entitlements): z.input<typeof entitlements> {
  return {
    ...(routes === undefined ? {} : { routes: [...routes] }),
    ...(types === undefined ? {} : { types: [...types] }),
    ...momentOf('from', fromMs),
  };
}

function usable(tokens: readonly TokenRow[], now: Date) {
  return tokens
    .filter(({ revokedAt, expiresAt }) => revokedAt === undefined && !(Date.parse(expiresAt ?? '') <= now.getTime()))
    .map(({ tokenId, createdAt, expiresAt, lastUsedAt }) => ({
      tokenId,
      createdAt,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(lastUsedAt === undefined ? {} : { lastUsedAt }),
    }));
}

function momentOf<Name extends string>(name: Name, ms: number | undefined): { readonly [N in Name]?: string } {
  return ms === undefined ? {} : ({ [name]: new Date(ms).toISOString() } as { readonly [N in Name]?: string });
}

function toMs(text: string | null | undefined): number | null | undefined {
  return typeof text === 'string' ? Date.parse(text) : text;
}

/** Without the keys that are not set. */
function defined<T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
