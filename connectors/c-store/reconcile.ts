/** Asks a C-STORE provider what it has of an order: by a storage commitment where it gives one, else with C-FIND. */
import { HubError, toHubError } from '../../core/errors.ts';
import type { DeliveryOrder, Reconciliation } from '../../core/plugins.ts';
import { openFinder } from '../../peers/dimse/c-find.ts';
import type { Peer } from '../../peers/dimse/connection.ts';
import { attemptNotes } from '../attempt-notes.ts';
import { reconcileBySeries } from '../reconciliation.ts';
import { askForCommitment } from './commitment.ts';

/** Of one series; a provider with more beside what is looked for is asked for each instance by itself. */
const MOST_MATCHES = 20_000;
const MOST_SINGLE_QUESTIONS = 1_000;

/**
 * A provider that gives no commitment on the association it was asked on (PS3.4 Section J.3 lets it report on another one,
 * for which there is no door here) is asked with C-FIND instead.
 */
export async function reconcileWithPeer(
  order: DeliveryOrder,
  peer: Peer,
  how: 'after' | 'commitment',
): Promise<Reconciliation> {
  if (how === 'commitment') {
    const committed = await askForCommitment(order, peer);
    if (committed !== undefined) return committed;
  }
  return await findAll(order, peer);
}

async function findAll(order: DeliveryOrder, peer: Peer): Promise<Reconciliation> {
  const notes = attemptNotes();
  notes?.asked(`C-FIND to ${peer.calledAeTitle}, level IMAGE`);
  const finder = await openFinder(peer, order.signal);
  let asked = 0;
  try {
    return await reconcileBySeries(order, 'C-FIND', async ({ studyInstanceUid, seriesInstanceUid, instances }) => {
      const level = {
        QueryRetrieveLevel: 'IMAGE',
        StudyInstanceUID: studyInstanceUid,
        SeriesInstanceUID: seriesInstanceUid,
      };
      const found = new Set<string>();
      const find = async (sopInstanceUid: string, limit: number): Promise<boolean> => {
        const { matches, isCut } = await finder.find({ ...level, SOPInstanceUID: sopInstanceUid }, limit);
        for (const match of matches) found.add(match.string('SOPInstanceUID') ?? '');
        return isCut;
      };
      const isCut = await find('', MOST_MATCHES);
      for (const { sopInstanceUid } of isCut ? instances : []) {
        if (found.has(sopInstanceUid)) continue;
        asked += 1;
        if (asked > MOST_SINGLE_QUESTIONS) {
          throw new HubError('partner.refused', { detail: 'a series with more instances than can be asked for' });
        }
        await find(sopInstanceUid, 1);
      }
      notes?.answered(`${String(found.size)} matches`);
      return found;
    });
  } catch (error) {
    throw toHubError(error);
  } finally {
    await finder.close();
  }
}
