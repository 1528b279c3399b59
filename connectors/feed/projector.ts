/** Copies the facts that concern a partner, projected, to the partner's own stream. */
import type { Ledger } from '../../core/ledger.ts';
import type { EventBus, Logger, Subscription } from '../../core/ports.ts';
import { projectForPartner } from './projection.ts';

const GROUP = 'feed';

export interface ProjectorPorts {
  readonly bus: EventBus;
  readonly ledger: Pick<Ledger, 'events'>;
  readonly log: Logger;
}

/** Starts projecting. A fact seen twice is projected once: its inbox entry is in the transaction of the projection. */
export async function startFeedProjector(
  ports: ProjectorPorts,
  destinations: readonly { readonly name: string; readonly partner?: string | undefined }[],
): Promise<Subscription> {
  const log = ports.log.child({ stage: 'connectors', connector: 'feed' });
  const partnerOf = new Map(destinations.map(({ name, partner }) => [name, partner]));
  return await ports.bus.subscribe(
    { group: GROUP, streams: ['hub.result.v1', 'hub.delivery.v1'], from: 'earliest' },
    async (event) => {
      const projected = projectForPartner(event, (destination, partner) => partnerOf.get(destination) === partner);
      if (projected === undefined) return;
      const outcome = await ports.ledger.events.append([projected], { group: GROUP, eventId: event.id });
      if (outcome === 'recorded') log.debug('event is in the feed', { eventId: event.id, stream: projected.stream });
    },
  );
}
