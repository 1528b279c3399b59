/** Who calls at the doors: the configured sources, and who was turned away. */
import * as z from 'zod';
import { HubError } from '../core/errors.ts';
import { type Operation, operation } from './operation.ts';
import type { ApiPorts, Doors } from './ports.ts';
import { ADMINS, READERS } from './roles.ts';
import * as shapes from './shapes.ts';

export function doorOperations(ports: ApiPorts): readonly Operation[] {
  return [
    operation({
      method: 'get',
      path: '/sources',
      tag: 'doors',
      summary: 'Configured sources, and when each was last seen since the start of the hub',
      roles: READERS,
      answer: z.object({ items: z.array(shapes.source) }),
      handle: async () => ({
        items: doorsOf(ports)
          .sources()
          .map(({ name, lastSeenAt }) => ({
            name,
            ...(lastSeenAt === undefined ? {} : { lastSeenAt: lastSeenAt.toISOString() }),
          })),
      }),
    }),
    operation({
      method: 'get',
      path: '/refusals',
      tag: 'doors',
      summary:
        'Associations rejected since the start of the hub, the latest first; repeats are counted, at most 100 kept',
      roles: ADMINS,
      answer: z.object({ items: z.array(shapes.refusal) }),
      handle: async () => ({
        items: doorsOf(ports)
          .refusals()
          .map(({ firstAt, lastAt, ...rest }) => ({
            ...rest,
            firstAt: firstAt.toISOString(),
            lastAt: lastAt.toISOString(),
          })),
      }),
    }),
  ];
}

/** @throws {HubError} `resource.not-found` */
function doorsOf({ doors }: ApiPorts): Doors {
  if (doors === undefined) throw new HubError('resource.not-found', { detail: 'no gateway runs in this process' });
  return doors;
}
