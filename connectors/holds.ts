/** Why nothing goes to a destination now, though it is well. The dispatcher goes by it, and whoever looks at what waits is told it. */
import type { Hold } from '../core/destination-hold.ts';
import { withheld } from '../core/partners.ts';
import type { DestinationOptions } from '../core/plugins.ts';
import type { PartnerDirectory } from './partner-api/directory.ts';
import { isOpen, opensAt } from './send-window.ts';

/** All there are: its window is closed, its partner's access has ended. None: deliveries may begin. */
export async function holdsOf(
  { sendWindow, partner }: Pick<DestinationOptions, 'sendWindow' | 'partner'>,
  partners: Pick<PartnerDirectory, 'find'>,
  now: Date,
): Promise<readonly Hold[]> {
  const holds: Hold[] = [];
  if (sendWindow !== undefined && !isOpen(sendWindow, now)) {
    holds.push({ what: 'send-window', until: opensAt(sendWindow, now) });
  }
  if (partner === undefined) return holds;
  const found = await partners.find(partner);
  const why = found === undefined ? 'unknown' : withheld(found, {}, now.getTime());
  if (why === 'suspended') holds.push({ what: 'partner-suspended', partner });
  else if (why !== undefined) holds.push({ what: 'partner-ended', partner });
  return holds;
}
