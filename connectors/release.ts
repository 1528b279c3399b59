/** What of a run a destination may have. The last line of defence: routes are checked long before. */
import { HubError } from '../core/errors.ts';
import type { RunItem } from '../core/store.ts';

/**
 * A partner's destination gets exactly the items released for that partner; any other destination gets everything.
 *
 * @param studyInstanceUid - under which the destination would come to know the study
 * @throws {HubError} `policy.unsafe` when nothing was released for the partner, or the study UID is not the released one
 */
export function releasedItems(
  items: readonly RunItem[],
  partner: string | undefined,
  studyInstanceUid: string,
): readonly RunItem[] {
  if (partner === undefined) return items;
  const released = items.filter((item) => item.releasedFor === partner);
  if (released.length === 0) {
    throw new HubError('policy.unsafe', { detail: 'nothing of the run was released for this partner' });
  }
  // Folder names, webhooks and the feed carry the order's study UID: it must be the pseudonym this partner has.
  if (released.some((item) => item.kind === 'instance' && item.studyInstanceUid !== studyInstanceUid)) {
    throw new HubError('policy.unsafe', { detail: 'the study UID is not the one released for this partner' });
  }
  return released;
}
