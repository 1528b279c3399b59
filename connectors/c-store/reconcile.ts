/** Asks a C-STORE provider what it has of an order: by a storage commitment where it gives one, else with C-FIND. */
import { HubError, toHubError } from '../../core/errors.ts';
import type { AskedCommitmentsLedger } from '../../core/ledger/asked-commitments.ts';
import type { DeliveryOrder, Reconciliation } from '../../core/plugins.ts';
import { openFinder } from '../../peers/dimse/c-find.ts';
import type { Peer } from '../../peers/dimse/connection.ts';
import { attemptNotes } from '../attempt-notes.ts';
import { reconcileBySeries } from '../reconciliation.ts';
import { type CommitmentPatience, reconcileByCommitment } from './reconcile-by-commitment.ts';

/** Of one series; a provider with more beside what is looked for is asked for each instance by itself. */
const MOST_MATCHES = 20_000;
const MOST_SINGLE_QUESTIONS = 1_000;

export type How =
  | 'after'
  | {
      /** Absent: a report can only come on the association of the request, for no door of the hub answers to our AE title. */
      readonly askedCommitments: AskedCommitmentsLedger | undefined;
      readonly patience: CommitmentPatience;
    };

/** A provider that gives no commitment, or never says what came of it, is asked with C-FIND instead. */
export async function reconcileWithPeer(order: DeliveryOrder, peer: Peer, how: How): Promise<Reconciliation> {
  if (how !== 'after') {
    const committed = await reconcileByCommitment(order, peer, how.askedCommitments, how.patience);
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
