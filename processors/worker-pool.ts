/**
 * A bounded number of worker threads, one step each at a time. A thread that crashes, exits or outlives its limit is
 * ended and takes only its own step with it; the next step gets a fresh one.
 */
import { Worker } from 'node:worker_threads';
import { type ErrorFields, HubError } from '../core/errors.ts';
import { packError, unpackError } from '../core/packed-error.ts';
import type { CrosswalkLedger } from '../core/ledger/crosswalk.ts';
import type { ProcessorResult, QualityPast } from '../core/plugins.ts';
import type { Logger } from '../core/ports.ts';
import {
  type LedgerAnswers,
  type LedgerQuestion,
  parseFromWorker,
  type ToWorker,
  type WorkOrder,
} from './work-messages.ts';

/** The file a worker thread starts with, and what it is told. */
export interface WorkerEntry {
  readonly url: URL;
  /** Survives structured cloning: the data folder, not the store. */
  readonly data?: unknown;
}

export interface WorkerPoolOptions {
  readonly entry: WorkerEntry;
  /** Threads at most. */
  readonly size: number;
  /** So long after the last step the threads that wait for one are ended: a hub with nothing to do is small. */
  readonly restMs?: number;
}

const REST_MS = 10 * 60_000;

export interface WorkRequest {
  readonly order: WorkOrder;
  readonly log: Logger;
  readonly timeLimitMs: number;
  /** Aborted: nobody wants the result any more. */
  readonly signal: AbortSignal;
  onProgress(fraction: number): void;
  /** What the step may ask of the ledger. */
  readonly crosswalk: CrosswalkLedger;
  readonly quality: QualityPast;
}

/**
 * A plug-in that sees the signal tidies up; one that does not is ended. Only a living thread learns that a process it
 * started has died: without it each step that takes too long would leave one in the system's table until the hub ends.
 */
const ABORT_GRACE_MS = 2_000;

export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #idle: Worker[] = [];
  readonly #all = new Set<Worker>();
  readonly #proved = new Set<string>();
  #busy = 0;
  #isClosed = false;
  #rest: NodeJS.Timeout | undefined;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /** Steps that could start now. */
  get free(): number {
    return this.#options.size - this.#busy;
  }

  /**
   * Works one step. Only while `free` is positive.
   *
   * @throws {HubError} what the plug-in threw, `processor.timeout`, `processor.failed` when the thread ended;
   * `processor.failed` with `aborted` after the signal
   */
  async run(request: WorkRequest): Promise<ProcessorResult> {
    if (this.free < 1 || this.#isClosed) throw new TypeError('no worker is free');
    this.#busy++;
    try {
      const worker = this.#idle.pop() ?? this.#start(request.order.processor);
      const { result, isReusable } = await converse(worker, request);
      if (isReusable) this.#wait(worker);
      else await this.#end(worker);
      if (result instanceof HubError) throw result;
      return result;
    } finally {
      this.#busy--;
    }
  }

  /** True while a thread is there, at work or not. */
  get isWarm(): boolean {
    return this.#all.size > 0;
  }

  /**
   * Has a thread wait for the next step with its code loaded, unless there is one already.
   *
   * @throws {HubError} `processor.failed` when the machine has no thread left to give
   */
  warm(processors: readonly string[]): void {
    const [first] = processors;
    if (first === undefined || this.#isClosed || this.isWarm) return;
    const worker = this.#start(first);
    worker.postMessage({ kind: 'warm', processors } satisfies ToWorker);
    this.#wait(worker);
  }

  /**
   * Loads processors, once each, in a thread that is there only for it: what is missing shows when a configuration names
   * them, and not at the first study.
   *
   * @throws {HubError} `plugin.unusable`, `processor.failed` when the thread ended
   */
  async prove(names: readonly string[]): Promise<void> {
    const processors = [...new Set(names)].filter((name) => !this.#proved.has(name));
    const [first] = processors;
    if (first === undefined) return;
    const worker = this.#start(first);
    try {
      const refusal = await new Promise<HubError | undefined>((resolve) => {
        const ended = (cause: unknown) =>
          resolve(
            new HubError('processor.failed', { processor: first, detail: 'the worker ended at its start' }, cause),
          );
        worker.once('error', ended);
        worker.once('exit', ended);
        worker.on('message', (received: unknown) => {
          const message = parseFromWorker(received);
          if (message.kind === 'loaded') resolve(undefined);
          if (message.kind === 'failed') resolve(unpackError(message.error));
        });
        worker.postMessage({ kind: 'load', processors } satisfies ToWorker);
      });
      if (refusal !== undefined) throw refusal;
      for (const name of processors) this.#proved.add(name);
    } finally {
      await this.#end(worker);
    }
  }

  /** Ends all threads, at work or not. Harmless twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#rest);
    await Promise.all([...this.#all].map((worker) => this.#end(worker)));
  }

  #wait(worker: Worker): void {
    if (this.#isClosed) return;
    this.#idle.push(worker);
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => {
      for (const each of this.#idle.splice(0)) void this.#end(each);
    }, this.#options.restMs ?? REST_MS).unref();
  }

  /** @throws {HubError} `processor.failed` when the machine has no thread left to give */
  #start(processor: string): Worker {
    const { url, data } = this.#options.entry;
    let worker: Worker;
    try {
      worker = new Worker(url, { name: 'processor', workerData: data });
    } catch (error) {
      throw new HubError('processor.failed', { processor, detail: 'no worker can be started' }, error);
    }
    this.#all.add(worker);
    // A thread that dies between two steps must not be given the next one, nor end the process.
    const forget = () => {
      this.#all.delete(worker);
      const index = this.#idle.indexOf(worker);
      if (index >= 0) this.#idle.splice(index, 1);
    };
    worker.once('exit', forget);
    worker.on('error', forget);
    return worker;
  }

  async #end(worker: Worker): Promise<void> {
    this.#all.delete(worker);
    await worker.terminate();
  }
}

interface Conversation {
  readonly result: ProcessorResult | HubError;
  readonly isReusable: boolean;
}

function answerTo(
  ask: LedgerQuestion,
  { crosswalk, quality }: WorkRequest,
): Promise<LedgerAnswers[keyof LedgerAnswers]> {
  switch (ask.question) {
    case 'find':
      return crosswalk.find(ask.of);
    case 'received':
      return crosswalk.received(ask.of);
    case 'past':
      return quality.past(ask.of);
    case 'device':
      return quality.device();
    default:
      return ask satisfies never;
  }
}

/** One order and its answer, or the end of the thread or of our patience. */
function converse(worker: Worker, request: WorkRequest): Promise<Conversation> {
  const { order, log, signal, timeLimitMs } = request;
  const post = (message: ToWorker) => worker.postMessage(message);
  return new Promise((resolve) => {
    let grace: NodeJS.Timeout | undefined;
    let givenUp: HubError | undefined;
    const settle = (result: ProcessorResult | HubError, isReusable: boolean) => {
      clearTimeout(limit);
      clearTimeout(grace);
      signal.removeEventListener('abort', onAbort);
      worker.off('message', onMessage).off('error', onError).off('messageerror', onError).off('exit', onExit);
      resolve({ result, isReusable });
    };
    const onMessage = (received: unknown) => {
      const message = parseFromWorker(received);
      switch (message.kind) {
        case 'progress':
          request.onProgress(message.fraction);
          return;
        case 'log':
          log[message.level](message.message, message.fields);
          return;
        case 'ask': {
          const { id, ask } = message;
          answerTo(ask, request).then(
            (answer) => post({ kind: 'answer', id, answer }),
            (error: unknown) => post({ kind: 'no-answer', id, error: packError(error) }),
          );
          return;
        }
        case 'finished':
          settle(message.result, true); // Done is done, also where it was given up a moment ago.
          return;
        case 'failed':
          settle(givenUp ?? unpackError(message.error), true);
          return;
        case 'loaded':
          return; // Of `prove`, in a thread of its own.
        default:
          return message satisfies never;
      }
    };
    const { processor } = order;
    const failed = (detail: string, fields: ErrorFields = {}, cause?: unknown) =>
      settle(givenUp ?? new HubError('processor.failed', { processor, detail, ...fields }, cause), false);
    const onError = (error: unknown) => failed('the worker crashed', {}, error);
    const onExit = (exitCode: number) => failed('the worker ended', { exitCode });
    const giveUp = (why: HubError) => {
      if (givenUp !== undefined) return;
      givenUp = why;
      post({ kind: 'abort' });
      grace = setTimeout(() => settle(why, false), ABORT_GRACE_MS);
    };
    const onAbort = () => giveUp(new HubError('processor.failed', { processor, detail: 'aborted' }));
    const limit = setTimeout(() => giveUp(new HubError('processor.timeout', { processor, timeLimitMs })), timeLimitMs);
    worker.on('message', onMessage).on('error', onError).on('messageerror', onError).on('exit', onExit);
    signal.addEventListener('abort', onAbort);
    try {
      post({ kind: 'work', order });
    } catch (error) {
      // Options that do not survive cloning: a defect of a plug-in's `resolve`, which a retry does not mend.
      settle(new HubError('config.invalid', { processor, detail: 'options cannot be sent' }, error), true);
      return;
    }
    if (signal.aborted) onAbort();
  });
}
