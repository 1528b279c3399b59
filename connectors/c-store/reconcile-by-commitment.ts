/**
 * Asks for a storage commitment and learns what came of it (PS3.4 Annex J), whenever and wherever it is reported: on the
 * association of the request, or by the provider on one of its own, to any gateway of the hub. Between the two there is
 * the ledger: what was asked is in it before it is asked, and what was reported before the provider is told that it was
 * taken. So a restart, or another process that does the one or the other, loses neither.
 */
import type { AskedCommitmentsLedger } from '../../core/ledger/asked-commitments.ts';
import type { DeliveryOrder, Reconciliation } from '../../core/plugins.ts';
import type { Peer } from '../../peers/dimse/connection.ts';
import { attemptNotes } from '../attempt-notes.ts';
import { askForCommitment, newTransactionUid, wordsOf } from './commitment.ts';
import { judgeCommitment } from './commitment-result.ts';

export interface CommitmentPatience {
  /** For the report on the association of the request. */
  readonly sameAssociationMs: number;
  /** For the report on an association of the provider's. */
  readonly waitMs: number;
  /** So often it is asked, each time anew, before it is asked in another way. */
  readonly requests: number;
}

/** @returns undefined where the provider gives none, or does not say what came of it however often it is asked */
export async function reconcileByCommitment(
  order: DeliveryOrder,
  peer: Peer,
  ledger: AskedCommitmentsLedger | undefined,
  patience: CommitmentPatience,
): Promise<Reconciliation | undefined> {
  const instances = order.items.filter((item) => item.kind === 'instance');
  if (ledger === undefined) {
    const question = { transactionUid: newTransactionUid(), instances, reportMs: peer.timeouts.responseMs };
    const answer = await askForCommitment({ ...question, keep: () => Promise.resolve() }, peer, order.signal);
    return typeof answer === 'string' ? undefined : judgeCommitment(instances, answer);
  }

  const before = await standing(ledger, order, instances);
  if (before.known !== undefined) return before.known;
  if (before.asked >= patience.requests) return undefined;
  const transactionUid = newTransactionUid();
  const { deliveryId, destination } = order;
  await ledger.ask({ transactionUid, deliveryId, instances: instances.length }, patience.waitMs);
  const answer = await askForCommitment(
    {
      ...{ transactionUid, instances, reportMs: patience.sameAssociationMs },
      keep: (result) => ledger.report({ transactionUid, destinations: [destination], ...result }),
    },
    peer,
    order.signal,
  );
  if (answer === 'refused') return undefined;
  return (await standing(ledger, order, instances)).known;
}

/** What is known by now; nothing, when it was not asked yet or is not to be reckoned with any more. */
async function standing(
  ledger: AskedCommitmentsLedger,
  { deliveryId }: DeliveryOrder,
  instances: readonly { readonly sopInstanceUid: string }[],
): Promise<{ readonly known: Reconciliation | undefined; readonly asked: number }> {
  const rows = (await ledger.ofDelivery(deliveryId)).filter(({ state }) => state !== 'over');
  const asked = rows.length;
  const reported = rows.find(({ state }) => state === 'reported');
  const result = reported === undefined ? undefined : await ledger.result(reported.transactionUid);
  if (result !== undefined) {
    const notes = attemptNotes();
    notes?.asked('storage commitment, reported on');
    notes?.answered(wordsOf(result));
    return { known: judgeCommitment(instances, result), asked };
  }
  const waiting = rows.find(({ isInTime }) => isInTime);
  if (waiting === undefined) return { known: undefined, asked };
  const detail = 'waits for the report of the storage commitment';
  return { known: { missing: [], waitUntil: waiting.waitUntil, detail }, asked };
}
