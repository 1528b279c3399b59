/** What a partner sees of itself: what it may have, its tokens, what was released to it, and how it was delivered. */
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import { wireType } from '../../core/events.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { TokenRow } from '../../core/ledger/tokens.ts';
import type { PartnerDelivery } from '../../core/ledger/partners.ts';
import { type Partner, type PartnerScope, SCOPES_BEFORE_SCOPES, withheld } from '../../core/partners.ts';
import type { Clock } from '../../core/ports.ts';
import type { Cursors } from '../feed/cursor.ts';
import { partnerOperation, type PartnerOperation } from './operation.ts';
import * as shapes from './shapes.ts';

export interface AccountPorts {
  readonly ledger: Pick<Ledger, 'partners' | 'tokens'>;
  readonly cursors: Cursors;
  readonly clock: Clock;
  readonly hubName: string;
  readonly mintToken: () => { readonly tokenId: string; readonly token: string; readonly secretSha256: string };
}

export function accountOperations(ports: AccountPorts): readonly PartnerOperation[] {
  const mayHave = (
    partner: Partner,
    { route, releasedAtMs }: { readonly route: string; readonly releasedAtMs: number },
  ) => withheld(partner, { route, atMs: releasedAtMs }, ports.clock.now().getTime()) === undefined;

  return [
    partnerOperation({
      ...{ method: 'get', path: '/account', tag: 'account' },
      summary: 'Who the token belongs to, and what it may do',
      answer: shapes.account,
      handle: ({ caller: { partner, tokenId, scopes } }) => {
        const { types, fromMs } = partner.entitlements;
        return Promise.resolve({
          partner: partner.name,
          hub: ports.hubName,
          ...(partner.expiresAtMs === undefined ? {} : { expiresAt: new Date(partner.expiresAtMs).toISOString() }),
          entitlements: {
            ...(types === undefined ? {} : { types: types.map(wireType) }),
            ...(fromMs === undefined ? {} : { from: new Date(fromMs).toISOString() }),
          },
          quotas: { ...partner.quotas },
          token: { tokenId, scopes: [...scopes] },
        });
      },
    }),
    partnerOperation({
      ...{ method: 'get', path: '/studies', tag: 'studies', scope: 'studies:read' },
      summary: 'Studies that were released to the partner, newest first; one row a release',
      query: shapes.pageQuery,
      answer: shapes.listOf(shapes.release),
      handle: async ({ query: { limit, before }, caller: { partner } }) => {
        const list = `releases of ${partner.name}`;
        const rows = await ports.ledger.partners.releases(partner.name, {
          limit: limit + 1,
          ...(before === undefined ? {} : { before: String(ports.cursors.parse(list, before)) }),
        });
        return shapes.pageOf(
          rows,
          { limit },
          ({ releaseId }) => ports.cursors.format(list, Number(releaseId)),
          (row) =>
            mayHave(partner, row)
              ? {
                  studyInstanceUid: row.studyInstanceUid,
                  revision: row.revision,
                  releasedAt: new Date(row.releasedAtMs).toISOString(),
                }
              : undefined,
        );
      },
    }),
    partnerOperation({
      ...{ method: 'get', path: '/deliveries', tag: 'deliveries', scope: 'deliveries:read' },
      summary: "Deliveries to the partner's destinations, newest first",
      query: shapes.pageQuery.extend({ state: shapes.deliveryState.optional() }),
      answer: shapes.listOf(shapes.delivery),
      handle: async ({ query: { limit, before, state }, caller: { partner } }) => {
        const rows = await ports.ledger.partners.deliveries(partner.name, {
          limit: limit + 1,
          ...(before === undefined ? {} : { before }),
          ...(state === undefined ? {} : { state }),
        });
        return shapes.pageOf(
          rows,
          { limit },
          ({ deliveryId }) => deliveryId,
          (row) => (mayHave(partner, row) ? showDelivery(row) : undefined),
        );
      },
    }),
    partnerOperation({
      ...{ method: 'get', path: '/deliveries/{deliveryId}', tag: 'deliveries', scope: 'deliveries:read' },
      summary: 'One delivery with its attempts',
      params: shapes.deliveryParams,
      answer: shapes.deliveryWithAttempts,
      handle: async ({ params: { deliveryId }, caller: { partner } }) => {
        const row = await ports.ledger.partners.delivery(partner.name, deliveryId);
        if (row === undefined || !mayHave(partner, row)) throw new HubError('resource.not-found');
        return showDelivery(row);
      },
    }),
    partnerOperation({
      ...{ method: 'get', path: '/tokens', tag: 'tokens', scope: 'tokens:read' },
      summary: 'Tokens of the partner, without their secrets, newest first',
      query: shapes.pageQuery,
      answer: shapes.listOf(shapes.token),
      handle: async ({ query: { limit, before }, caller: { partner } }) => {
        const rows = await ports.ledger.tokens.page({
          ...{ limit: limit + 1, partner: partner.name },
          ...(before === undefined ? {} : { before }),
        });
        return shapes.pageOf(
          rows,
          { limit },
          ({ tokenId }) => tokenId,
          (row) => ({ ...row, scopes: [...scopesOf(row)] }),
        );
      },
    }),
    partnerOperation({
      ...{ method: 'post', path: '/tokens/{tokenId}/rotate', tag: 'tokens', scope: 'tokens:write', status: 201 },
      audit: 'token.rotate',
      summary: 'A new token takes over from one of the partner; its text is answered this once',
      description: 'It has the same scopes and the same end. The old one can be used for a while.',
      params: shapes.tokenParams,
      body: shapes.tokenRotation,
      answer: shapes.createdToken,
      subject: ({ tokenId }) => tokenId,
      handle: async ({
        params: { tokenId },
        body: { overlapSeconds },
        caller: { partner, tokenId: ownId, scopes },
      }) => {
        const old = await tokenOf(partner.name, tokenId);
        if (tokenId !== ownId && endOf(await tokenOf(partner.name, ownId)) < endOf(old)) {
          throw new HubError('request.forbidden', {
            detail: 'the token that is rotated is valid for longer than this one',
          });
        }
        // Whoever has a token of a few scopes must not come to one of more.
        if (!scopesOf(old).every((scope) => scopes.includes(scope))) {
          throw new HubError('request.forbidden', {
            detail: 'the token that is rotated has scopes that this one has not',
          });
        }
        const minted = ports.mintToken();
        const now = ports.clock.now();
        const row = {
          ...{ tokenId: minted.tokenId, scopes: scopesOf(old), createdAt: now.toISOString() },
          ...(old.expiresAt === undefined ? {} : { expiresAt: old.expiresAt }),
        };
        const replaced = await ports.ledger.tokens.replace(
          tokenId,
          { ...row, role: 'partner', partner: partner.name, secretSha256: minted.secretSha256 },
          new Date(now.getTime() + overlapSeconds * 1_000),
          MAX_TOKENS,
        );
        if (replaced === 'too-many')
          throw new HubError('resource.conflict', {
            detail: `there are ${String(MAX_TOKENS)} tokens: revoke one, or rotate with no overlap`,
          });
        if (replaced === 'not-found') throw new HubError('resource.not-found');
        return { ...row, scopes: [...row.scopes], token: minted.token };
      },
    }),
    partnerOperation({
      ...{ method: 'delete', path: '/tokens/{tokenId}', tag: 'tokens', scope: 'tokens:write' },
      audit: 'token.revoke',
      summary: 'Revokes a token of the partner at once',
      params: shapes.tokenParams,
      answer: z.object({ tokenId: z.string(), revoked: z.literal(true) }),
      handle: async ({ params: { tokenId }, caller: { partner } }) => {
        await tokenOf(partner.name, tokenId);
        if (!(await ports.ledger.tokens.revoke(tokenId))) throw new HubError('resource.not-found');
        return { tokenId, revoked: true as const };
      },
    }),
  ];

  /** @throws {HubError} `resource.not-found` also when it is another's */
  async function tokenOf(partner: string, tokenId: string): Promise<TokenRow> {
    const found = (await ports.ledger.tokens.ofPartner(partner)).find((row) => row.tokenId === tokenId);
    if (found === undefined) throw new HubError('resource.not-found');
    return found;
  }
}

/** Each token has a rate of its own: who could make any number of them would have none. */
const MAX_TOKENS = 100;

const endOf = ({ expiresAt }: TokenRow): number => (expiresAt === undefined ? Infinity : Date.parse(expiresAt));

const scopesOf = ({ scopes }: TokenRow): readonly PartnerScope[] => scopes ?? SCOPES_BEFORE_SCOPES;

function showDelivery(row: PartnerDelivery): z.input<typeof shapes.deliveryWithAttempts> {
  return { ...row, history: [...row.history] };
}
