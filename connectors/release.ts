/** What of a run a destination may have. The last line of defence: routes are checked long before. */
import { HubError } from '../core/errors.ts';
import type { RunItem } from '../core/store.ts';

/** For whom a delivery was opened, and whose its destination is now. */
export interface Recipient {
  readonly partnerThen: string | undefined;
  readonly partnerNow: string | undefined;
  /** Under which the destination would come to know the study. */
  readonly studyInstanceUid: string;
}

/**
 * A partner's destination gets exactly the items released for that partner; any other destination gets everything.
 *
 * @throws {HubError} `policy.unsafe` when nothing was released for the partner, the study UID is not the released one,
 * or the destination has changed hands since
 */
export function releasedItems(
  items: readonly RunItem[],
  { partnerThen, partnerNow, studyInstanceUid }: Recipient,
): readonly RunItem[] {
  // A replay of an old delivery: its route was checked against the partner of then.
  if (partnerThen !== undefined && partnerThen !== partnerNow) throw unsafe('the destination was of another partner');
  if (partnerNow === undefined) return items;
  const released = items.filter((item) => item.releasedFor === partnerNow);
  const instances = released.filter((item) => item.kind === 'instance');
  // Folder names, webhooks and the feed carry the order's study UID: only an instance proves that it is the pseudonym.
  if (instances.length === 0) throw unsafe('nothing of the run was released for this partner');
  if (instances.some((item) => item.studyInstanceUid !== studyInstanceUid))
    throw unsafe('the study UID is not the one released for this partner');
  // Files made from a series are named after it.
  const series = new Set(instances.map((item) => item.seriesInstanceUid));
  if (released.some(({ seriesInstanceUid }) => seriesInstanceUid !== undefined && !series.has(seriesInstanceUid)))
    throw unsafe('a file is of a series that was not released for this partner');
  return released;
}

const unsafe = (detail: string): HubError => new HubError('policy.unsafe', { detail });
