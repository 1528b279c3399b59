/** Makes a request for a storage commitment durable: in the ledger, or, while that cannot be told, on this disk until it can. */
import { isLedgerAway } from '../../../core/away.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { CommitmentOutcome, CommitmentRequest } from '../../../core/ledger/commitments.ts';
import type { Clock, Logger } from '../../../core/ports.ts';
import type { KeptRequests } from './kept-requests.ts';

export interface RecordingPorts {
  readonly ledger: Pick<Ledger, 'commitments'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly kept: KeptRequests;
  /** There is room on the disk. */
  readonly mayKeep: () => boolean;
  readonly onTrouble: () => void;
}

export class Recording {
  readonly #ports: RecordingPorts;
  readonly #waitMs: number;

  /** @param waitMs - from the moment that the ledger is told */
  constructor(ports: RecordingPorts, waitMs: number) {
    this.#ports = ports;
    this.#waitMs = waitMs;
  }

  /** A source that is told Success asks no more. @throws {HubError} what ledger or disk say; then nothing is kept */
  async record(request: CommitmentRequest): Promise<CommitmentOutcome> {
    const { kept, mayKeep, onTrouble, log } = this.#ports;
    try {
      return await this.#tellLedger(request);
    } catch (error) {
      if (!isLedgerAway(error) || !mayKeep()) throw error;
      onTrouble();
      const outcome = await kept.keep(request);
      const { commitmentId } = outcome;
      log.warn('storage commitment waits on the disk for the ledger', { commitmentId, kept: kept.count });
      return outcome;
    }
  }

  /** In the order they came. @throws {HubError} while the ledger cannot be told */
  async tellKept(goesOn: () => boolean): Promise<void> {
    const { kept, log } = this.#ports;
    if (kept.count === 0) return;
    for (const request of await kept.list()) {
      if (!goesOn()) return;
      const { commitmentId, source } = request;
      const { outcome } = await this.#tellLedger(request);
      // The ledger first: a crash in between tells it once more, which changes nothing.
      await kept.forget(commitmentId);
      const fields = { commitmentId, source, outcome };
      // Its source used the Transaction UID for others before; it would have been refused, had the ledger been there.
      if (outcome === 'conflict') log.error('storage commitment has the Transaction UID of another one', fields);
      else log.info('storage commitment told to the ledger', fields);
    }
  }

  #tellLedger(request: CommitmentRequest): Promise<CommitmentOutcome> {
    const { ledger, clock } = this.#ports;
    return ledger.commitments.request(request, new Date(clock.now().getTime() + this.#waitMs));
  }
}
