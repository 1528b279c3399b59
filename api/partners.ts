/** `/api/v1/partners`: who gets results, what an administrator narrows at run time, and what comes of both. */
import * as z from 'zod';
import { HubError } from '../core/errors.ts';
import { knownPartners, type PartnerSettings } from '../core/partners.ts';
import { type Operation, operation } from './operation.ts';
import {
  change,
  grantChange,
  newPartner,
  params,
  partner,
  partnerWithAll,
  show,
  showChange,
  usable,
} from './partner-shapes.ts';
import type { ApiPorts } from './ports.ts';
import { ADMINS, READERS } from './roles.ts';

/** Made at run time; each is looked at whenever one is asked for. */
const MAX_REGISTERED = 1_000;
const SHOWN_CHANGES = 50;

/** Of the configuration, and made at run time. */
export async function partnersOf({ ledger, catalogue }: Pick<ApiPorts, 'ledger' | 'catalogue'>) {
  return knownPartners(catalogue().partners, await ledger.partners.registered());
}

export function partnerOperations(ports: ApiPorts): readonly Operation[] {
  const { ledger, clock } = ports;
  const settingsOf = async (name: string): Promise<PartnerSettings> => {
    const found = (await partnersOf(ports)).find((each) => each.name === name);
    if (found === undefined) throw new HubError('resource.not-found');
    return found;
  };
  const requireRoutes = (wanted: readonly string[] | null | undefined): void => {
    const routes = ports.catalogue().routes.map((route) => route.name);
    if (wanted?.some((route) => !routes.includes(route)) === true)
      throw new HubError('request.invalid', { detail: 'body.routes: no such route' });
  };
  const grants = async () =>
    new Map((await ledger.partners.grants()).map(({ partner: name, grant }) => [name, grant] as const));
  const one = async (name: string) => {
    const [settings, tokens] = [await settingsOf(name), await ledger.tokens.ofPartner(name)];
    const hooks = await ledger.webhooks.list(name);
    return {
      ...show(ports, settings, (await grants()).get(name), tokens, hooks),
      webhookList: hooks.map(({ types, ...hook }) => ({
        ...hook,
        ...(types === undefined ? {} : { types: [...types] }),
      })),
      tokenList: usable(tokens, clock.now()),
      changes: (await ledger.partners.changes(name, SHOWN_CHANGES)).map(showChange),
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
        for (const settings of await partnersOf(ports)) {
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
      method: 'post',
      path: '/partners',
      tag: 'partners',
      summary: 'Makes a partner at run time: it can have tokens, set up its webhooks and try them',
      roles: ADMINS,
      body: newPartner,
      status: 201,
      answer: partnerWithAll,
      audit: 'partner.create',
      subject: ({ name }) => name,
      handle: async ({ body: { name, description, contact, ...asked }, identity }) => {
        requireRoutes(asked.routes);
        const taken = () =>
          new HubError('resource.conflict', { detail: 'the name is a partner’s, or was once: choose another' });
        if (ports.catalogue().partners.some((each) => each.name === name)) throw taken();
        const made = await ledger.partners.register(
          {
            name,
            ...(description === undefined ? {} : { description }),
            ...(contact === undefined ? {} : { contact }),
          },
          grantChange(asked),
          identity.actor,
          MAX_REGISTERED,
        );
        if (made === 'taken') throw taken();
        if (made === 'too-many')
          throw new HubError('resource.conflict', { detail: `there are ${String(MAX_REGISTERED)} partners` });
        ports.onGrant?.();
        return await one(name);
      },
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
      handle: async ({ params: { name }, body, identity }) => {
        await settingsOf(name);
        requireRoutes(body.routes);
        await ledger.partners.changeGrant(name, grantChange(body), identity.actor);
        ports.onGrant?.();
        return await one(name);
      },
    }),
  ];
}
