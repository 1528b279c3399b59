/** Who gets results: until when, of what, how much, and where its own webhooks may be. */
import * as z from 'zod';
import { EVENTS, type EventType } from '../core/events.ts';
import { DEFAULT_QUOTAS, type PartnerSettings } from '../core/partners.ts';
import { suggest } from '../core/suggestion.ts';
import { partnerKafka } from './bus.ts';
import { entryName, peerHost } from './entries.ts';
import { entriesAt, listOf, names, type Report, valueAt } from './raw-values.ts';

/** Those a partner may see. */
const PARTNER_TYPES = Object.entries(EVENTS)
  .filter(([, entry]) => 'partner' in entry)
  .map(([type]) => type as EventType);

/** A day (its first moment in UTC) or a moment, in milliseconds since 1970 once parsed. */
const moment = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })], {
    error: 'not a day (2027-01-31) or a moment (2027-01-31T18:00:00Z)',
  })
  .transform((text) => Date.parse(text));

/** A host as `peerHost`, or all of a domain: `*.example.org`. */
const webhookHost = z.union([peerHost, z.string().regex(/^\*\.[a-z0-9.-]{1,250}$/i)], {
  error: 'not an IP address, range (10.0.0.0/8), host name or domain (*.example.org)',
});

export const partner = z
  .strictObject({
    name: entryName,
    description: z.string().max(200).optional(),
    contact: z.string().max(200).optional(),
    expires: moment.optional(),
    entitlements: z
      .strictObject({
        routes: z.array(z.string()).max(1_000).optional(),
        types: z.array(z.enum(PARTNER_TYPES)).max(64).optional(),
        from: moment.optional(),
      })
      .prefault({}),
    quotas: z
      .strictObject({
        requestsPerSecond: z.int().min(1).max(10_000).default(DEFAULT_QUOTAS.requestsPerSecond),
        webhooks: z.int().min(0).max(1_000).default(DEFAULT_QUOTAS.webhooks),
        streams: z.int().min(0).max(256).default(DEFAULT_QUOTAS.streams),
      })
      .prefault({}),
    webhookHosts: z.array(webhookHost).max(64).default([]),
    kafka: partnerKafka.optional(),
    returns: entryName.optional().describe('Source of what it returns with STOW-RS at /partner/v1/studies'),
  })
  .transform(({ expires, entitlements: { from, ...entitlements }, ...rest }) => ({
    ...rest,
    expiresAtMs: expires,
    entitlements: { ...entitlements, fromMs: from },
  })) satisfies z.ZodType<PartnerSettings>;

/** Routes that an entitlement names must be there. */
export function reportEntitlements(raw: unknown, report: Report): void {
  const routes = names(entriesAt(raw, ['routes']));
  for (const { index, value } of entriesAt(raw, ['partners'])) {
    for (const [at, route] of listOf(valueAt(value, ['entitlements', 'routes'])).entries()) {
      if (typeof route !== 'string' || routes.includes(route)) continue;
      report(['partners', index, 'entitlements', 'routes', at], `no such route: ${route}${suggest(route, routes)}`);
    }
  }
}
