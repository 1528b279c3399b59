/** What a partner may retrieve of a study: the instances that were released to it, of the newest run that has each. */
import { toHubError, HubError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { PartnerRelease } from '../../core/ledger/partners.ts';
import { type Partner, withheld } from '../../core/partners.ts';
import type { Clock } from '../../core/ports.ts';
import type { InstanceItem } from '../../core/store.ts';
import { releasedItems } from '../release.ts';

/** A viewer asks for the frames of a study one by one; a run's results change only when their bytes move or are removed. */
const KEPT_MS = 5_000;
const KEPT_RUNS = 16;

export interface ReleasedPorts {
  readonly ledger: Pick<Ledger, 'partners' | 'runs' | 'retention'>;
  readonly clock: Clock;
}

export type ReleasedInstances = (
  partner: Partner,
  study: string,
  series?: string,
  instance?: string,
) => Promise<readonly InstanceItem[]>;

/**
 * Empty when nothing of the study was released to the partner, whether or not the study exists.
 *
 * @throws {HubError} `resource.gone` when what was released to it has been removed
 */
export function createReleasedInstances({ ledger, clock }: ReleasedPorts): ReleasedInstances {
  const known = new Map<string, { readonly atMs: number; readonly items: readonly InstanceItem[] }>();

  const itemsOf = async ({ runId, partner, studyInstanceUid }: PartnerRelease): Promise<readonly InstanceItem[]> => {
    const name = `${partner} ${runId}`;
    const kept = known.get(name);
    const nowMs = performance.now();
    if (kept !== undefined && nowMs - kept.atMs < KEPT_MS) return kept.items;
    known.delete(name);
    const isGone = (await ledger.retention.expiredRuns([runId])).length > 0;
    const run = isGone ? undefined : await ledger.runs.get(runId);
    const items = run === undefined ? [] : instancesOf(run.items, partner, studyInstanceUid);
    const [oldest] = known.keys();
    if (known.size >= KEPT_RUNS && oldest !== undefined) known.delete(oldest);
    known.set(name, { atMs: nowMs, items });
    return items;
  };

  return async (partner, study, series, instance) => {
    const nowMs = clock.now().getTime();
    const releases = (await ledger.partners.releasesOf(partner.name, study)).filter(
      ({ route, releasedAtMs }) => withheld(partner, { route, atMs: releasedAtMs }, nowMs) === undefined,
    );
    const newest = new Map<string, InstanceItem>();
    for (const release of releases) {
      for (const item of await itemsOf(release)) {
        if (!newest.has(item.sopInstanceUid)) newest.set(item.sopInstanceUid, item);
      }
    }
    if (newest.size === 0 && releases.length > 0) await requireKept(ledger, releases);
    return [...newest.values()].filter(
      (item) =>
        (series === undefined || item.seriesInstanceUid === series) &&
        (instance === undefined || item.sopInstanceUid === instance),
    );
  };
}

function instancesOf(
  items: Parameters<typeof releasedItems>[0],
  partner: string,
  studyInstanceUid: string,
): readonly InstanceItem[] {
  try {
    return releasedItems(items, { partnerThen: partner, partnerNow: partner, studyInstanceUid }).filter(
      (item) => item.kind === 'instance',
    );
  } catch (error) {
    // A run whose results were removed shows what it began with, of which nothing is the partner's.
    if (toHubError(error).code === 'policy.unsafe') return [];
    throw error;
  }
}

async function requireKept(
  { retention }: Pick<Ledger, 'retention'>,
  releases: readonly PartnerRelease[],
): Promise<void> {
  const expired = await retention.expiredRuns(releases.map(({ runId }) => runId));
  if (expired.length > 0) throw new HubError('resource.gone', { detail: 'what was released of the study was removed' });
}
