/**
 * Completes studies when their quiet period is over. The timers are rows of the ledger: a restart forgets none, and an
 * instance that comes in the same moment makes the completion a no-op.
 */
import type { DueStudy, Ledger } from '../core/ledger.ts';
import type { Clock, Logger } from '../core/ports.ts';
import type { GatewayMetrics } from './metrics.ts';

export interface StudyWatcherPorts {
  readonly ledger: Pick<Ledger, 'studies' | 'onCommit'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: GatewayMetrics;
}

const MAX_AT_ONCE = 100;
/** Commits come in bursts; one look at the timers answers all of a burst. */
const SETTLE_MS = 50;
/** The longest sleep, so that a clock that was set back or forth is noticed. */
const MAX_SLEEP_MS = 30_000;
const AFTER_FAILURE_MS = 1_000;

export class StudyWatcher {
  readonly #ports: StudyWatcherPorts;
  #timer: NodeJS.Timeout | undefined;
  #wakesAtMs = Infinity;
  #forget: (() => void) | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(ports: StudyWatcherPorts) {
    this.#ports = ports;
  }

  start(): void {
    this.#forget = this.#ports.ledger.onCommit(() => this.#wakeIn(SETTLE_MS));
    this.#wakeIn(0);
  }

  /** Waits for the completion under way. Harmless twice. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#forget?.();
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** An earlier wake-up wins over a later one. */
  #wakeIn(ms: number): void {
    const atMs = performance.now() + ms;
    if (this.#isStopped || atMs >= this.#wakesAtMs) return;
    clearTimeout(this.#timer);
    this.#wakesAtMs = atMs;
    this.#timer = setTimeout(() => {
      this.#wakesAtMs = Infinity;
      this.#looking = this.#looking.then(async () => this.#look());
    }, ms);
  }

  async #look(): Promise<void> {
    if (this.#isStopped) return;
    try {
      const failed = await this.#completeDue();
      if (failed > 0) this.#wakeIn(AFTER_FAILURE_MS);
      const next = await this.#ports.ledger.studies.nextDue();
      // A study that could not be completed stays due: the others' next time is not known then.
      const sleepMs =
        next === undefined || failed > 0 ? MAX_SLEEP_MS : next.getTime() - this.#ports.clock.now().getTime();
      this.#wakeIn(Math.max(SETTLE_MS, Math.min(MAX_SLEEP_MS, sleepMs)));
    } catch (error) {
      this.#ports.log.error('study timers could not be read', { reason: String(error) });
      this.#wakeIn(AFTER_FAILURE_MS);
    }
  }

  /** @returns how many could not be completed; they keep no other from it */
  async #completeDue(): Promise<number> {
    const { ledger, clock } = this.#ports;
    const failed = new Set<string>();
    for (;;) {
      const limit = MAX_AT_ONCE + failed.size;
      const due = await ledger.studies.due(clock.now(), limit);
      for (const timer of due) {
        if (this.#isStopped) return failed.size;
        if (failed.has(timer.studyInstanceUid)) continue;
        try {
          await this.#complete(timer);
        } catch (error) {
          failed.add(timer.studyInstanceUid);
          const { studyInstanceUid } = timer;
          this.#ports.log.error('study could not be completed', { studyInstanceUid, reason: String(error) });
        }
      }
      if (due.length < limit) return failed.size;
    }
  }

  async #complete(timer: DueStudy): Promise<void> {
    const { ledger, clock, log, metrics } = this.#ports;
    if (!(await ledger.studies.complete(timer, clock.now()))) return;
    const study = await ledger.studies.get(timer.studyInstanceUid);
    metrics.studiesCompleted.increment({ source: study?.source ?? 'unknown' });
    log.info('study completed', {
      studyInstanceUid: timer.studyInstanceUid,
      revision: study?.revision,
      instances: study?.instances,
      signal: timer.signal,
      correlationId: study?.correlationId,
    });
  }
}
