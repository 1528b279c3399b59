/**
 * What a storage commitment comes to at this moment: what the ledger knows, what is on its way to it, and whether the
 * bytes on the disk are those that were received.
 */
import { createHash } from 'node:crypto';
import type { Ledger } from '../../../core/ledger.ts';
import type { CommitmentEvidence, CommitmentRow } from '../../../core/ledger/commitments.ts';
import type { Whose } from '../../../core/ledger/replicas.ts';
import type { Clock, Logger } from '../../../core/ports.ts';
import { isStoreAway } from '../../../core/away.ts';
import type { ObjectStore } from '../../../core/store.ts';
import { decideCommitment, type CommitmentDecision } from './decision.ts';

export interface AssessmentPorts {
  readonly ledger: Pick<Ledger, 'commitments'>;
  readonly store: Pick<ObjectStore, 'open'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Some content of the UID, refused copies too, has arrived and is not told to the ledger yet. */
  readonly isOnItsWay: (sopInstanceUid: string) => boolean;
  /** Whose requests are decided here; undefined: all, and what arrived has arrived here. */
  readonly whose: () => Whose | undefined;
  /** Other gateways may have received what the ledger does not know. */
  readonly areOthersBehind: () => Promise<boolean>;
  /** The store takes nothing of what is received. */
  readonly isHeldUp: () => boolean;
}

interface Unchecked extends NonNullable<CommitmentEvidence['stored']> {
  /** Every byte is read. */
  readonly isThorough: boolean;
}

/** Each time bytes were moved meanwhile (compaction) they are looked up once more. */
const MAX_ROUNDS = 5;

export class Assessment {
  readonly #ports: AssessmentPorts;
  /** One at a time: reading for a promise must not take the disk and the processor from what is being received. */
  #reading: Promise<void> = Promise.resolve();
  readonly #waitMs: number;
  /** When ledger or store were last found away. A start counts: what others have received may not be told either. */
  #troubledMs = performance.now();

  /** @param waitMs - for what may be on its way from another gateway, with ledger and store there all the time */
  constructor(ports: AssessmentPorts, waitMs: number) {
    this.#ports = ports;
    this.#waitMs = waitMs;
  }

  /** Ledger or store are away: the time to wait begins anew. */
  troubled(): void {
    this.#troubledMs = performance.now();
  }

  /**
   * @param signal - ends the reading
   * @throws {HubError} what the ledger says; `store.*` while the store cannot be asked; the reason of the signal
   */
  async of({ commitmentId, decideBy, state }: CommitmentRow, signal: AbortSignal): Promise<CommitmentDecision> {
    const { ledger, clock, isOnItsWay } = this.#ports;
    const items = await ledger.commitments.items(commitmentId);
    /** By reference: the bytes are whole. */
    const checked = new Map<string, boolean>();
    for (let round = 1; ; round += 1) {
      // Before the ledger is read: what is recorded between the two would else be in neither.
      const onItsWay = new Set(items.map(({ sopInstanceUid }) => sopInstanceUid).filter(isOnItsWay));
      if (this.#ports.isHeldUp()) this.troubled();
      // However long it takes: it is on this disk, and goes to the ledger, or into quarantine.
      if (onItsWay.size > 0) return { kind: 'wait' };
      const evidence = await ledger.commitments.evidence(commitmentId);
      const unchecked = evidence.flatMap(({ item, stored }) => {
        if (stored === undefined || checked.has(stored.blob)) return [];
        // What was read and found whole when it was decided first need only be there still.
        return { ...stored, isThorough: state === 'deciding' || items[item]?.failureReason !== undefined };
      });
      if (unchecked.length === 0 || round === MAX_ROUNDS) {
        const isSteady = performance.now() - this.#troubledMs >= this.#waitMs;
        const mayCome =
          this.#ports.whose() !== undefined &&
          (clock.now() < decideBy || !isSteady || (await this.#ports.areOthersBehind()));
        return decideCommitment(evidence, {
          mayCome,
          isThere: (blob) => checked.get(blob) === true,
        });
      }
      const check = this.#reading.then(async () => this.#check(unchecked, checked, signal));
      this.#reading = check.catch(() => undefined); // Said to who asked.
      await check;
    }
  }

  async #check(instances: readonly Unchecked[], checked: Map<string, boolean>, signal: AbortSignal): Promise<void> {
    for (const { blob, sha256, isThorough } of instances) {
      signal.throwIfAborted();
      if (checked.has(blob)) continue;
      try {
        const source = await this.#ports.store.open(blob);
        try {
          let isWhole = true;
          if (isThorough) {
            const digest = createHash('sha256');
            for await (const chunk of source.stream()) digest.update(chunk);
            isWhole = digest.digest('hex') === sha256;
          } else await source.read(Math.max(0, source.sizeBytes - 1), 1);
          if (!isWhole) this.#ports.log.error('stored bytes are not those that were received', { blob });
          checked.set(blob, isWhole);
        } finally {
          await source.close();
        }
      } catch (error) {
        if (isStoreAway(error)) {
          this.troubled();
          throw error;
        }
        this.#ports.log.error('stored bytes are not there for a storage commitment', { blob, reason: String(error) });
        checked.set(blob, false);
      }
    }
  }
}
