/** Partners as the administration API shows and takes them. */
import * as z from 'zod';
import { EVENTS, type EventType } from '../core/events.ts';
import type { PartnerChange } from '../core/ledger/partners.ts';
import type { TokenRow } from '../core/ledger/tokens.ts';
import type { WebhookRow } from '../core/ledger/webhooks.ts';
import {
  type Entitlements,
  type GrantChange,
  narrowed,
  type PartnerGrant,
  type PartnerSettings,
} from '../core/partners.ts';
import type { ApiPorts } from './ports.ts';

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

export const partner = z.object({
  name: z.string(),
  origin: z
    .enum(['configuration', 'run-time'])
    .describe('run-time: made by this API; it gets nothing until the configuration names it too, see `needs`'),
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
  needs: z.array(z.string()).describe('What it does not get yet, and what the configuration has to say for it'),
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
export const partnerWithAll = partner.extend({
  webhookList: z.array(webhook),
  tokenList: z.array(
    z.object({ tokenId: z.string(), createdAt: time, expiresAt: time.optional(), lastUsedAt: time.optional() }),
  ),
  changes: z
    .array(z.object({ changedAt: time, actor: z.string().describe('The token'), change: granted }))
    .describe('What was set at run time, the latest first'),
});
export const params = z.object({ name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/) });

/** A field that is null is granted no more: the configuration holds. */
export const change = z.strictObject({
  suspended: z.boolean().optional(),
  expiresAt: moment.nullable().optional(),
  routes: z.array(z.string().max(64)).max(1_000).nullable().optional(),
  types: z.array(z.enum(partnerTypes)).nullable().optional(),
  from: moment.nullable().optional(),
  quotas: quotas.partial().nullable().optional(),
});
export const newPartner = change.extend({
  name: params.shape.name,
  description: z.string().max(200).optional(),
  contact: z.string().max(200).optional(),
});

/** As the ledger keeps it. */
export function grantChange({ suspended, expiresAt, routes, types, from, quotas: given }: z.output<typeof change>) {
  return {
    ...(suspended === undefined ? {} : { suspended }),
    ...(expiresAt === undefined ? {} : { expiresAtMs: toMs(expiresAt) }),
    ...(routes === undefined ? {} : { routes }),
    ...(types === undefined ? {} : { types }),
    ...(from === undefined ? {} : { fromMs: toMs(from) }),
    ...(given === undefined ? {} : { quotas: given === null ? null : defined(given) }),
  } satisfies GrantChange;
}

const toMs = (text: string | null): number | null => (text === null ? null : Date.parse(text));

export function show(
  { catalogue, clock }: Pick<ApiPorts, 'catalogue' | 'clock'>,
  settings: PartnerSettings,
  grant: PartnerGrant | undefined,
  tokens: readonly TokenRow[],
  hooks: readonly WebhookRow[],
): z.input<typeof partner> {
  const { destinations, policies, partners } = catalogue();
  const now = narrowed(settings, grant);
  const isConfigured = partners.some(({ name }) => name === settings.name);
  const namesOf = (entries: readonly { readonly name: string; readonly partner?: string | undefined }[]) =>
    entries.filter((entry) => entry.partner === settings.name).map((entry) => entry.name);
  return {
    name: settings.name,
    origin: isConfigured ? 'configuration' : 'run-time',
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
    needs: [
      ...(isReleasedFor(settings.name, catalogue())
        ? []
        : [`results: a route with { deidentify: POLICY }, of a policy for it`]),
      ...(isConfigured ? [] : NEEDS_OF_RUN_TIME.map((need) => need.replaceAll('NAME', settings.name))),
    ],
  };
}

/** Who it is can be said at run time; what of a study may leave, and which way, is decided in the configuration alone. */
const NEEDS_OF_RUN_TIME = [
  'results, destinations and webhookHosts: partners: [{ name: NAME }] in the configuration',
  'its Kafka topic partner.NAME.v1: the same; hub partners acls then says what to set up',
  'returning what it made of studies: the same, with returns',
] as const;

/** Whether a route that is asked releases for it. */
function isReleasedFor(name: string, { routes, policies }: ReturnType<ApiPorts['catalogue']>): boolean {
  const own = policies.filter(({ partner: of }) => of === name).map((policy) => policy.name);
  return routes.some(
    ({ enabled, process }) =>
      enabled &&
      process.some(
        ({ processor, argument }) => processor === 'deidentify' && own.some((policy) => policy === argument),
      ),
  );
}

function showGrant({ suspended, expiresAtMs, quotas: given, ...rest }: PartnerGrant): z.input<typeof granted> {
  return {
    ...(suspended === undefined ? {} : { suspended }),
    ...momentOf('expiresAt', expiresAtMs),
    ...showEntitlements(rest),
    ...(given === undefined ? {} : { quotas: defined(given) }),
  };
}

/** What was taken back is shown as absent: it holds no more. */
export function showChange({ actor, changedAt, change: asked }: PartnerChange) {
  const set = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== null));
  return { actor, changedAt, change: showGrant(set) };
}

function showEntitlements({ routes, types, fromMs }: Entitlements): z.input<typeof entitlements> {
  return {
    ...(routes === undefined ? {} : { routes: [...routes] }),
    ...(types === undefined ? {} : { types: [...types] }),
    ...momentOf('from', fromMs),
  };
}

export function usable(tokens: readonly TokenRow[], now: Date) {
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

/** Without the keys that are not set. */
function defined<T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
