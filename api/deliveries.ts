/** Deliveries and dead letters: what went where, what did not and why, and sending it again, one by one or by a filter. */
import * as z from 'zod';
import { HubError } from '../core/errors.ts';
import type { DeliveryAction, DeliveryFilter } from '../core/ledger/deliveries.ts';
import { deliveryFilter, filterOf } from './delivery-filter.ts';
import { type Operation, operation } from './operation.ts';
import { withHolds } from './holds.ts';
import { listPage, pageOf } from './page.ts';
import type { ApiPorts } from './ports.ts';
import { OPERATORS, READERS } from './roles.ts';
import * as shapes from './shapes.ts';

/** Counted no further: what a count is for is decided long before. */
const MAX_COUNTED = 100_000;
/** Of one call: a transaction of the ledger that keeps nobody waiting. */
const MAX_AT_ONCE = 500;

const counted = z.object({
  count: z.int().min(0),
  isMore: z.boolean().describe(`More than ${String(MAX_COUNTED)}: counted no further.`),
});
const page = {
  limit: z.int().min(1).max(MAX_AT_ONCE).default(100).describe('Deliveries a call, newest first.'),
  before: z.string().min(1).max(128).optional().describe('`cursor` of the call before.'),
};
const outcome = z.object({
  action: z.string(),
  filter: z.string(),
  done: z.int().min(0),
  skipped: z.int().min(0).describe('Not in a state for it by now, or removed after delivery.'),
  deliveryIds: z.array(z.string()),
  cursor: z.string().optional().describe('Absent: that was all.'),
});
type Outcome = z.output<typeof outcome>;

const DEAD = { state: 'dead' } as const;

export function deliveryOperations(ports: ApiPorts): readonly Operation[] {
  const { deliveries } = ports.ledger;
  return [
    operation({
      method: 'get',
      path: '/deliveries',
      tag: 'deliveries',
      summary: 'Deliveries, newest first',
      roles: READERS,
      query: shapes.pageQuery.extend({ ...deliveryFilter, state: shapes.deliveryState.optional() }),
      answer: shapes.listOf(shapes.delivery),
      handle: ({ query }) => listDeliveries(ports, query, { ...filterOf(query), ...stateOf(query) }),
    }),
    operation({
      method: 'get',
      path: '/deliveries/count',
      tag: 'deliveries',
      summary: 'How many deliveries match',
      roles: READERS,
      query: z.object({ ...deliveryFilter, state: shapes.deliveryState.optional() }),
      answer: counted,
      handle: ({ query }) => count(ports, { ...filterOf(query), ...stateOf(query) }),
    }),
    operation({
      method: 'post',
      path: '/deliveries/bulk',
      tag: 'deliveries',
      summary: 'Retries or cancels those that wait, or replays those that have ended, a page at a time',
      roles: OPERATORS,
      body: z.discriminatedUnion('action', [
        z.strictObject({ ...deliveryFilter, ...page, action: z.enum(['retry', 'cancel']) }),
        z.strictObject({
          ...{ ...deliveryFilter, ...page, action: z.literal('replay') },
          state: z
            .enum(['dead', 'succeeded'])
            .describe('Which have to be named: a replay of what succeeded sends it twice.'),
        }),
      ]),
      answer: outcome,
      audit: 'deliveries.bulk',
      subject,
      handle: ({ body }) =>
        actOnMany(ports, body.action, body, {
          ...filterOf(body),
          state: body.action === 'replay' ? body.state : 'pending',
        }),
    }),
    operation({
      method: 'get',
      path: '/deliveries/{deliveryId}',
      tag: 'deliveries',
      summary: 'One delivery with all its attempts',
      roles: READERS,
      params: shapes.deliveryParams,
      answer: shapes.deliveryWithHistory,
      handle: ({ params }) => getDelivery(ports, params.deliveryId),
    }),
    one(ports, 'replay', 'A dead letter or a done delivery goes out again under the same id'),
    one(ports, 'retry', 'What waits is tried now, whatever is known of its destination'),
    one(ports, 'cancel', 'What waits or is under way is given up, for good: it does not go out'),
    operation({
      method: 'get',
      path: '/dead-letters',
      tag: 'dead letters',
      summary: 'Deliveries that ended without success, newest first',
      roles: READERS,
      query: shapes.pageQuery.extend(deliveryFilter),
      answer: shapes.listOf(shapes.delivery),
      handle: ({ query }) => listDeliveries(ports, query, { ...filterOf(query), ...DEAD }),
    }),
    operation({
      method: 'get',
      path: '/dead-letters/count',
      tag: 'dead letters',
      summary: 'How many dead letters match',
      roles: READERS,
      query: z.object(deliveryFilter),
      answer: counted,
      handle: ({ query }) => count(ports, { ...filterOf(query), ...DEAD }),
    }),
    operation({
      method: 'post',
      path: '/dead-letters/bulk',
      tag: 'dead letters',
      summary: 'Replays or discards the dead letters that match, a page at a time',
      roles: OPERATORS,
      body: z.strictObject({ ...deliveryFilter, ...page, action: z.enum(['replay', 'discard']) }),
      answer: outcome,
      audit: 'dead-letters.bulk',
      subject,
      handle: ({ body }) =>
        actOnMany(ports, body.action === 'discard' ? 'cancel' : body.action, body, { ...filterOf(body), ...DEAD }),
    }),
    operation({
      method: 'get',
      path: '/dead-letters/{deliveryId}',
      tag: 'dead letters',
      summary: 'One dead letter with all its attempts',
      roles: READERS,
      params: shapes.deliveryParams,
      answer: shapes.deliveryWithHistory,
      handle: ({ params }) => getDelivery(ports, params.deliveryId, 'dead'),
    }),
    operation({
      method: 'post',
      path: '/dead-letters/{deliveryId}/replay',
      tag: 'dead letters',
      summary: 'The dead letter goes out again under the same id',
      roles: OPERATORS,
      params: shapes.deliveryParams,
      status: 202,
      answer: changed('pending'),
      audit: 'dead-letter.replay',
      handle: async ({ params: { deliveryId } }) => {
        await getDelivery(ports, deliveryId, 'dead');
        if (!(await deliveries.replay(deliveryId))) throw new HubError('resource.conflict', { detail: NOT_NOW.replay });
        return { deliveryId, state: 'pending' as const };
      },
    }),
    ...(['cancel', 'discard'] as const).map((verb) =>
      operation({
        method: 'post',
        path: `/dead-letters/{deliveryId}/${verb}`,
        tag: 'dead letters',
        summary: 'The dead letter is given up, for good: it does not go out again, and keeps its study no longer',
        roles: OPERATORS,
        params: shapes.deliveryParams,
        answer: changed('cancelled'),
        audit: `dead-letter.${verb}`,
        handle: async ({ params: { deliveryId } }) => {
          await getDelivery(ports, deliveryId, 'dead');
          if (!(await deliveries.cancel(deliveryId)))
            throw new HubError('resource.conflict', { detail: NOT_NOW.cancel });
          return { deliveryId, state: 'cancelled' as const };
        },
      }),
    ),
  ];
}

const NOT_NOW: Readonly<Record<DeliveryAction, string>> = {
  replay: 'only a dead letter or a done delivery can be replayed',
  retry: 'only what waits can be tried now',
  cancel: 'it has ended',
};

function changed<State extends 'pending' | 'cancelled'>(state: State) {
  return z.object({ deliveryId: z.string(), state: z.literal(state) });
}

/** An action on one delivery, whatever its state. */
function one(ports: ApiPorts, action: DeliveryAction, summary: string): Operation {
  const state = action === 'cancel' ? ('cancelled' as const) : ('pending' as const);
  return operation({
    ...{ method: 'post', path: `/deliveries/{deliveryId}/${action}`, tag: 'deliveries', summary, roles: OPERATORS },
    params: shapes.deliveryParams,
    status: action === 'cancel' ? 200 : 202,
    answer: z.object({ deliveryId: z.string(), state: z.enum(['pending', 'cancelled']) }),
    audit: `delivery.${action}`,
    handle: async ({ params: { deliveryId } }) => {
      await getDelivery(ports, deliveryId);
      if (!(await ports.ledger.deliveries[action](deliveryId))) {
        throw new HubError('resource.conflict', { detail: NOT_NOW[action] });
      }
      return { deliveryId, state };
    },
  });
}

async function count({ ledger }: ApiPorts, filter: DeliveryFilter): Promise<z.output<typeof counted>> {
  const found = await ledger.deliveries.count(filter, MAX_COUNTED + 1);
  return { count: Math.min(found, MAX_COUNTED), isMore: found > MAX_COUNTED };
}

async function actOnMany(
  { ledger }: ApiPorts,
  action: DeliveryAction,
  query: { readonly limit: number; readonly before?: string | undefined },
  filter: DeliveryFilter,
): Promise<Outcome> {
  const { done, skipped, cursor } = await ledger.deliveries.actOnMany(action, filter, pageOf(query));
  return {
    ...{ action, filter: asText(filter), done: done.length, skipped, deliveryIds: [...done] },
    ...(cursor === undefined ? {} : { cursor }),
  };
}

/** For the audit: what was done to how many, and which they were. */
function subject({ action, filter, done }: Outcome): string {
  return `${action} ${String(done)} (${filter})`;
}

function asText(filter: DeliveryFilter): string {
  return Object.entries(filter)
    .map(([name, value]) => `${name}=${value instanceof Date ? value.toISOString() : String(value)}`)
    .join(' ');
}

function stateOf({ state }: { readonly state?: DeliveryFilter['state'] | undefined }): DeliveryFilter {
  return state === undefined ? {} : { state };
}

async function listDeliveries(ports: ApiPorts, query: z.output<typeof shapes.pageQuery>, filter: DeliveryFilter) {
  const rows = await ports.ledger.deliveries.list({ ...pageOf(query), ...filter });
  return listPage(await withHolds(ports, rows), query.limit, ({ deliveryId }) => deliveryId);
}

async function getDelivery(ports: ApiPorts, deliveryId: string, state?: DeliveryFilter['state']) {
  const { ledger } = ports;
  const row = await ledger.deliveries.get(deliveryId);
  if (row === undefined || (state !== undefined && row.state !== state)) throw new HubError('resource.not-found');
  const [shown = row] = await withHolds(ports, [row]);
  return { ...shown, history: [...row.history] };
}
