/** What the partner API shows: identifiers as released, states, numbers, times. */
import * as z from 'zod';
import { EVENTS, type EventType, wireType } from '../../core/events.ts';
import type { Page } from '../../core/ledger/common.ts';
import type { WebhookAttempt, WebhookMessage, WebhookRow } from '../../core/ledger/webhooks.ts';
import { PARTNER_SCOPES } from '../../core/partners.ts';
import { partnerTypes } from '../feed/router.ts';

const uid = z.string().regex(/^[0-9.]{1,64}$/);
const time = z.string().describe('UTC, ISO 8601');
const count = z.int().min(0);
const MAX_URL_LENGTH = 2_048;

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50).describe('Rows a page.'),
  before: z.string().min(1).max(128).optional().describe('`cursor` of the page before.'),
});

/** Newest first; `cursor` is absent on the last page. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), cursor: z.string().optional() });
}

/** A page as it is answered. @param read - one row more than the page has tells whether there are more */
export function pageOf<Row, Item>(
  read: readonly Row[],
  { limit }: Page,
  keyOf: (row: Row) => string,
  show: (row: Row) => Item | undefined,
): { readonly items: Item[]; readonly cursor?: string } {
  const rows = read.slice(0, limit);
  const last = rows.at(-1);
  return {
    items: rows.map(show).filter((item) => item !== undefined),
    ...(read.length > limit && last !== undefined ? { cursor: keyOf(last) } : {}),
  };
}

// Account

export const account = z.object({
  partner: z.string(),
  hub: z.string().describe('`source` of its events is `urn:hub:` and this'),
  expiresAt: time.optional().describe('From then on nothing is answered'),
  entitlements: z.object({
    types: z.array(z.string()).optional().describe('Absent: every type'),
    from: time.optional().describe('Nothing from before'),
  }),
  quotas: z.object({ requestsPerSecond: count, webhooks: count, streams: count }),
  token: z.object({ tokenId: z.string(), scopes: z.array(z.enum(PARTNER_SCOPES)) }),
});

// Studies and deliveries

export const release = z.object({
  studyInstanceUid: uid.describe('As released: what to ask for at /studies/{studyInstanceUid}'),
  revision: count,
  releasedAt: time,
});
export const deliveryState = z.enum(['pending', 'succeeded', 'dead', 'cancelled']);
export const delivery = z.object({
  deliveryId: z.uuid(),
  destination: z.string(),
  studyInstanceUid: uid,
  revision: count,
  state: deliveryState,
  createdAt: time,
  attempts: count,
  dueAt: time.optional(),
});
export const deliveryWithAttempts = delivery.extend({
  history: z.array(
    z.object({
      attempt: count,
      startedAt: time,
      durationMs: z.number(),
      outcome: z
        .enum(['succeeded', 'failed', 'waiting'])
        .describe('waiting: all of it was sent, and the destination says later whether it has it'),
      code: z.string().optional().describe('What failed: a code of the table of errors'),
    }),
  ),
});
export const deliveryParams = z.object({ deliveryId: z.uuid() });

// Webhooks

const url = z
  .url({ protocol: /^https?$/ })
  .max(MAX_URL_LENGTH)
  .describe('https on port 443 or 8443, in the public network.');
const description = z.string().max(200);
export const webhookParams = z.object({ webhookId: z.uuid() });
export const messageParams = z.object({ webhookId: z.uuid(), messageId: z.uuid() });
const hookTypes = partnerTypes.refine((list) => list.length > 0, 'at least one');

export const newWebhook = z.strictObject({
  url,
  description: description.optional(),
  types: hookTypes.optional().describe('Event types to send; without it: every type.'),
  ordered: z
    .boolean()
    .default(false)
    .describe('Events of one study one after the other: the next when the one before was taken, or given up.'),
  from: z.iso.datetime({ offset: true }).optional().describe('Send what happened then or later too.'),
  after: z.string().optional().describe('Send what comes after this cursor of the feed too.'),
});
export const webhookChange = z.strictObject({
  url: url.optional(),
  description: description.optional().describe('Empty: none.'),
  types: hookTypes.nullable().optional().describe('null: every type.'),
  ordered: z.boolean().optional(),
  enabled: z.boolean().optional().describe('Enabled again, it goes on where it stood.'),
});
export const webhook = z.object({
  webhookId: z.uuid(),
  url: z.string(),
  description: z.string().optional(),
  types: z.array(z.string()).optional(),
  ordered: z.boolean(),
  state: z.enum(['enabled', 'disabled']),
  disabledBecause: z.enum(['partner', 'gone', 'failing']).optional(),
  disabledAt: time.optional(),
  failures: count.describe('Attempts that failed since the last that did not'),
  failingSince: time.optional(),
  createdAt: time,
  keys: z
    .array(
      z.object({
        publicKey: z.string().describe('whpk_…: verifies v1a signatures (Ed25519)'),
        createdAt: time,
        expiresAt: time.optional().describe('It signs beside its successor until then'),
      }),
    )
    .describe('Those that sign now, the newest first'),
});
export const createdWebhook = webhook.extend({
  secret: z.string().describe('whsec_…: verifies v1 signatures (HMAC-SHA256). Shown this once.'),
});
export const rotation = z.strictObject({
  overlapSeconds: z.int().min(0).max(604_800).default(86_400).describe('For so long the old keys sign too.'),
});
export const messageState = z.enum(['pending', 'succeeded', 'failed', 'cancelled']);
export const message = z.object({
  messageId: z.uuid().describe("The event's id, and `webhook-id` of each attempt"),
  type: z.string(),
  subject: z.string(),
  state: messageState,
  createdAt: time,
  attempts: count.describe('Since creation or the last redelivery'),
  dueAt: time.optional(),
  lastStatus: z.int().optional(),
});
export const messageWithAttempts = message.extend({
  history: z.array(
    z.object({
      attempt: count,
      startedAt: time,
      durationMs: z.number(),
      outcome: z.enum(['succeeded', 'failed']),
      status: z.int().optional().describe('HTTP status; absent: there was no answer'),
      code: z.string().optional(),
      detail: z.string().optional(),
    }),
  ),
});
export const redelivery = z.strictObject({
  since: z.iso.datetime({ offset: true }).describe('Messages made then or later.'),
  states: z
    .array(z.enum(['failed', 'succeeded', 'cancelled', 'pending']))
    .min(1)
    .default(['failed'])
    .describe('Those that ended so, or that wait.'),
});

// Tokens

export const tokenParams = z.object({ tokenId: z.string().regex(/^[0-9a-f]{1,64}$/) });
export const token = z.object({
  tokenId: z.string(),
  scopes: z.array(z.enum(PARTNER_SCOPES)),
  createdAt: time,
  expiresAt: time.optional(),
  lastUsedAt: time.optional(),
  revokedAt: time.optional(),
});
export const createdToken = z.object({
  tokenId: z.string(),
  scopes: z.array(z.enum(PARTNER_SCOPES)),
  createdAt: time,
  expiresAt: time.optional(),
  token: z.string().describe('Shown this once.'),
});
export const tokenRotation = z.strictObject({
  overlapSeconds: z.int().min(0).max(604_800).default(3_600).describe('For so long the old token can be used too.'),
});

export function showWebhook(row: WebhookRow): z.input<typeof webhook> {
  const { partner: _partner, types, secrets, ...rest } = row;
  return {
    ...rest,
    ...(types === undefined ? {} : { types: types.map(wireType) }),
    keys: secrets.map(({ sealed: _sealed, ...key }) => key),
  };
}

export function showMessage(
  row: WebhookMessage & { readonly history?: readonly WebhookAttempt[] },
): z.input<typeof message> & { history: WebhookAttempt[] } {
  const { key, type, history = [], fact: _fact, ...rest } = row;
  return { ...rest, subject: key, type: isEventType(type) ? wireType(type) : type, history: [...history] };
}

const isEventType = (type: string): type is EventType => type in EVENTS;
