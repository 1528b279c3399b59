/** Quarantine: what is held, why, and letting it go on. */
import * as z from 'zod';
import { HubError } from '../core/errors.ts';
import type { Override } from '../core/ledger/overrides.ts';
import type { QuarantineRow } from '../core/ledger/quarantine.ts';
import { type Operation, operation } from './operation.ts';
import { listPage, pageOf } from './page.ts';
import type { ApiPorts } from './ports.ts';
import { OPERATORS, READERS } from './roles.ts';
import * as shapes from './shapes.ts';

const ended = z.object({ quarantineId: z.string(), state: shapes.quarantineState });

export function quarantineOperations(ports: ApiPorts): readonly Operation[] {
  const { ledger } = ports;
  return [
    operation({
      method: 'get',
      path: '/quarantine',
      tag: 'quarantine',
      summary: 'Quarantine entries, newest first',
      roles: READERS,
      query: shapes.pageQuery.extend({ state: shapes.quarantineState.optional() }),
      answer: shapes.listOf(shapes.quarantine),
      handle: async ({ query: { state, ...page } }) => {
        const rows = await ledger.quarantine.list({ ...pageOf(page), ...(state === undefined ? {} : { state }) });
        return listPage(rows.map(show), page.limit, ({ quarantineId }) => quarantineId);
      },
    }),
    operation({
      method: 'get',
      path: '/quarantine/{quarantineId}',
      tag: 'quarantine',
      summary: 'One entry with the instances it holds',
      roles: READERS,
      params: shapes.quarantineParams,
      answer: shapes.quarantine.extend({ sopInstanceUids: z.array(z.string()) }),
      handle: async ({ params }) => {
        const row = await find(ports, params.quarantineId);
        return { ...show(row), sopInstanceUids: row.items.flatMap(({ sopInstanceUid }) => sopInstanceUid ?? []) };
      },
    }),
    operation({
      method: 'post',
      path: '/quarantine/{quarantineId}/release',
      tag: 'quarantine',
      summary: 'Gives up the hold: a held study goes on, a held run is done again from its first step',
      roles: OPERATORS,
      params: shapes.quarantineParams,
      answer: ended,
      audit: 'quarantine.release',
      handle: async ({ params }) => {
        await find(ports, params.quarantineId);
        return await release(ports, params.quarantineId);
      },
    }),
    operation({
      method: 'post',
      path: '/quarantine/{quarantineId}/replay',
      tag: 'quarantine',
      summary: 'Does a held run again from its first step, once the cause is mended',
      roles: OPERATORS,
      params: shapes.quarantineParams,
      answer: ended,
      audit: 'quarantine.replay',
      handle: async ({ params }) => {
        const { runId } = await find(ports, params.quarantineId);
        if (runId === undefined) {
          throw new HubError('resource.conflict', { detail: 'held at the door, before any run: release it instead' });
        }
        return await release(ports, params.quarantineId);
      },
    }),
    operation({
      method: 'post',
      path: '/quarantine/{quarantineId}/override',
      tag: 'quarantine',
      summary:
        'Lets a run that quality control or segmentation held go on all the same, with what the step made: this study, once. The reason goes into the events',
      roles: OPERATORS,
      params: shapes.quarantineParams,
      body: z.strictObject({
        reason: shapes.overrideReason,
        note: z
          .string()
          .min(1)
          .max(200)
          .optional()
          .describe('In your own words: stays with the entry, in no event and no log'),
      }),
      answer: ended,
      audit: 'quarantine.override',
      handle: async ({ params: { quarantineId }, body, identity: { actor: by, role } }) =>
        await override(ports, quarantineId, { ...body, by, role }),
    }),
  ];
}

async function find({ ledger }: ApiPorts, quarantineId: string): Promise<QuarantineRow> {
  const row = await ledger.quarantine.get(quarantineId);
  if (row === undefined) throw new HubError('resource.not-found');
  return row;
}

async function release(ports: ApiPorts, quarantineId: string): Promise<z.input<typeof ended>> {
  if (!(await ports.ledger.quarantine.release(quarantineId))) {
    throw new HubError('resource.conflict', { detail: 'it is not held any more' });
  }
  const { state } = await find(ports, quarantineId);
  return { quarantineId, state };
}

async function override(ports: ApiPorts, quarantineId: string, decision: Override): Promise<z.input<typeof ended>> {
  await find(ports, quarantineId);
  const outcome = await ports.ledger.overrides.override(quarantineId, decision);
  switch (outcome) {
    case 'overridden':
    case 'already':
      return { quarantineId, state: 'released' };
    case 'not-held':
      throw new HubError('resource.conflict', { detail: 'it is not held any more' });
    case 'nothing-kept':
      throw new HubError('resource.conflict', {
        detail: 'only what quality control or segmentation held can go on as it is: mend the cause and replay it',
      });
    default:
      return outcome satisfies never;
  }
}

function show({ items, provenance, ...row }: QuarantineRow): z.input<typeof shapes.quarantine> {
  return {
    ...row,
    instances: items.length,
    sizeBytes: items.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    ...(provenance === undefined ? {} : { source: provenance.source }),
  };
}
