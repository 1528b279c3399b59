/** Destinations: what waits for each, what it did not take, and whether it is left alone for now. */
import * as z from 'zod';
import { type Operation, operation } from './operation.ts';
import type { ApiPorts } from './ports.ts';
import { READERS } from './roles.ts';

const count = z.int().min(0);
const destination = z.object({
  name: z.string(),
  partner: z.string().optional(),
  configured: z
    .boolean()
    .describe('False: deliveries or dead letters of it are left, the configuration has it no more.'),
  pending: count.describe('Deliveries that wait or are under way'),
  deadLetters: count,
  breaker: z.object({
    state: z.enum(['closed', 'half-open', 'open']),
    failures: count.describe('In a row'),
    reason: z.string().optional().describe('Error code of the last one'),
    openedAt: z.string().optional(),
    until: z.string().optional().describe('Then one delivery goes to see'),
  }),
});

export function destinationOperations({ ledger, catalogue, clock }: ApiPorts): readonly Operation[] {
  return [
    operation({
      method: 'get',
      path: '/destinations',
      tag: 'destinations',
      summary: 'Destinations, and how each does',
      roles: READERS,
      answer: z.object({ items: z.array(destination) }),
      handle: async () => {
        const [pending, dead, failing] = await Promise.all([
          ledger.deliveries.pending(),
          ledger.deliveries.dead(),
          ledger.deliveries.breakers(clock.now()),
        ]);
        const waiting = new Map(pending.map((each) => [each.destination, each.deliveries]));
        const ended = new Map(dead.map((each) => [each.destination, each.deliveries]));
        const breakers = new Map(failing.map(({ destination: name, ...breaker }) => [name, breaker]));
        const configured = new Map(catalogue().destinations.map((each) => [each.name, each]));
        const names = new Set([...configured.keys(), ...waiting.keys(), ...ended.keys()]);
        return {
          items: [...names].map((name) => {
            const partner = configured.get(name)?.partner;
            return {
              name,
              ...(partner === undefined ? {} : { partner }),
              configured: configured.has(name),
              pending: waiting.get(name) ?? 0,
              deadLetters: ended.get(name) ?? 0,
              breaker: breakers.get(name) ?? { state: 'closed' as const, failures: 0 },
            };
          }),
        };
      },
    }),
  ];
}
