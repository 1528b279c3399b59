/**
 * A consumer group of the hub. It records and returns, so a batch takes milliseconds; the consumer of kafkajs is made
 * anew by us whenever it ends, stalls or loses its footing, for it does not always come back by itself.
 */
import type { Consumer } from 'kafkajs';
import { HubError } from '../../../core/errors.ts';
import { nowAndThen } from '../../../core/now-and-then.ts';
import { nextDelayMs } from '../../../core/retry.ts';
import type { EventHandler } from '../group-reader.ts';
import { IMPATIENT, METADATA_MAX_AGE_MS } from './client.ts';
import { isPassing, toBusError } from './failures.ts';
import type { GroupOptions } from './group-options.ts';
import { Lanes } from './lanes.ts';
import { Membership } from './membership.ts';
import { byNumber } from './partitions.ts';
import { Pause, withDeadline } from './pause.ts';

/** `degraded`: it comes back by itself. `crashed`: a person may have to see to it. `stalled`: a restart may help. */
export interface GroupProblem {
  readonly severity: 'degraded' | 'crashed' | 'stalled';
  readonly error: HubError;
}

const MAX_BYTES_PER_PARTITION = 1_048_576;
const MAX_BYTES = 5_242_880;
/** They only record: the more at once, the more share a commit of the ledger. */
const CONCURRENT_PARTITIONS = 12;
const IDLE_MS = 500;
const RESTART = { attempts: Infinity, firstDelayMs: 500, maxDelayMs: 10_000 };
const DISCONNECT_MS = 3_000;
const STOP_MS = 6_000;

export class KafkaGroup {
  readonly options: GroupOptions;
  readonly #lanes: Lanes;
  readonly #membership: Membership;
  readonly #stopping = new AbortController();
  readonly #pause = new Pause();
  readonly #keeping = new Pause();
  #problem: GroupProblem | undefined;
  #lastSignMs = performance.now();
  #failures = 0;
  readonly #sayEnded = nowAndThen();
  #consumer: Consumer | undefined;
  #end: ((error: unknown) => void) | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(options: GroupOptions, handler: EventHandler) {
    this.options = options;
    this.#lanes = new Lanes({ ...options, signal: this.#stopping.signal }, handler);
    this.#membership = new Membership(options, this.#lanes, {
      signal: this.#stopping.signal,
      ready: () => this.#ready(),
      lost: (error) => this.#end?.(error),
    });
  }

  start(): void {
    this.#ended = Promise.all([this.#run(), this.#keep()]);
  }

  get problem(): GroupProblem | undefined {
    return this.#problem;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#pause.end();
    this.#keeping.end();
    this.#end?.(undefined);
    // Brokers that do not answer are not waited for; a handler is.
    await withDeadline(this.#ended, STOP_MS).catch(() => undefined);
    await this.#lanes.settled();
  }

  /** The group was moved in the ledger: goes there, and answers when it is on its way. */
  async moved(): Promise<void> {
    await this.#membership.moved();
  }

  async #run(): Promise<void> {
    const { log, onRestart } = this.options;
    while (!this.#isStopping()) {
      try {
        await this.options.verify();
        await this.#consume();
      } catch (error) {
        await this.#failed(error);
      }
      if (this.#isStopping()) return;
      onRestart();
      log.debug('consumer is made anew');
      await this.#pause.sleep(nextDelayMs(RESTART, Math.max(1, this.#failures), Math.random()) ?? RESTART.maxDelayMs);
    }
  }

  /** Until it ends; always by throwing, or by a stop. */
  async #consume(): Promise<void> {
    const { kafka, groupId, streams, timings } = this.options;
    const consumer = kafka.consumer({
      groupId,
      partitionAssigners: [byNumber],
      sessionTimeout: timings.sessionMs,
      heartbeatInterval: timings.heartbeatMs,
      rebalanceTimeout: timings.rebalanceMs,
      maxWaitTimeInMs: timings.maxWaitMs,
      maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
      maxBytes: MAX_BYTES,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      allowAutoTopicCreation: false,
      readUncommitted: false,
      // It is made anew here, with back-off and after a look at the topics; its own restarts have been seen to loop.
      retry: { ...IMPATIENT, retries: 3, restartOnFailure: () => Promise.resolve(false) },
    });
    const ended = new Promise<void>((resolve, reject) => {
      this.#end = (error) => {
        if (error === undefined) resolve();
        else reject(error instanceof Error ? error : new TypeError('not an error', { cause: error }));
      };
    });
    // Failed before anybody waits for it.
    ended.catch(() => undefined);
    // Told to stop before there was anything to end.
    if (this.#isStopping()) return;
    this.#watch(consumer);
    this.#consumer = consumer;
    const watching = setInterval(() => this.#findStall(), IDLE_MS);
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [...streams], fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: CONCURRENT_PARTITIONS,
        eachBatch: (payload) => this.#membership.take(payload),
      });
      await ended;
    } finally {
      clearInterval(watching);
      await this.#membership.leave(consumer);
      this.#consumer = undefined;
      await withDeadline(consumer.disconnect(), DISCONNECT_MS).catch(() => undefined);
    }
  }

  #watch(consumer: Consumer): void {
    const sign = () => {
      this.#lastSignMs = performance.now();
    };
    const { log } = this.options;
    const { events } = consumer;
    sign();
    consumer.on(events.FETCH, sign);
    consumer.on(events.HEARTBEAT, sign);
    consumer.on(events.GROUP_JOIN, ({ payload }) => {
      sign();
      this.#membership.joined(payload.memberAssignment);
      log.info('has its partitions', { partitions: Object.values(payload.memberAssignment).flat().length });
    });
    consumer.on(events.CRASH, ({ payload }) => this.#end?.(new Crash(payload.error)));
  }

  #ready(): void {
    this.#failures = 0;
    if (this.#problem !== undefined) this.options.log.info('consumer is back');
    this.#problem = undefined;
    this.#keeping.wake();
  }

  async #keep(): Promise<void> {
    while (!this.#isStopping()) {
      this.#keeping.arm();
      try {
        await this.#membership.keep(this.#consumer);
      } catch (error) {
        this.options.log.warn('bus group waits for the ledger', { error });
        await this.#keeping.sleep(IDLE_MS);
      }
      await this.#keeping.wait(Math.max(10, Math.min(IDLE_MS, this.#lanes.nextDueInMs())));
    }
  }

  #findStall(): void {
    const silentMs = performance.now() - this.#lastSignMs;
    if (silentMs <= this.options.timings.stallMs) return;
    const error = new HubError('bus.stalled', {
      group: this.options.group,
      silentSeconds: Math.round(silentMs / 1000),
    });
    this.#end?.(error);
  }

  async #failed(error: unknown): Promise<void> {
    const { diagnose, group, log } = this.options;
    this.#failures += 1;
    const cause = error instanceof Crash ? error.cause : error;
    const problem = await diagnose(toBusError(cause, { group }));
    const severity =
      problem.code === 'bus.stalled' ? 'stalled' : error instanceof Crash && !isPassing(cause) ? 'crashed' : 'degraded';
    this.#problem = { severity, error: problem };
    const fields = { attempt: this.#failures, error: problem };
    if (severity === 'degraded') this.#sayEnded(() => log.warn('consumer ended, it is made anew', fields));
    else log.error('consumer ended, it is made anew', fields);
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }
}

/** The consumer gave up by itself. */
class Crash extends Error {
  constructor(cause: unknown) {
    super('the consumer crashed', { cause });
  }
}
