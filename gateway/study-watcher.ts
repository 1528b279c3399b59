/**
 * Completes studies when their quiet period is over. The timers are rows of the ledger: a restart forgets none, and an
 * instance that comes in the same moment makes the completion a no-op.
 */
import type { Ledger } from '../core/ledger.ts';
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
      await this.#completeDue();
      const next = await this.#ports.ledger.studies.nextDue();
      const sleepMs = next === undefined ? MAX_SLEEP_MS : next.getTime() - this.#ports.clock.now().getTime();
      this.#wakeIn(Math.max(SETTLE_MS, Math.min(MAX_SLEEP_MS, sleepMs)));
    } catch (error) {
      this.#ports.log.error('study timers could not be read', { reason: String(error) });
      this.#wakeIn(AFTER_FAILURE_MS);
    }
  }

  async #completeDue(): Promise<void> {
    const { ledger, clock, log, metrics } = this.#ports;
    for (;;) {
      const due = await ledger.studies.due(clock.now(), MAX_AT_ONCE);
      for (const timer of due) {
        if (this.#isStopped) return;
        const isCompleted = await ledger.studies.complete(timer, clock.now());
        if (!isCompleted) continue;
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
      if (due.length < MAX_AT_ONCE) return;
    }
  }
}
