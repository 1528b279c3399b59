/**
 * What a partner was granted, and the one function that says whether it may have something. The configuration is the
 * ceiling: what is granted at run time can only narrow it, so that no call opens what the file does not.
 */
import type { EventType, HubEvent } from './events.ts';
import type { PartnerStream } from './streams.ts';

/** What a partner's token may be used for. */
export const PARTNER_SCOPES = [
  'feed:read',
  'studies:read',
  'results:write',
  'deliveries:read',
  'webhooks:read',
  'webhooks:write',
  'tokens:read',
  'tokens:write',
] as const;
export type PartnerScope = (typeof PARTNER_SCOPES)[number];

/** Of a token that was made before tokens had scopes: what it could do then. */
export const SCOPES_BEFORE_SCOPES: readonly PartnerScope[] = ['feed:read', 'studies:read'];

/** Facts about the partner's own account: they concern no study, so no entitlement to studies holds them back. */
const ACCOUNT_TYPES: ReadonlySet<EventType> = new Set<EventType>(['webhook.disabled']);

/** Absent: everything that is released for the partner. */
export interface Entitlements {
  readonly routes?: readonly string[] | undefined;
  readonly types?: readonly EventType[] | undefined;
  /** Milliseconds since 1970: nothing from before. */
  readonly fromMs?: number | undefined;
}

export interface Quotas {
  /** Of each token. */
  readonly requestsPerSecond: number;
  readonly webhooks: number;
  /** Event streams open at once. */
  readonly streams: number;
}

export const DEFAULT_QUOTAS: Quotas = { requestsPerSecond: 50, webhooks: 10, streams: 8 };

/** A partner as the configuration has it. */
export interface PartnerSettings {
  readonly name: string;
  readonly description?: string | undefined;
  readonly contact?: string | undefined;
  /** Milliseconds since 1970: from then on it gets nothing. */
  readonly expiresAtMs?: number | undefined;
  readonly entitlements: Entitlements;
  readonly quotas: Quotas;
  /** Names, addresses and ranges that its webhooks may be at, though not public or not https. */
  readonly webhookHosts: readonly string[];
}

/** What an administrator set at run time; each field only narrows. */
export interface PartnerGrant extends Entitlements {
  readonly suspended?: boolean | undefined;
  readonly expiresAtMs?: number | undefined;
  readonly quotas?: Partial<Quotas> | undefined;
}

/** A field that is `null` is granted no more, one that is absent stays. */
export type GrantChange = { readonly [Field in keyof PartnerGrant]?: PartnerGrant[Field] | null };

/** A partner that was made at run time. */
export interface RegisteredPartner {
  readonly name: string;
  readonly description?: string;
  readonly contact?: string;
  readonly createdAt: string;
}

/** What holds now. */
export interface Partner extends PartnerSettings {
  readonly suspended: boolean;
}

export function partnerStream(partner: string): PartnerStream {
  return `partner.${partner}.v1`;
}

/**
 * The partners of the configuration, and those that were made at run time and that it does not name: what the file says of a
 * name counts. One that it does not name has no policy, so nothing is released for it; it may set itself up.
 */
export function knownPartners(
  configured: readonly PartnerSettings[],
  registered: readonly RegisteredPartner[],
): readonly PartnerSettings[] {
  const names = new Set(configured.map(({ name }) => name));
  return [
    ...configured,
    ...registered
      .filter(({ name }) => !names.has(name))
      .map(({ name, description, contact }) => ({
        ...{ name, description, contact },
        entitlements: {},
        quotas: DEFAULT_QUOTAS,
        webhookHosts: [],
      })),
  ];
}

/** The grant after a change of it. */
export function changedGrant(grant: PartnerGrant, change: GrantChange): PartnerGrant {
  const { quotas, ...rest } = change;
  const fields = Object.fromEntries(
    Object.entries({ ...grant, ...defined(rest) }).filter(([, value]) => value !== null),
  ) as PartnerGrant;
  if (quotas === undefined) return fields;
  const { quotas: before, ...others } = fields;
  return quotas === null ? others : { ...others, quotas: { ...before, ...defined(quotas) } };
}

/** Without the keys that are not set. */
function defined<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}

/** The configuration's partner, narrowed by what was granted. */
export function narrowed(settings: PartnerSettings, grant: PartnerGrant = {}): Partner {
  const { entitlements, quotas, expiresAtMs } = settings;
  return {
    ...settings,
    suspended: grant.suspended ?? false,
    expiresAtMs: least(expiresAtMs, grant.expiresAtMs),
    entitlements: {
      routes: both(entitlements.routes, grant.routes),
      types: both(entitlements.types, grant.types),
      fromMs: most(entitlements.fromMs, grant.fromMs),
    },
    quotas: {
      requestsPerSecond: Math.min(quotas.requestsPerSecond, grant.quotas?.requestsPerSecond ?? Infinity),
      webhooks: Math.min(quotas.webhooks, grant.quotas?.webhooks ?? Infinity),
      streams: Math.min(quotas.streams, grant.quotas?.streams ?? Infinity),
    },
  };
}

/** Why a partner may not have something. */
export type Withheld = 'suspended' | 'expired' | 'route' | 'type' | 'before';

/** Something of a partner's: a fact in its stream, or a release. What is not known of it is not asked. */
export interface Wanted {
  /** Milliseconds since 1970: when it happened. */
  readonly atMs?: number;
  readonly type?: EventType;
  readonly route?: string;
}

/**
 * Why the partner may not have it; undefined: it may. Asked when a fact is projected into the partner's stream, when the
 * stream is read or sent, and when a released study is retrieved. With nothing wanted: whether it may come in at all.
 */
export function withheld(partner: Partner, wanted: Wanted, nowMs: number): Withheld | undefined {
  const { entitlements, expiresAtMs, suspended } = partner;
  if (suspended) return 'suspended';
  if (expiresAtMs !== undefined && nowMs >= expiresAtMs) return 'expired';
  const { type, route, atMs } = wanted;
  if (type !== undefined && ACCOUNT_TYPES.has(type)) return undefined;
  if (route !== undefined && entitlements.routes?.includes(route) === false) return 'route';
  if (type !== undefined && entitlements.types?.includes(type) === false) return 'type';
  if (atMs !== undefined && entitlements.fromMs !== undefined && atMs < entitlements.fromMs) return 'before';
  return undefined;
}

/**
 * What is wanted when an event of the partner's stream is read or sent. Of some that were written before the stream kept
 * their routes, nobody knows the route: they are for those partners alone that may have every route.
 */
export function wantedOf({ type, time, route }: Pick<HubEvent, 'type' | 'time' | 'route'>): Wanted {
  return { type, atMs: Date.parse(time), route: route ?? NO_ROUTE };
}

/** No name of a route. */
const NO_ROUTE = '';

/** Those of the types asked for that the partner may have; undefined: all there are. */
export function entitledTypes(
  { entitlements: { types } }: Partner,
  asked: readonly EventType[] | undefined,
): readonly EventType[] | undefined {
  return types === undefined ? asked : both([...types, ...ACCOUNT_TYPES], asked);
}

function both<T>(one: readonly T[] | undefined, other: readonly T[] | undefined): readonly T[] | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.filter((each) => other.includes(each));
}

const least = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
const most = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.max(one, other);
