/**
 * Copies the facts that concern a partner, projected, to the partner's own stream, and notes what was released to it.
 * What the partner is not entitled to does not stand in its stream: nobody who reads it by whatever way meets it.
 */
import { isEventOf, type PositionedEvent } from '../../core/events.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { NewPartnerRelease } from '../../core/ledger/partners.ts';
import { withheld } from '../../core/partners.ts';
import type { Clock, EventBus, Logger, Subscription } from '../../core/ports.ts';
import type { PartnerDirectory } from '../partner-api/directory.ts';
import { projectForPartner } from './projection.ts';

const GROUP = 'feed';

export interface ProjectorPorts {
  readonly bus: EventBus;
  readonly ledger: Pick<Ledger, 'partners'>;
  readonly directory: Pick<PartnerDirectory, 'find'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Starts projecting. A fact seen twice is projected once: its inbox entry is in the transaction of the projection.
 *
 * @param destinations - asked for each fact, so that a configuration that was read anew holds
 */
export async function startFeedProjector(
  ports: ProjectorPorts,
  destinations: () => readonly { readonly name: string; readonly partner?: string | undefined }[],
): Promise<Subscription> {
  const log = ports.log.child({ stage: 'connectors', connector: 'feed' });
  const partnerOf = (destination: string) => destinations().find(({ name }) => name === destination)?.partner;
  return await ports.bus.subscribe(
    { group: GROUP, streams: ['hub.result.v1', 'hub.delivery.v1'], from: 'earliest' },
    async (event) => {
      const projected = projectForPartner(event, (destination, partner) => partnerOf(destination) === partner);
      if (projected === undefined || !('partner' in event.data) || event.data.partner === undefined) return;
      const name = event.data.partner;
      const partner = await ports.directory.find(name);
      const wanted = {
        type: event.type,
        atMs: Date.parse(event.time),
        ...('route' in event.data ? { route: event.data.route } : {}),
      };
      const why = partner === undefined ? 'unknown' : withheld(partner, wanted, ports.clock.now().getTime());
      // What was released is noted all the same: whether it may be retrieved is asked when somebody does.
      const outcome = await ports.ledger.partners.project(
        { group: GROUP, eventId: event.id },
        why === undefined ? [projected] : [],
        releaseOf(event),
      );
      if (outcome !== 'recorded') return;
      if (why === undefined) log.debug('event is in the feed', { eventId: event.id, stream: projected.stream });
      else log.info('event is withheld from a partner', { eventId: event.id, partner: name, type: event.type, why });
    },
  );
}

function releaseOf(event: PositionedEvent): NewPartnerRelease | undefined {
  if (!isEventOf(event, 'study.processed') || event.data.partner === undefined) return undefined;
  const { partner, releasedStudyInstanceUid, runId, route } = event.data;
  return { partner, studyInstanceUid: releasedStudyInstanceUid, runId, route, releasedAtMs: Date.parse(event.time) };
}
