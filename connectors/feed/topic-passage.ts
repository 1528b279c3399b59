/**
 * What of a partner's stream may go to its own topic in Kafka, asked when it is about to: what has arrived there is the
 * partner's, and nobody takes it back.
 */
import type { PositionedEvent } from '../../core/events.ts';
import { wantedOf, withheld } from '../../core/partners.ts';
import type { Clock } from '../../core/ports.ts';
import type { PartnerDirectory } from '../partner-api/directory.ts';

/** `hold`: access has ended, and goes on where it stood when it is granted again, as the partner's webhooks do. */
export function topicPassage(
  directory: Pick<PartnerDirectory, 'find'>,
  clock: Clock,
): (partner: string, event: PositionedEvent) => Promise<'pass' | 'skip' | 'hold'> {
  return async (name, event) => {
    const partner = await directory.find(name);
    const why = partner === undefined ? 'suspended' : withheld(partner, wantedOf(event), clock.now().getTime());
    switch (why) {
      case undefined:
        return 'pass';
      case 'suspended':
      case 'expired':
        return 'hold';
      case 'route':
      case 'type':
      case 'before':
        return 'skip';
      default:
        return why satisfies never;
    }
  };
}
