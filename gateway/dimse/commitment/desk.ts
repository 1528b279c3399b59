/**
 * The Storage Commitment Push Model as its SCP performs it (PS3.4 Annex J): takes requests, decides them, tells their
 * sources. What is to be done is rows of the ledger: a restart between any two steps goes on with the next one.
 */
import { v7 as uuidv7 } from 'uuid';
import { isLedgerAway, isStoreAway } from '../../../core/away.ts';
import { toHubError } from '../../../core/errors.ts';
import type { CommitmentOutcome, CommitmentRow } from '../../../core/ledger/commitments.ts';
import type { Provenance } from '../../../core/ledger/instances.ts';
import type { GatewayMetrics } from '../../metrics.ts';
import { Assessment, type AssessmentPorts } from './assessment.ts';
import type { CommitmentAsked } from './data-sets.ts';
import type { CommitmentDecision } from './decision.ts';
import { Recording, type RecordingPorts } from './recording.ts';
import type { ReportChannel } from './report-channel.ts';
import { Reporting, type ReportingOptions } from './reporting.ts';

export interface DeskPorts extends AssessmentPorts, Omit<RecordingPorts, 'onTrouble'> {
  readonly metrics: Pick<GatewayMetrics, 'commitments' | 'commitmentReports'>;
  readonly random: () => number;
}

export interface DeskOptions extends ReportingOptions {
  /** For what may be on its way to the ledger from another gateway. */
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
/** At a request that has waited for a while: something is down. */
const LOOK_LATER_MS = 2_000;

export class CommitmentDesk implements Desk {
  readonly #ports: DeskPorts;
  readonly #options: DeskOptions;
  readonly #assessment: Assessment;
  readonly #reporting: Reporting;
  readonly #recording: Recording;
  readonly #stopping = new AbortController();
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
    this.#assessment = new Assessment(ports, options.waitMs);
    this.#reporting = new Reporting(ports, options);
    this.#recording = new Recording({ ...ports, onTrouble: () => this.#assessment.troubled() }, options.waitMs);
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
    this.#stopping.abort();
    this.#reporting.stop();
    await this.#looking;
    await Promise.all(this.#underWay.values());
  }

  async request(
    { transactionUid, items }: CommitmentAsked,
    { source, callingAeTitle = '', calledAeTitle = '', associationId }: Provenance,
  ): Promise<{ readonly outcome: CommitmentOutcome['outcome']; readonly onAnswered: () => void }> {
    const { log } = this.#ports;
    const commitmentId = uuidv7();
    // Before the ledger has it: the row may be seen before its promise is fulfilled.
    this.#unanswered.add(commitmentId);
    try {
      const { outcome, commitmentId: id } = await this.#recording.record({
        ...{ commitmentId, transactionUid, source, callingAeTitle, calledAeTitle, associationId, items },
      });
      log.info('storage commitment requested', {
        commitmentId: id,
        outcome,
        source,
        associationId,
        instances: items.length,
      });
      // A repeat goes by the id of the first request, and a conflict leaves nothing to be told.
      this.#unanswered.delete(commitmentId);
      if (outcome !== 'conflict') this.#unanswered.add(id);
      return {
        outcome,
        onAnswered: () => {
          this.#unanswered.delete(id);
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
      await this.#recording.tellKept(() => this.#state === 'open');
      const nowMs = clock.now().getTime();
      const limit = MAX_AT_ONCE + this.#underWay.size + this.#unanswered.size;
      const rows = await ledger.commitments.due(new Date(nowMs + MAX_SLEEP_MS), limit, this.#ports.whose());
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
      // That it is away its own log line says.
      if (isLedgerAway(error)) this.#assessment.troubled();
      else log.error('storage commitments could not be read', { reason: String(error) });
      this.#wakeIn(AFTER_FAILURE_MS);
    }
  }

  #begin(row: CommitmentRow): void {
    const { log } = this.#ports;
    const { commitmentId } = row;
    const done = this.#perform(row).then(
      () => this.#wakeIn(0),
      (error: unknown) => {
        if (isLedgerAway(error)) this.#assessment.troubled();
        else if (this.#state !== 'stopped')
          log.error('storage commitment failed', { commitmentId, reason: String(error) });
        this.#wakeIn(AFTER_FAILURE_MS);
      },
    );
    this.#underWay.set(
      commitmentId,
      done.finally(() => this.#underWay.delete(commitmentId)),
    );
  }

  /**
   * Decides, and tells at once: what was true when an earlier attempt failed may not be any more. A copy was refused
   * since, or the study was removed.
   */
  async #perform(row: CommitmentRow): Promise<void> {
    const { ledger, clock } = this.#ports;
    const { commitmentId } = row;
    const decision = await this.#assess(row);
    if (decision.kind === 'wait') {
      const now = clock.now();
      const waitMs = now >= row.decideBy ? LOOK_LATER_MS : LOOK_AGAIN_MS;
      await ledger.commitments.postpone(commitmentId, new Date(now.getTime() + waitMs));
      return;
    }
    if (!(await ledger.commitments.decide(commitmentId, decision.failures))) return;
    this.#tell(row, decision.failures.length);
    // A repeat of the request may have come on another association meanwhile.
    const decided = await ledger.commitments.get(commitmentId);
    if (decided?.state === 'reporting' && this.#state === 'open') await this.#reporting.report(decided);
  }

  /** A store that cannot be asked says nothing about its bytes: the answer waits for it. */
  async #assess(row: CommitmentRow): Promise<CommitmentDecision> {
    try {
      return await this.#assessment.of(row, this.#stopping.signal);
    } catch (error) {
      if (!isStoreAway(error)) throw error;
      const { code } = toHubError(error);
      this.#ports.log.warn('storage commitment waits for the object store', { commitmentId: row.commitmentId, code });
      return { kind: 'wait' };
    }
  }

  #tell({ commitmentId, source, state, items, failures: before }: CommitmentRow, failures: number): void {
    const { log, metrics } = this.#ports;
    const fields = { commitmentId, source, instances: items, failures };
    if (state === 'deciding') {
      metrics.commitments.increment({ source, outcome: failures === 0 ? 'committed' : 'failures' });
      log.info('storage commitment decided', fields);
    } else if (failures !== before) log.warn('storage commitment decided anew before it was told', fields);
  }
}
