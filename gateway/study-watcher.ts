/**
 * Completes studies: a thin shell around `decide`. What it waits for, and until when, are rows of the ledger: a restart
 * forgets nothing, and an instance that comes in the same moment makes a decision a no-op.
 */
import type { WaitReason } from '../core/completion.ts';
import { toHubError } from '../core/errors.ts';
import type { StudyInstanceUid } from '../core/identifiers.ts';
import type { Ledger } from '../core/ledger.ts';
import type { Whose } from '../core/ledger/replicas.ts';
import type { CompletionFacts, DueStudy } from '../core/ledger/studies.ts';
import { nowAndThen } from '../core/now-and-then.ts';
import type { Clock, Logger } from '../core/ports.ts';
import { CLOCK_STEP_MS, type Decision, decide } from './completion/decide.ts';
import type { Rules } from './completion/rules.ts';
import type { GatewayMetrics } from './metrics.ts';

export interface StudyWatcherPorts {
  readonly ledger: Pick<Ledger, 'studies' | 'onCommit'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<GatewayMetrics, 'studiesCompleted' | 'completionSignals' | 'sourceQueries'>;
  readonly rules: Rules;
  /** Which studies are judged here; undefined: all. What another replica knows of its own is not known here. */
  readonly whose?: () => Whose | undefined;
  /** Something durable of the study is not in the ledger yet: what it knows is not all. */
  readonly isPending: (study: StudyInstanceUid) => boolean;
  /** An association that brought some of it, of a sender whose releases count, is open. */
  readonly isSenderConnected: (study: StudyInstanceUid) => boolean;
  /** How many instances the source has; only called for sources that the rules say can be asked. @throws {HubError} */
  readonly ask: (source: string, study: StudyInstanceUid, signal: AbortSignal) => Promise<number>;
}

/** What a study that is being received waits for. */
export interface Waiting {
  readonly reasons: readonly WaitReason[];
  /** Absent: until something arrives, or an operator completes it. */
  readonly until?: Date;
}

const MAX_AT_ONCE = 100;
/** Sources asked at once; the others wait for their turn. */
const MAX_QUESTIONS = 4;
/** Commits come in bursts; one look at the timers answers all of a burst. */
const SETTLE_MS = 50;
/** The longest sleep, so that a clock that was set back or forth is noticed. */
const MAX_SLEEP_MS = 30_000;
/** Nobody's commit says that a replica has died. */
const MAX_SLEEP_AMONG_OTHERS_MS = 5_000;
const AFTER_FAILURE_MS = 1_000;
/** While the pump is about to tell the ledger, or all questions are taken. */
const SHORTLY_MS = 250;

export class StudyWatcher {
  readonly #ports: StudyWatcherPorts;
  readonly #stopping = new AbortController();
  readonly #questions = new Map<StudyInstanceUid, Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #wakesAtMs = Infinity;
  #forget: (() => void) | undefined;
  #looking: Promise<void> = Promise.resolve();
  #listeningSinceMs = 0;
  /** The latest the clock has said. */
  #latestMs = 0;
  /** Timers were set by another configuration or clock, or may have been. */
  #areTimersStale = true;
  readonly #sayFailure = nowAndThen();

  constructor(ports: StudyWatcherPorts) {
    this.#ports = ports;
  }

  start(): void {
    // While the hub was down nothing could arrive: its senders get the quiet period again to come back.
    this.#listeningSinceMs = this.#ports.clock.now().getTime();
    this.#forget = this.#ports.ledger.onCommit(() => this.#wakeIn(SETTLE_MS));
    this.#wakeIn(0);
  }

  /** Waits for the completion under way; a question under way is given up and asked again after the start. Harmless twice. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#forget?.();
    clearTimeout(this.#timer);
    await this.#looking;
    await Promise.all(this.#questions.values());
  }

  /** The rules have changed: open studies are judged by those in force now. */
  reconsider(): void {
    this.#areTimersStale = true;
    this.#wakeIn(0);
  }

  /** Undefined: it is not being received. */
  async waiting(study: StudyInstanceUid): Promise<Waiting | undefined> {
    const facts = await this.#ports.ledger.studies.completionFacts(study);
    if (facts === undefined) return undefined;
    const decision = this.#decide(facts);
    switch (decision.kind) {
      case 'complete':
        return { reasons: [] }; // At the next look, a moment away.
      case 'ask':
        return { reasons: [{ what: 'source-answer', failures: facts.answer?.attempts ?? 0 }] };
      case 'wait': {
        const { reasons, untilMs } = decision;
        return { reasons, ...(untilMs === undefined ? {} : { until: new Date(untilMs) }) };
      }
      default:
        return decision satisfies never;
    }
  }

  /** An earlier wake-up wins over a later one. */
  #wakeIn(ms: number): void {
    const atMs = performance.now() + ms;
    if (this.#stopping.signal.aborted || atMs >= this.#wakesAtMs) return;
    clearTimeout(this.#timer);
    this.#wakesAtMs = atMs;
    this.#timer = setTimeout(() => {
      this.#wakesAtMs = Infinity;
      this.#looking = this.#looking.then(async () => this.#look());
    }, ms);
  }

  async #look(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    try {
      this.#noticeClock();
      if (this.#areTimersStale) await this.#ports.ledger.studies.reconsider();
      this.#areTimersStale = false;
      const againMs = await this.#judgeDue();
      if (againMs !== undefined) this.#wakeIn(againMs);
      const whose = this.#ports.whose?.();
      const next = await this.#ports.ledger.studies.nextDue(whose);
      // A study that could not be judged stays due: the others' next time is not known then.
      const sleepMs =
        next === undefined || againMs !== undefined ? MAX_SLEEP_MS : next.getTime() - this.#ports.clock.now().getTime();
      const longestMs = whose === undefined ? MAX_SLEEP_MS : MAX_SLEEP_AMONG_OTHERS_MS;
      this.#wakeIn(Math.max(SETTLE_MS, Math.min(longestMs, sleepMs)));
    } catch (error) {
      this.#sayFailure((times) =>
        this.#ports.log.error('study timers could not be read', { reason: String(error), times }),
      );
      this.#wakeIn(AFTER_FAILURE_MS);
    }
  }

  /** Set back, the clock would let everything wait until it has caught up, which may take years. */
  #noticeClock(): void {
    const nowMs = this.#ports.clock.now().getTime();
    const stepMs = this.#latestMs - nowMs;
    this.#latestMs = stepMs > CLOCK_STEP_MS ? nowMs : Math.max(this.#latestMs, nowMs);
    if (stepMs <= CLOCK_STEP_MS) return;
    this.#ports.log.warn('the clock was set back, open studies are judged anew', { stepSeconds: stepMs / 1000 });
    this.#listeningSinceMs = nowMs;
    this.#areTimersStale = true;
  }

  /** @returns when to look again at those that stay due; they keep no other from it */
  async #judgeDue(): Promise<number | undefined> {
    const { ledger, clock, log } = this.#ports;
    const left = new Set<string>();
    let againMs: number | undefined;
    for (;;) {
      const limit = MAX_AT_ONCE + left.size;
      const due = await ledger.studies.due(clock.now(), limit, this.#ports.whose?.());
      for (const timer of due) {
        const { studyInstanceUid } = timer;
        if (this.#stopping.signal.aborted) return againMs;
        if (left.has(studyInstanceUid)) continue;
        try {
          if (await this.#judge(timer)) continue;
          againMs = Math.min(againMs ?? Infinity, SHORTLY_MS);
        } catch (error) {
          log.error('study could not be completed', { studyInstanceUid, reason: String(error) });
          againMs = Math.min(againMs ?? Infinity, AFTER_FAILURE_MS);
        }
        left.add(studyInstanceUid);
      }
      if (due.length < limit) return againMs;
    }
  }

  /** @returns false: it stays due for now */
  async #judge({ studyInstanceUid, version }: DueStudy): Promise<boolean> {
    const { ledger, clock } = this.#ports;
    if (this.#ports.isPending(studyInstanceUid) || this.#questions.has(studyInstanceUid)) return false;
    const facts = await ledger.studies.completionFacts(studyInstanceUid);
    // Something arrived, or an operator was faster: due again, or not at all.
    if (facts?.version !== version) return true;
    const decision = this.#decide(facts);
    switch (decision.kind) {
      case 'complete':
        await this.#complete(facts, decision);
        return true;
      case 'ask':
        if (this.#questions.size >= MAX_QUESTIONS) return false;
        this.#ask(facts);
        return true;
      case 'wait': {
        const { untilMs, atArrival, reasons } = decision;
        // Not this very moment again: a clock that jumps must not make this loop spin.
        const until = untilMs === undefined ? undefined : new Date(Math.max(untilMs, clock.now().getTime() + 1));
        await ledger.studies.postpone({ studyInstanceUid, version }, until, atArrival);
        if (until === undefined)
          this.#ports.log.warn('study is held until what its routes require comes', { studyInstanceUid, reasons });
        return true;
      }
      default:
        return decision satisfies never;
    }
  }

  #decide(facts: CompletionFacts): Decision {
    const { rules, clock } = this.#ports;
    return decide(facts, rules.of(facts.source, facts.series), {
      nowMs: clock.now().getTime(),
      listeningSinceMs: this.#listeningSinceMs,
      isSenderConnected: this.#ports.isSenderConnected(facts.studyInstanceUid),
    });
  }

  async #complete(
    { studyInstanceUid, version, source, series }: CompletionFacts,
    { signal, evidence }: Extract<Decision, { kind: 'complete' }>,
  ): Promise<void> {
    const { ledger, clock, log, metrics, rules } = this.#ports;
    const { configVersion } = rules;
    const due = {
      ...{ studyInstanceUid, version, signal, evidence, quietMs: rules.of(source, series).quietMs },
      ...(configVersion === undefined ? {} : { configVersion }),
    };
    if (!(await ledger.studies.complete(due, clock.now()))) return;
    const study = await ledger.studies.get(studyInstanceUid);
    metrics.studiesCompleted.increment({ source: study?.source ?? 'unknown' });
    metrics.completionSignals.increment({ signal });
    log.info('study completed', {
      studyInstanceUid,
      revision: study?.revision,
      instances: study?.instances,
      signal,
      correlationId: study?.correlationId,
    });
  }

  /** Beside the loop: a source may take seconds. Its answer is noted, and makes the study due again. */
  #ask({ studyInstanceUid, source, version }: CompletionFacts): void {
    const { ledger, clock, log, metrics } = this.#ports;
    const question = async () => {
      const outcome = await this.#ports.ask(source, studyInstanceUid, this.#stopping.signal).then(
        (instances) => ({ instances }),
        (error: unknown) => ({ failure: toHubError(error).code }),
      );
      if (this.#stopping.signal.aborted) return;
      metrics.sourceQueries.increment({ source, outcome: 'failure' in outcome ? 'failed' : 'answered' });
      if ('failure' in outcome)
        log.warn('source did not say how much it has', { source, studyInstanceUid, code: outcome.failure });
      else log.info('source was asked how much it has', { source, studyInstanceUid, instances: outcome.instances });
      await ledger.studies.answered(studyInstanceUid, { version, atMs: clock.now().getTime(), ...outcome });
    };
    const asked = question()
      .catch((error: unknown) => log.error('an answer could not be noted', { studyInstanceUid, reason: String(error) }))
      .finally(() => {
        this.#questions.delete(studyInstanceUid);
        this.#wakeIn(SETTLE_MS);
      });
    this.#questions.set(studyInstanceUid, asked);
  }
}
