/** What holds the destinations of the configuration in force, by their names. */
import { holdsOf } from '../connectors/holds.ts';
import type { PartnerDirectory } from '../connectors/partner-api/directory.ts';
import type { Hold } from '../core/destination-hold.ts';
import type { Ledger } from '../core/ledger.ts';
import type { Clock } from '../core/ports.ts';
import type { Config } from './shapes.ts';

/** @param current - asked each time, so that a configuration that was read anew holds */
export function destinationHolds(
  current: () => Pick<Config, 'destinations'>,
  partners: Pick<PartnerDirectory, 'find'>,
  { deliveries }: Pick<Ledger, 'deliveries'>,
  clock: Clock,
): (destination: string) => Promise<readonly Hold[]> {
  return async (name) => {
    const destination = current().destinations.find((each) => each.name === name);
    if (destination === undefined) return [];
    const now = clock.now();
    const breakers = (await deliveries.breakers(now)).filter((each) => each.destination === name);
    const left = breakers.flatMap(({ state, until, reason }): readonly Hold[] =>
      state === 'open' && until !== undefined ? [{ what: 'breaker', until: new Date(until), reason }] : [],
    );
    return [...(await holdsOf(destination, partners, now)), ...left];
  };
}
