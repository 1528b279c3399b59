/** Deliveries and dead letters: what went where, what did not and why, and sending it again. */
import * as z from 'zod';
import { HubError } from '../core/errors.ts';
import type { DeliveryState } from '../core/ledger.ts';
import { type Operation, operation } from './operation.ts';
import { listPage, pageOf } from './page.ts';
import type { ApiPorts } from './ports.ts';
import { OPERATORS, READERS } from './roles.ts';
import * as shapes from './shapes.ts';

const filters = { destination: z.string().max(64).optional(), study: z.string().max(64).optional() };
const replayed = z.object({ deliveryId: z.string(), state: z.literal('pending') });

export function deliveryOperations(ports: ApiPorts): readonly Operation[] {
  return [
    operation({
      method: 'get',
      path: '/deliveries',
      tag: 'deliveries',
      summary: 'Deliveries, newest first',
      roles: READERS,
      query: shapes.pageQuery.extend({ ...filters, state: shapes.deliveryState.optional() }),
      answer: shapes.listOf(shapes.delivery),
      handle: ({ query }) => listDeliveries(ports, query, query.state),
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
    operation({
      method: 'post',
      path: '/deliveries/{deliveryId}/replay',
      tag: 'deliveries',
      summary: 'A dead letter or a done delivery goes out again under the same id',
      roles: OPERATORS,
      params: shapes.deliveryParams,
      status: 202,
      answer: replayed,
      audit: 'delivery.replay',
      handle: async ({ params }) => {
        await getDelivery(ports, params.deliveryId);
        return await replay(ports, params.deliveryId);
      },
    }),
    operation({
      method: 'get',
      path: '/dead-letters',
      tag: 'dead letters',
      summary: 'Deliveries that ended without success, newest first',
      roles: READERS,
      query: shapes.pageQuery.extend(filters),
      answer: shapes.listOf(shapes.delivery),
      handle: ({ query }) => listDeliveries(ports, query, 'dead'),
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
      answer: replayed,
      audit: 'dead-letter.replay',
      handle: async ({ params }) => {
        await getDelivery(ports, params.deliveryId, 'dead');
        return await replay(ports, params.deliveryId);
      },
    }),
    operation({
      method: 'post',
      path: '/dead-letters/{deliveryId}/cancel',
      tag: 'dead letters',
      summary: 'The dead letter is given up, for good: it does not go out again, and keeps its study no longer',
      roles: OPERATORS,
      params: shapes.deliveryParams,
      answer: z.object({ deliveryId: z.string(), state: z.literal('cancelled') }),
      audit: 'dead-letter.cancel',
      handle: async ({ params: { deliveryId } }) => {
        if (!(await ports.ledger.deliveries.cancel(deliveryId))) throw new HubError('resource.not-found');
        return { deliveryId, state: 'cancelled' as const };
      },
    }),
  ];
}

async function listDeliveries(
  { ledger }: ApiPorts,
  query: z.output<typeof shapes.pageQuery> & {
    readonly destination?: string | undefined;
    readonly study?: string | undefined;
  },
  state: DeliveryState | undefined,
) {
  const { destination, study } = query;
  const rows = await ledger.deliveries.list({
    ...pageOf(query),
    ...(state === undefined ? {} : { state }),
    ...(destination === undefined ? {} : { destination }),
    ...(study === undefined ? {} : { study }),
  });
  return listPage(rows, query.limit, ({ deliveryId }) => deliveryId);
}

async function getDelivery({ ledger }: ApiPorts, deliveryId: string, state?: DeliveryState) {
  const row = await ledger.deliveries.get(deliveryId);
  if (row === undefined || (state !== undefined && row.state !== state)) throw new HubError('resource.not-found');
  return { ...row, history: [...row.history] };
}

async function replay({ ledger }: ApiPorts, deliveryId: string): Promise<z.input<typeof replayed>> {
  if (!(await ledger.deliveries.replay(deliveryId))) {
    throw new HubError('resource.conflict', { detail: 'only a dead letter or a done delivery can be replayed' });
  }
  return { deliveryId, state: 'pending' };
}
