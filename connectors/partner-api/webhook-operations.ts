/** `/partner/v1/webhooks`: a partner makes, changes, tries and repairs its own webhooks, and sees what came of each message. */
import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { WebhookMessage } from '../../core/ledger/webhooks.ts';
import { type Partner, wantedOf, withheld } from '../../core/partners.ts';
import type { Clock } from '../../core/ports.ts';
import type { Places } from '../feed/places.ts';
import { createAddressGuard } from '../webhook/address-guard.ts';
import type { KeyBox } from '../webhook/key-box.ts';
import { TEST_EVENT } from '../webhook/test-event.ts';
import { partnerOperation, type PartnerOperation } from './operation.ts';
import * as shapes from './shapes.ts';

export interface WebhookPorts {
  readonly ledger: Pick<Ledger, 'webhooks'>;
  readonly places: Places;
  readonly keys: KeyBox;
  readonly clock: Clock;
}

const tag = 'webhooks';

export function webhookOperations(ports: WebhookPorts): readonly PartnerOperation[] {
  const get = async (partner: string, webhookId: string) => {
    const row = await ports.ledger.webhooks.get(partner, webhookId);
    if (row === undefined) throw new HubError('resource.not-found');
    return row;
  };
  const mayHave = (partner: Partner, { fact }: WebhookMessage): boolean =>
    fact === undefined || withheld(partner, wantedOf(fact), ports.clock.now().getTime()) === undefined;
  /** What its partner may have no more is as good as none. */
  const messageOf = async (partner: Partner, webhookId: string, messageId: string) => {
    const row = await ports.ledger.webhooks.message(partner.name, webhookId, messageId);
    if (row === undefined || !mayHave(partner, row)) throw new HubError('resource.not-found');
    return row;
  };
  const orNotFound = (found: boolean): void => {
    if (!found) throw new HubError('resource.not-found');
  };

  return [
    partnerOperation({
      ...{ method: 'get', path: '/webhooks', tag, scope: 'webhooks:read' },
      summary: 'Webhooks of the partner',
      answer: z.object({ items: z.array(shapes.webhook) }),
      handle: async ({ caller }) => ({
        items: (await ports.ledger.webhooks.list(caller.partner.name)).map(shapes.showWebhook),
      }),
    }),
    partnerOperation({
      ...{ method: 'post', path: '/webhooks', tag, scope: 'webhooks:write', status: 201, audit: 'webhook.create' },
      summary: 'Makes a webhook; its secret is answered this once',
      description:
        'Each event is one POST of a CloudEvent, signed as Standard Webhooks 1.0.0 says (v1 and v1a). Any 2xx within 15 s takes it; anything else is tried again for three days. 410 disables the webhook. Redirects are not followed.',
      body: shapes.newWebhook,
      answer: shapes.createdWebhook,
      subject: ({ webhookId }) => webhookId,
      handle: async ({ body: { url, description, types, ordered, after, from }, caller: { partner } }) => {
        await requireCallable(partner, url);
        const webhookId = randomUUID();
        const { secret, kept } = ports.keys.make(webhookId);
        const position =
          after === undefined && from === undefined ? undefined : await ports.places.find(partner, { after, from });
        const made = await ports.ledger.webhooks.create(
          {
            ...{ webhookId, partner: partner.name, url: normal(url), ordered, secret: kept },
            ...(description === undefined ? {} : { description }),
            ...(types === undefined ? {} : { types }),
            ...(position === undefined ? {} : { after: position }),
          },
          partner.quotas.webhooks,
        );
        if (!made) throw new HubError('resource.conflict', { detail: `there are ${partner.quotas.webhooks} webhooks` });
        return { ...shapes.showWebhook(await get(partner.name, webhookId)), secret };
      },
    }),
    partnerOperation({
      ...{ method: 'get', path: '/webhooks/{webhookId}', tag, scope: 'webhooks:read' },
      summary: 'One webhook',
      params: shapes.webhookParams,
      answer: shapes.webhook,
      handle: async ({ params, caller }) => shapes.showWebhook(await get(caller.partner.name, params.webhookId)),
    }),
    partnerOperation({
      ...{ method: 'patch', path: '/webhooks/{webhookId}', tag, scope: 'webhooks:write', audit: 'webhook.change' },
      summary: 'Changes a webhook: address, types, order, enabled or not',
      params: shapes.webhookParams,
      body: shapes.webhookChange,
      answer: shapes.webhook,
      handle: async ({ params: { webhookId }, body, caller: { partner } }) => {
        // Asked first, so that what is wrong with an address is not told of a webhook that is not there.
        await get(partner.name, webhookId);
        if (body.url !== undefined) await requireCallable(partner, body.url);
        const { url, description, types, ordered, enabled } = body;
        orNotFound(
          await ports.ledger.webhooks.change(partner.name, webhookId, {
            ...(url === undefined ? {} : { url: normal(url) }),
            ...(description === undefined ? {} : { description }),
            ...(types === undefined ? {} : { types }),
            ...(ordered === undefined ? {} : { ordered }),
            ...(enabled === undefined ? {} : { enabled }),
          }),
        );
        return shapes.showWebhook(await get(partner.name, webhookId));
      },
    }),
    partnerOperation({
      ...{ method: 'delete', path: '/webhooks/{webhookId}', tag, scope: 'webhooks:write', audit: 'webhook.delete' },
      summary: 'Removes a webhook with its messages',
      params: shapes.webhookParams,
      answer: z.object({ webhookId: z.uuid(), deleted: z.literal(true) }),
      handle: async ({ params: { webhookId }, caller }) => {
        orNotFound(await ports.ledger.webhooks.remove(caller.partner.name, webhookId));
        return { webhookId, deleted: true as const };
      },
    }),
    partnerOperation({
      ...{ method: 'post', path: '/webhooks/{webhookId}/keys', tag, scope: 'webhooks:write', status: 201 },
      audit: 'webhook.rotate',
      summary: 'New keys; the old ones sign too for a while. The secret is answered this once',
      params: shapes.webhookParams,
      body: shapes.rotation,
      answer: shapes.createdWebhook,
      handle: async ({ params: { webhookId }, body, caller: { partner } }) => {
        const { secret, kept } = ports.keys.make(webhookId);
        const until = new Date(ports.clock.now().getTime() + body.overlapSeconds * 1_000);
        orNotFound(await ports.ledger.webhooks.rotate(partner.name, webhookId, kept, until));
        return { ...shapes.showWebhook(await get(partner.name, webhookId)), secret };
      },
    }),
    partnerOperation({
      ...{ method: 'post', path: '/webhooks/{webhookId}/test', tag, scope: 'webhooks:write', status: 202 },
      audit: 'webhook.test',
      summary: `Sends a ${TEST_EVENT} event; what came of it is in the log of its messages`,
      params: shapes.webhookParams,
      answer: z.object({ messageId: z.uuid() }),
      handle: async ({ params: { webhookId }, caller: { partner } }) => {
        const { state } = await get(partner.name, webhookId);
        if (state === 'disabled') throw new HubError('resource.conflict', { detail: 'the webhook is disabled' });
        const messageId = randomUUID();
        orNotFound(await ports.ledger.webhooks.test(partner.name, webhookId, messageId, TEST_EVENT));
        return { messageId };
      },
    }),
    partnerOperation({
      ...{ method: 'get', path: '/webhooks/{webhookId}/messages', tag, scope: 'webhooks:read' },
      summary: 'Messages of a webhook, newest first; kept for 30 days after they ended',
      params: shapes.webhookParams,
      query: shapes.pageQuery.extend({ state: shapes.messageState.optional() }),
      answer: shapes.listOf(shapes.message),
      handle: async ({ params: { webhookId }, query: { state, before, limit }, caller: { partner } }) => {
        await get(partner.name, webhookId);
        const rows = await ports.ledger.webhooks.messages(partner.name, webhookId, {
          limit: limit + 1,
          ...(before === undefined ? {} : { before }),
          ...(state === undefined ? {} : { state }),
        });
        return shapes.pageOf(
          rows,
          { limit },
          ({ messageId }) => messageId,
          (row) => (mayHave(partner, row) ? shapes.showMessage(row) : undefined),
        );
      },
    }),
    partnerOperation({
      ...{ method: 'get', path: '/webhooks/{webhookId}/messages/{messageId}', tag, scope: 'webhooks:read' },
      summary: 'One message with its attempts',
      params: shapes.messageParams,
      answer: shapes.messageWithAttempts,
      handle: async ({ params: { webhookId, messageId }, caller: { partner } }) => {
        return shapes.showMessage(await messageOf(partner, webhookId, messageId));
      },
    }),
    partnerOperation({
      ...{ method: 'post', path: '/webhooks/{webhookId}/messages/{messageId}/redeliver', tag, status: 202 },
      scope: 'webhooks:write',
      audit: 'webhook.redeliver',
      summary: 'Sends a message again, whatever came of it; same id',
      params: shapes.messageParams,
      answer: z.object({ messageId: z.uuid() }),
      handle: async ({ params: { webhookId, messageId }, caller: { partner } }) => {
        await messageOf(partner, webhookId, messageId);
        orNotFound(await ports.ledger.webhooks.redeliver(partner.name, webhookId, messageId));
        return { messageId };
      },
    }),
    partnerOperation({
      ...{ method: 'post', path: '/webhooks/{webhookId}/redeliver', tag, scope: 'webhooks:write', status: 202 },
      audit: 'webhook.redeliver',
      summary: 'Sends all messages since then again that have failed, or that ended as named',
      params: shapes.webhookParams,
      body: shapes.redelivery,
      answer: z.object({ messages: z.int().min(0) }),
      handle: async ({ params: { webhookId }, body: { since, states }, caller: { partner } }) => {
        const messages = await ports.ledger.webhooks.redeliverSince(partner.name, webhookId, new Date(since), states);
        if (messages === undefined) throw new HubError('resource.not-found');
        return { messages };
      },
    }),
  ];
}

/** What is behind the fragment goes nowhere. */
function normal(url: string): string {
  const parsed = new URL(url);
  parsed.hash = '';
  return parsed.href;
}

/**
 * The first of two layers: the sender looks again at each connection it makes. Whatever is wrong with the host is one
 * answer: a partner must not learn which names there are inside.
 *
 * @throws {HubError} `request.invalid`
 */
async function requireCallable({ webhookHosts }: Partner, text: string): Promise<void> {
  const url = new URL(text);
  const invalid = (detail: string) => new HubError('request.invalid', { detail: `body.url: ${detail}` });
  if (url.username !== '' || url.password !== '') throw invalid('a URL with credentials in it');
  const guard = createAddressGuard(webhookHosts, 'partner');
  const forbidden = 'must be https, on port 443 or 8443, of a host that is known in the public network';
  try {
    guard.checkUrl(url);
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(host) !== 0) return;
    await new Promise<void>((done, failed) => {
      guard.lookup(host, { all: true }, (error) => (error === null ? done() : failed(error)));
    });
  } catch {
    // Not allowed, not public, or not known: one and the same to whoever asks.
    throw invalid(forbidden);
  }
}
