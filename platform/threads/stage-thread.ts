/**
 * Stages of the hub in a thread of their own, as the main thread sees it: started, asked for their metrics, stopped. A
 * thread that ends by itself (a defect, memory used up) takes no acknowledgement with it and is started again; work
 * it had leased is taken up when the lease runs out.
 */
import { type MessagePort, Worker } from 'node:worker_threads';
import { HubError } from '../../core/errors.ts';
import { unpackError } from '../../core/packed-error.ts';
import type { Logger } from '../../core/ports.ts';
import { nextDelayMs } from '../../core/retry.ts';
import type { MetricValues } from '../metrics.ts';
import { type Condition, parseFromThread, type ToThread } from './messages.ts';

export interface StageThreadOptions {
  readonly name: string;
  /** The thread's entry, which calls `runInThread`. */
  readonly url: URL;
  /** What the thread is told; made anew for each start, for a port is used up with its thread. */
  readonly tell: () => { readonly data: unknown; readonly transfer: MessagePort[] };
  readonly log: Logger;
  /** It ended by itself, and is about to be started again. */
  readonly onEnded?: () => void;
}

const RESTART = { attempts: Infinity, firstDelayMs: 1_000, maxDelayMs: 60_000 };
/** A scrape does not wait longer for a thread that is busy or gone. */
const METRICS_PATIENCE_MS = 2_000;
/** Beyond the grace it was given. */
const STOP_SLACK_MS = 5_000;

export class StageThread {
  readonly #options: StageThreadOptions;
  readonly #waiting = new Map<number, (values: MetricValues) => void>();
  readonly #preparing = new Map<number, (error: HubError | undefined) => void>();
  #worker: Worker | undefined;
  #lastId = 0;
  #failures = 0;
  #restart: NodeJS.Timeout | undefined;
  #isStopping = false;
  #onStopped: (() => void) | undefined;
  #stopped: Promise<void> | undefined;
  #conditions: readonly Condition[] = [];

  private constructor(options: StageThreadOptions) {
    this.#options = options;
  }

  /** @throws {HubError} why the stages did not start */
  static async start(options: StageThreadOptions): Promise<StageThread> {
    const thread = new StageThread(options);
    await thread.#start();
    return thread;
  }

  /** For a readiness probe; resolves while the stages run. @throws {HubError} `internal.unexpected` */
  check(): Promise<void> {
    return this.#worker === undefined
      ? Promise.reject(new HubError('internal.unexpected', { thread: this.#options.name }))
      : Promise.resolve();
  }

  /** For a probe; resolves while the stages know of nothing that severe. @throws {HubError} the first of them */
  checkConditions(severity: Condition['severity']): Promise<void> {
    const found = this.#conditions.find((condition) => condition.severity === severity);
    return found === undefined ? Promise.resolve() : Promise.reject(unpackError(found.error));
  }

  /** What the stages count; nothing when they do not answer in time. */
  async values(): Promise<MetricValues> {
    const worker = this.#worker;
    if (worker === undefined) return [];
    const id = (this.#lastId += 1);
    return new Promise((resolve) => {
      const answer = (values: MetricValues) => {
        clearTimeout(patience);
        this.#waiting.delete(id);
        resolve(values);
      };
      const patience = setTimeout(() => answer([]), METRICS_PATIENCE_MS);
      this.#waiting.set(id, answer);
      post(worker, { kind: 'metrics', id });
    });
  }

  /**
   * Has the stages get ready for what they are told. A thread that is not there now is told when it starts again.
   *
   * @throws {HubError} nothing has changed
   */
  async prepare(data: unknown): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    const id = (this.#lastId += 1);
    const error = await new Promise<HubError | undefined>((resolve) => {
      this.#preparing.set(id, resolve);
      post(worker, { kind: 'prepare', id, data });
    });
    if (error !== undefined) throw error;
  }

  /** What was prepared holds from now on. */
  commit(): void {
    if (this.#worker !== undefined) post(this.#worker, { kind: 'commit' });
  }

  /** What was prepared is forgotten. */
  discard(): void {
    if (this.#worker !== undefined) post(this.#worker, { kind: 'discard' });
  }

  /** Lets the stages end by themselves within `graceMs`, then ends the thread. Harmless twice. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped ??= this.#stop(graceMs);
    await this.#stopped;
  }

  async #stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#restart);
    const worker = this.#worker;
    if (worker === undefined) return;
    let cut: NodeJS.Timeout | undefined;
    const isDone = new Promise<void>((resolve) => {
      this.#onStopped = resolve;
      worker.once('exit', () => resolve());
      cut = setTimeout(resolve, graceMs + STOP_SLACK_MS);
    });
    post(worker, { kind: 'stop', graceMs });
    await isDone;
    clearTimeout(cut);
    await worker.terminate();
  }

  async #start(): Promise<void> {
    const { name, url, tell } = this.#options;
    const { data, transfer } = tell();
    const worker = new Worker(url, { name, workerData: data, transferList: transfer });
    await new Promise<void>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('exit', (exitCode) => reject(new HubError('internal.unexpected', { thread: name, exitCode })));
      worker.on('message', (received: unknown) => {
        const message = parseFromThread(received);
        switch (message.kind) {
          case 'started':
            worker.removeAllListeners('error').removeAllListeners('exit');
            this.#watch(worker);
            resolve();
            return;
          case 'refused':
            reject(unpackError(message.error));
            return;
          case 'log':
            this.#options.log[message.level](message.message, message.fields);
            return;
          case 'metrics':
            this.#waiting.get(message.id)?.(message.values);
            return;
          case 'prepared': {
            const answer = this.#preparing.get(message.id);
            this.#preparing.delete(message.id);
            answer?.(message.error === undefined ? undefined : unpackError(message.error));
            return;
          }
          case 'conditions':
            this.#conditions = message.conditions;
            return;
          case 'stopped':
            this.#onStopped?.();
            return;
          default:
            return message satisfies never;
        }
      });
    });
  }

  #watch(worker: Worker): void {
    const startedMs = performance.now();
    this.#worker = worker;
    let cause: unknown;
    worker.once('error', (error: unknown) => {
      cause = error;
    });
    worker.once('exit', (exitCode) => {
      this.#worker = undefined;
      this.#conditions = [];
      for (const answer of [...this.#waiting.values()]) answer([]);
      for (const answer of this.#preparing.values()) {
        answer(new HubError('internal.unexpected', { thread: this.#options.name, exitCode }));
      }
      this.#preparing.clear();
      if (this.#isStopping) return;
      if (performance.now() - startedMs > RESTART.maxDelayMs) this.#failures = 0;
      const { name, log, onEnded } = this.#options;
      onEnded?.();
      log.error('a thread of the hub ended by itself', { thread: name, exitCode, error: cause });
      this.#startAgain();
    });
  }

  #startAgain(): void {
    this.#failures += 1;
    const delayMs = nextDelayMs(RESTART, this.#failures, Math.random()) ?? RESTART.maxDelayMs;
    this.#restart = setTimeout(() => {
      this.#start().then(
        () => this.#options.log.info('the thread runs again', { thread: this.#options.name }),
        (error: unknown) => {
          this.#options.log.error('the thread could not be started again', { thread: this.#options.name, error });
          if (!this.#isStopping) this.#startAgain();
        },
      );
    }, delayMs);
  }
}

function post(worker: Worker, message: ToThread): void {
  worker.postMessage(message);
}
