/** What of a run a destination may have. The last line of defence: routes are checked long before. */
import { HubError } from '../core/errors.ts';
import type { RunItem } from '../core/store.ts';

/**
 * A partner's destination gets exactly the items released for that partner; any other destination gets everything.
 *
 * @throws {HubError} `policy.unsafe` when nothing of the run was released for the partner
 */
export function releasedItems(items: readonly RunItem[], partner: string | undefined): readonly RunItem[] {
  if (partner === undefined) return items;
  const released = items.filter((item) => item.releasedFor === partner);
  if (released.length === 0) {
    throw new HubError('policy.unsafe', { detail: 'nothing of the run was released for this partner' });
  }
  return released;
}
