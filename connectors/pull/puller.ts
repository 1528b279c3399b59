/**
 * One pull: fires by its schedule, asks its source, fetches what was found. Everything it knows stands in the ledger, so
 * that a kill costs the studies under way at that moment one more look at what of them is here. One replica at a time
 * has its lease.
 */
import { HeldLease } from '../../core/held-lease.ts';
import { HubError, toHubError } from '../../core/errors.ts';
import type { Intake } from '../../core/intake.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { ClaimedPullStudy } from '../../core/ledger/pulls.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import { askQuestion, planRun } from './ask.ts';
import { attemptStudy } from './attempt.ts';
import { nextRun, openForMs } from './calendar.ts';
import type { PullMetrics } from './metrics.ts';
import type { PullOptions } from './options.ts';
import type { Slots } from './slots.ts';
import type { PullSource } from './source.ts';

export interface PullerPorts {
  readonly ledger: Ledger;
  readonly intake: Pick<Intake, 'isClosed'>;
  readonly source: PullSource;
  readonly slots: Slots;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: PullMetrics;
  /** 0 ≤ random < 1, for the jitter of retries. */
  readonly random: () => number;
}

/** What it does; of a hub's replicas all but one say `elsewhere`. */
export const PULLER_STATES = ['elsewhere', 'paused', 'closed', 'full', 'source-down', 'working', 'idle'] as const;
export type PullerState = (typeof PULLER_STATES)[number];

const LEASE_MS = 30_000;
/** Between looks: a pause or a cancellation made in another process is seen by then. */
const LOOK_MS = 2_000;
const MIN_WAIT_MS = 50;

interface UnderWay {
  readonly work: Promise<void>;
  readonly abort: AbortController;
  readonly claimed: ClaimedPullStudy;
}

export class Puller {
  readonly #options: PullOptions;
  readonly #ports: PullerPorts;
  readonly #lease: HeldLease;
  readonly #stopping = new AbortController();
  readonly #underWay = new Map<string, UnderWay>();
  #asking: { readonly work: Promise<void>; readonly abort: AbortController } | undefined;
  #fence: number | undefined;
  /** The ledger did not hear how an attempt ended: it still counts the study as lent. */
  #isOutOfStep = false;
  /** Nobody answers at the source: monotonic, and how often in a row. */
  #restUntilMs = 0;
  #downs = 0;
  #state: PullerState = 'elsewhere';
  #wake: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: PullOptions, ports: PullerPorts, owner: string) {
    this.#options = options;
    this.#ports = ports;
    this.#lease = new HeldLease(ports, { name: `pull/${options.name}`, owner, leaseMs: LEASE_MS });
  }

  get name(): string {
    return this.#options.name;
  }

  get state(): PullerState {
    return this.#state;
  }

  start(): void {
    this.#lease.start();
    this.#running = this.#run();
  }

  /** Something may have changed in the ledger. */
  wake(): void {
    this.#wake();
  }

  /** What is under way is given back; it goes on from there after the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort(new HubError('gateway.stopping'));
    this.#wake();
    await this.#running;
    await this.#halt();
    await this.#lease.stop();
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const waitMs = await this.#turn().catch((error: unknown) => {
        const failure = toHubError(error);
        this.#ports.log.warn('pull waits for the ledger', { pull: this.name, code: failure.code });
        return LOOK_MS;
      });
      let timer: NodeJS.Timeout | undefined;
      const slept = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, Math.max(MIN_WAIT_MS, Math.min(waitMs, LOOK_MS)));
      });
      await Promise.race([woken, slept]);
      clearTimeout(timer);
    }
  }

  /** One look at everything. @returns when to look again at the latest */
  async #turn(): Promise<number> {
    const { ledger, clock, intake } = this.#ports;
    const { fence } = this.#lease;
    if (fence === undefined) return this.#rest('elsewhere');
    if (fence !== this.#fence) {
      await this.#halt();
      await ledger.pulls.takeOver(this.name, fence);
      this.#fence = fence;
    } else if (this.#isOutOfStep && this.#underWay.size === 0) {
      // Nobody else has the lease, and nothing is under way here: whatever is lent is lent to nobody.
      await ledger.pulls.takeOver(this.name, -1);
      this.#isOutOfStep = false;
    }
    const isPaused = await this.#keepSchedule();
    if (isPaused) return this.#rest('paused');
    if (openForMs(this.#options.windows, clock.now(), this.#options.timeZone) === undefined)
      return this.#rest('closed');
    if (intake.isClosed) return this.#rest('full');
    await this.#dropUnwanted(fence);
    if (performance.now() < this.#restUntilMs) {
      this.#state = 'source-down';
      return this.#restUntilMs - performance.now();
    }
    for (const run of await ledger.pulls.requested(this.name)) await planRun(run, this.#options, this.#ports);
    const due = await ledger.pulls.nextDue(this.name);
    const dueInMs = due === undefined ? LOOK_MS : due.getTime() - clock.now().getTime();
    if (dueInMs <= 0) {
      await this.#ask();
      await this.#fetch(fence);
    } else this.#ports.slots.waits(this.name, this.#options.priority, false);
    this.#state = this.#underWay.size > 0 || this.#asking !== undefined ? 'working' : 'idle';
    // What is due and has no room is looked at when something ends, which wakes.
    return dueInMs <= 0 ? LOOK_MS : dueInMs;
  }

  /** A time that passed while the hub was down is made up for, once. @returns whether the pull is paused */
  async #keepSchedule(): Promise<boolean> {
    const { ledger, clock, log } = this.#ports;
    const { schedule, timeZone } = this.#options;
    const state = await ledger.pulls.state(this.name);
    const written = schedule === undefined ? '' : `${schedule} ${timeZone ?? ''}`.trim();
    if ((state.schedule ?? '') !== written) {
      await ledger.pulls.schedule(this.name, written, schedule === undefined ? undefined : nextRun(schedule, timeZone));
      return state.isPaused;
    }
    if (schedule === undefined || state.nextAt === undefined || state.nextAt > clock.now()) return state.isPaused;
    if (!state.isPaused) {
      // By the time it was meant for: a kill between the two does not make two runs of it.
      const runId = `${this.name}@${state.nextAt.toISOString()}`;
      const outcome = await ledger.pulls.request({ runId, pull: this.name, kind: 'scheduled' });
      // While its windows are closed it cannot be at anything else.
      const isOpen = openForMs(this.#options.windows, clock.now(), timeZone) !== undefined;
      if (outcome === 'busy' && isOpen) log.warn('pull is still at its last run', { pull: this.name });
    }
    await ledger.pulls.schedule(this.name, written, nextRun(schedule, timeZone));
    return state.isPaused;
  }

  async #rest(state: PullerState): Promise<number> {
    this.#ports.slots.waits(this.name, this.#options.priority, false);
    await this.#halt();
    this.#state = state;
    return LOOK_MS;
  }

  /** Ends what is under way; each gives its study back. */
  async #halt(): Promise<void> {
    const reason = new HubError('gateway.stopping');
    this.#asking?.abort.abort(reason);
    for (const { abort } of this.#underWay.values()) abort.abort(reason);
    await Promise.all([this.#asking?.work, ...[...this.#underWay.values()].map(({ work }) => work)]);
  }

  /** Cancelled meanwhile. */
  async #dropUnwanted(fence: number): Promise<void> {
    for (const { claimed, abort } of this.#underWay.values()) {
      const isWanted = await this.#ports.ledger.pulls.isWanted(this.name, claimed.studyInstanceUid, fence);
      if (!isWanted) abort.abort(new HubError('gateway.stopping'));
    }
  }

  async #ask(): Promise<void> {
    if (this.#asking !== undefined) return;
    const { ledger, clock } = this.#ports;
    const [question] = await ledger.pulls.questions(this.name, clock.now(), 1);
    if (question === undefined) return;
    const abort = new AbortController();
    const work = askQuestion(question, this.#options, this.#ports, abort.signal)
      .then((outcome) => {
        if (outcome === 'down') this.#down();
        else if (outcome === 'answered') this.#downs = 0;
      })
      .catch((error: unknown) => this.#ledgerFailed(error))
      .finally(() => {
        this.#asking = undefined;
        this.#wake();
      });
    this.#asking = { work, abort };
  }

  async #fetch(fence: number): Promise<void> {
    const { ledger, clock, slots } = this.#ports;
    const { priority, concurrency } = this.#options;
    const room = slots.room(this.name, priority, concurrency - this.#underWay.size);
    if (room === 0) return;
    const claimed = await ledger.pulls.claim(this.name, fence, clock.now(), room);
    slots.waits(this.name, priority, claimed.length === room);
    for (const each of claimed) this.#begin(each);
  }

  #begin(claimed: ClaimedPullStudy): void {
    const { studyInstanceUid } = claimed;
    const abort = new AbortController();
    const slot = this.#ports.slots.take();
    const work = attemptStudy(claimed, this.#options, this.#ports, abort.signal)
      .then((outcome) => {
        if (outcome === 'down') this.#down();
        else if (outcome === 'done') this.#downs = 0;
      })
      .catch((error: unknown) => this.#ledgerFailed(error))
      .finally(() => {
        slot.giveBack();
        this.#underWay.delete(studyInstanceUid);
        this.#wake();
      });
    this.#underWay.set(studyInstanceUid, { work, abort, claimed });
  }

  #down(): void {
    const { firstDelayMs, maxDelayMs } = this.#options.retry;
    const delayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(this.#downs, 20));
    if (performance.now() >= this.#restUntilMs) {
      this.#downs += 1;
      this.#ports.log.warn('source cannot be reached', { pull: this.name, again: Math.round(delayMs / 1000) });
      this.#restUntilMs = performance.now() + delayMs;
    }
  }

  #ledgerFailed(error: unknown): void {
    this.#isOutOfStep = true;
    const failure = toHubError(error);
    this.#ports.log.warn('the ledger did not hear of a pull', { pull: this.name, code: failure.code });
  }
}
