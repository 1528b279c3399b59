/**
 * What belongs together because one sender sent it at one go: an association, a STOW-RS request, a batch of a folder.
 * When all that brought something of a study have ended in good order, the sender says that it is done with it.
 *
 * What is open lives in memory, as the connections do: a crash ends them all, and none of them in good order.
 */
import type { StudyInstanceUid } from '../../core/identifiers.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { Provenance } from '../../core/ledger/instances.ts';
import type { Release } from '../../core/ledger/studies.ts';
import type { Clock, Logger } from '../../core/ports.ts';

export interface BatchPorts {
  readonly ledger: { readonly studies: Pick<Ledger['studies'], 'release'> };
  readonly clock: Clock;
  readonly log: Logger;
  /** How long after a release of this source to judge; undefined: its releases say nothing. */
  readonly afterReleaseMsOf: (source: string) => number | undefined;
}

interface Batch {
  readonly studies: Set<StudyInstanceUid>;
  readonly afterReleaseMs: number;
  /** Something of it was refused and will come again, or more studies came than are remembered. */
  isBroken: boolean;
}

/** Of one batch; one that brings more says nothing of any. */
const MAX_STUDIES = 1_000;
/** A ledger that is down is told later; beyond this the quiet period decides. */
const MAX_UNTOLD = 10_000;
/** Releases come in bursts; a commit each would slow the acknowledgements of those who still send. */
const LINGER_MS = 100;
const AFTER_FAILURE_MS = 1_000;

export class Batches {
  readonly #ports: BatchPorts;
  readonly #open = new Map<string, Batch>();
  #untold: Release[] = [];
  #timer: NodeJS.Timeout | undefined;
  #telling: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(ports: BatchPorts) {
    this.#ports = ports;
  }

  /** An instance of the study was acknowledged. */
  brought({ associationId, source }: Pick<Provenance, 'associationId' | 'source'>, study: StudyInstanceUid): void {
    const batch = this.#batch(associationId, source);
    if (batch === undefined) return;
    if (batch.studies.size < MAX_STUDIES) batch.studies.add(study);
    else if (!batch.studies.has(study)) batch.isBroken = true;
  }

  /** An instance got no Success: its sender is not done, it will try again. */
  refused({ associationId, source }: Pick<Provenance, 'associationId' | 'source'>): void {
    const batch = this.#batch(associationId, source);
    if (batch !== undefined) batch.isBroken = true;
  }

  /**
   * The association or request has ended; told twice, the first counts.
   *
   * @param isReleased - in good order: an abort, a lost connection and a request cut short are no release
   */
  ended(associationId: string, isReleased: boolean): void {
    const batch = this.#open.get(associationId);
    if (batch === undefined) return;
    this.#open.delete(associationId);
    if (isReleased && !batch.isBroken) this.#release(batch.studies, associationId, batch.afterReleaseMs);
  }

  /** Something that brought an instance of the study has not ended. */
  isOpen(study: StudyInstanceUid): boolean {
    return [...this.#open.values()].some(({ studies }) => studies.has(study));
  }

  /** Tells the ledger what it was not told yet. Harmless twice. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#tell();
    await this.#telling;
  }

  #batch(associationId: string, source: string): Batch | undefined {
    const known = this.#open.get(associationId);
    if (known !== undefined) return known;
    const afterReleaseMs = this.#ports.afterReleaseMsOf(source);
    if (afterReleaseMs === undefined) return undefined;
    const batch: Batch = { studies: new Set(), afterReleaseMs, isBroken: false };
    this.#open.set(associationId, batch);
    return batch;
  }

  #release(studies: Iterable<StudyInstanceUid>, releasedBy: string, afterReleaseMs: number): void {
    const releasedAt = this.#ports.clock.now();
    for (const studyInstanceUid of studies) {
      // Another association of a scanner that sends over several at once: the last one releases the study.
      if (this.isOpen(studyInstanceUid) || this.#untold.length >= MAX_UNTOLD) continue;
      const lookAt = new Date(releasedAt.getTime() + afterReleaseMs);
      this.#untold.push({ studyInstanceUid, releasedAt, releasedBy, lookAt });
    }
    if (this.#untold.length > 0) this.#tellIn(LINGER_MS);
  }

  #tellIn(ms: number): void {
    if (this.#isStopped) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tell();
    }, ms);
  }

  #tell(): void {
    this.#telling = this.#telling.then(async () => {
      const releases = this.#untold;
      this.#untold = [];
      if (releases.length === 0) return;
      try {
        await this.#ports.ledger.studies.release(releases);
      } catch (error) {
        // Not told, the quiet period decides: later, not wrongly.
        this.#ports.log.warn('releases could not be noted', { studies: releases.length, reason: String(error) });
        this.#untold = [...releases, ...this.#untold].slice(0, MAX_UNTOLD);
        this.#tellIn(AFTER_FAILURE_MS);
      }
    });
  }
}
