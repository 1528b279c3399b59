/**
 * The Storage Commitment Push Model as its SCP performs it (PS3.4 Annex J): takes requests, decides them, tells their
 * sources. What is to be done is rows of the ledger: a restart between any two steps goes on with the next one.
 */
import { v7 as uuidv7 } from 'uuid';
import type { CommitmentEvidence, CommitmentOutcome, CommitmentRow, Ledger, Provenance } from '../../../core/ledger.ts';
import type { Clock, Logger } from '../../../core/ports.ts';
import { parseBlobRef, type BlobRef, type ObjectStore } from '../../../core/store.ts';
import type { GatewayMetrics } from '../../metrics.ts';
import type { CommitmentAsked } from './data-sets.ts';
import { decideCommitment } from './decision.ts';
import type { ReportChannel } from './report-channel.ts';
import { Reporting, type ReportingOptions } from './reporting.ts';

export interface DeskPorts {
  readonly ledger: Pick<Ledger, 'commitments'>;
  readonly store: Pick<ObjectStore, 'open'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<GatewayMetrics, 'commitments' | 'commitmentReports'>;
  readonly random: () => number;
  /** Durable in the spool, or on its way there, and not told to the ledger yet. */
  readonly isOnItsWay: (sopInstanceUid: string) => boolean;
}

export interface DeskOptions extends ReportingOptions {
  /** For what is on its way from the spool to the ledger. */
  readonly waitMs: number;
  readonly maxItems: number;
}

/** What an association needs of it. */
export interface Desk {
  readonly maxItems: number;
  /**
   * Makes a request durable: only then may it be answered with Success, for nobody asks twice.
   *
   * @returns `onAnswered` is to be called when the response has been written
   */
  request(
    asked: CommitmentAsked,
    from: Provenance,
  ): Promise<{ readonly outcome: CommitmentOutcome['outcome']; readonly onAnswered: () => void }>;
  /** Results may go this way while the association is open. */
  opened(associationId: string, channel: ReportChannel): void;
  closed(associationId: string): void;
}

const MAX_AT_ONCE = 8;
/** The longest sleep, so that a clock that was set back or forth is noticed. */
const MAX_SLEEP_MS = 30_000;
const MIN_SLEEP_MS = 20;
const AFTER_FAILURE_MS = 1_000;
/** The pump waits a quarter of a second for company. */
const LOOK_AGAIN_MS = 300;

export class CommitmentDesk implements Desk {
  readonly #ports: DeskPorts;
  readonly #options: DeskOptions;
  readonly #reporting: Reporting;
  /** Recorded, and the response to the request not written yet: the result must not overtake it. */
  readonly #unanswered = new Set<string>();
  readonly #underWay = new Map<string, Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #wakesAtMs = Infinity;
  #looking: Promise<void> = Promise.resolve();
  #state: 'closed' | 'open' | 'stopped' = 'closed';

  constructor(ports: DeskPorts, options: DeskOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#reporting = new Reporting(ports, options);
  }

  get maxItems(): number {
    return this.#options.maxItems;
  }

  start(): void {
    this.#state = 'open';
    this.#wakeIn(0);
  }

  /** Ends what is under way without an outcome: it is taken up after the next start. Harmless twice. */
  async stop(): Promise<void> {
    this.#state = 'stopped';
    clearTimeout(this.#timer);
    this.#reporting.stop();
    await this.#looking;
    await Promise.all(this.#underWay.values());
  }

  async request(
    { transactionUid, items }: CommitmentAsked,
    { source, callingAeTitle = '', calledAeTitle = '', associationId }: Provenance,
  ): Promise<{ readonly outcome: CommitmentOutcome['outcome']; readonly onAnswered: () => void }> {
    const { ledger, clock, log } = this.#ports;
    const commitmentId = uuidv7();
    // Before the ledger has it: the row may be seen before its promise is fulfilled.
    this.#unanswered.add(commitmentId);
    try {
      const decideBy = new Date(clock.now().getTime() + this.#options.waitMs);
      const { outcome, commitmentId: id } = await ledger.commitments.request(
        { commitmentId, transactionUid, source, callingAeTitle, calledAeTitle, associationId, items },
        decideBy,
      );
      log.info('storage commitment requested', {
        commitmentId: id,
        outcome,
        source,
        associationId,
        instances: items.length,
      });
      return {
        outcome,
        onAnswered: () => {
          this.#unanswered.delete(commitmentId);
          this.#wakeIn(0);
        },
      };
    } catch (error) {
      this.#unanswered.delete(commitmentId);
      throw error;
    }
  }

  opened(associationId: string, channel: ReportChannel): void {
    this.#reporting.opened(associationId, channel);
  }

  closed(associationId: string): void {
    this.#reporting.closed(associationId);
  }

  /** An earlier wake-up wins over a later one. */
  #wakeIn(ms: number): void {
    const atMs = performance.now() + ms;
    if (this.#state !== 'open' || atMs >= this.#wakesAtMs) return;
    clearTimeout(this.#timer);
    this.#wakesAtMs = atMs;
    this.#timer = setTimeout(() => {
      this.#wakesAtMs = Infinity;
      this.#looking = this.#looking.then(async () => this.#look());
    }, ms);
  }

  async #look(): Promise<void> {
    const { ledger, clock, log } = this.#ports;
    this.#wakeIn(MAX_SLEEP_MS);
    try {
      const nowMs = clock.now().getTime();
      const limit = MAX_AT_ONCE + this.#underWay.size + this.#unanswered.size;
      const rows = await ledger.commitments.due(new Date(nowMs + MAX_SLEEP_MS), limit);
      for (const row of rows) {
        if (this.#underWay.has(row.commitmentId) || this.#unanswered.has(row.commitmentId)) continue;
        const waitMs = (row.dueAt?.getTime() ?? nowMs) - nowMs;
        if (waitMs > 0) {
          this.#wakeIn(Math.max(MIN_SLEEP_MS, waitMs));
          return;
        }
        // The end of any of them wakes the desk.
        if (this.#state !== 'open' || this.#underWay.size >= MAX_AT_ONCE) return;
        this.#begin(row);
      }
    } catch (error) {
      log.error('storage commitments could not be read', { reason: String(error) });
      this.#wakeIn(AFTER_FAILURE_MS);
    }
  }

  #begin(row: CommitmentRow): void {
    const { log } = this.#ports;
    const { commitmentId } = row;
    const done = (row.state === 'deciding' ? this.#decide(row) : this.#reporting.report(row)).then(
      () => this.#wakeIn(0),
      (error: unknown) => {
        if (this.#state !== 'stopped') log.error('storage commitment failed', { commitmentId, reason: String(error) });
        this.#wakeIn(AFTER_FAILURE_MS);
      },
    );
    this.#underWay.set(
      commitmentId,
      done.finally(() => this.#underWay.delete(commitmentId)),
    );
  }

  async #decide(row: CommitmentRow): Promise<void> {
    const { ledger, clock, log, metrics } = this.#ports;
    const { commitmentId, source, decideBy } = row;
    const { evidence, isOnItsWay } = await this.#evidence(commitmentId);
    const isThere = await this.#presence(evidence);
    const now = clock.now();
    const decision = decideCommitment(evidence, { isOnItsWay, isThere, isLate: now >= decideBy });
    if (decision.kind === 'wait') {
      await ledger.commitments.postpone(commitmentId, new Date(now.getTime() + LOOK_AGAIN_MS));
      return;
    }
    if (!(await ledger.commitments.decide(commitmentId, decision.failures))) return;
    const failures = decision.failures.length;
    metrics.commitments.increment({ source, outcome: failures === 0 ? 'committed' : 'failures' });
    log.info('storage commitment decided', { commitmentId, source, instances: evidence.length, failures });
  }

  /**
   * What the ledger knows, read once more after asking what is on its way: an instance recorded between the two would
   * else be in neither.
   */
  async #evidence(commitmentId: string): Promise<{
    readonly evidence: readonly CommitmentEvidence[];
    readonly isOnItsWay: (sopInstanceUid: string) => boolean;
  }> {
    const { ledger, isOnItsWay } = this.#ports;
    const first = await ledger.commitments.evidence(commitmentId);
    const missing = first.filter(({ stored }) => stored === undefined);
    if (missing.length === 0) return { evidence: first, isOnItsWay: () => false };
    const onItsWay = new Set(missing.map(({ sopInstanceUid }) => sopInstanceUid).filter(isOnItsWay));
    return {
      evidence: await ledger.commitments.evidence(commitmentId),
      isOnItsWay: (sopInstanceUid) => onItsWay.has(sopInstanceUid),
    };
  }

  /** Opens, of each pack, the reference that ends last: a pack that is gone or shorter holds none of what it should. */
  async #presence(evidence: readonly CommitmentEvidence[]): Promise<(blob: string) => boolean> {
    const last = new Map<string, { readonly blob: BlobRef; readonly end: number }>();
    for (const { stored } of evidence) {
      if (stored === undefined) continue;
      const { pack, offset, length } = parseBlobRef(stored.blob);
      if (offset + length > (last.get(pack)?.end ?? -1)) last.set(pack, { blob: stored.blob, end: offset + length });
    }
    const there = new Set<string>();
    for (const [pack, { blob }] of last) {
      try {
        const source = await this.#ports.store.open(blob);
        await source.close();
        there.add(pack);
      } catch (error) {
        this.#ports.log.error('stored bytes are not there for a storage commitment', { pack, reason: String(error) });
      }
    }
    return (blob) => there.has(packOf(blob));
  }
}

function packOf(blob: string): string {
  return blob.slice(0, blob.lastIndexOf('#'));
}
