/**
 * A bounded number of threads that decode and render, so that neither a large frame nor a hostile one holds up the
 * thread that receives studies. A job that outlives its limit is ended with its thread; so is a thread whose decoder
 * trapped, for its memory cannot be trusted any more. Threads are started when the first job comes.
 *
 * Whoever hangs up does not end a thread at once: a viewer that scrolls gives up most of what it asks for, and a thread
 * for each, with its decoders, would cost more than the frame.
 */
import { Worker } from 'node:worker_threads';
import { HubError } from '../core/errors.ts';
import { unpackError } from '../core/packed-error.ts';
import { nativeFrameBytes } from './description.ts';
import { parseFromPixelWorker, type PixelJob, type PixelResult } from './jobs.ts';

export interface PixelWorkersOptions {
  /** Of a thread: it calls `servePixels`. */
  readonly entry: URL;
  /** Threads at most. */
  readonly size: number;
  /** Jobs that wait for a thread, at most; one more is refused. */
  readonly maxWaiting: number;
  /** Of one frame. */
  readonly timeLimitMs: number;
  /** For a frame that nobody waits for any more. */
  readonly abandonedMs: number;
}

/** All that is answered at once may wait, each with the frames it asks for ahead: a refusal would cut answers halfway. */
const DEFAULTS = { size: 2, maxWaiting: 256, timeLimitMs: 30_000, abandonedMs: 1_000 };
/** The decoders' memory grows and never shrinks: after a frame like this the next one gets a fresh thread. */
const LARGE_FRAME_BYTES = 64 * 1024 * 1024;
/** Of a thread; the decoders' own memory is beside it and bounded by the size of a frame. */
const HEAP_MEGABYTES = 2_048;

export class PixelWorkers {
  readonly #options: PixelWorkersOptions;
  readonly #idle: Worker[] = [];
  readonly #all = new Set<Worker>();
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  #isClosed = false;

  constructor(options: Pick<PixelWorkersOptions, 'entry'> & Partial<PixelWorkersOptions>) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /**
   * @param prepare - asked for the job when a thread is free, so that no frame waits in memory; its `stored` is given away
   * @throws {HubError} `pixels.damaged`, `pixels.unsupported`, `pixels.timeout`; `request.too-many` when too many wait
   * already; the signal's reason once aborted
   */
  async run(prepare: () => Promise<PixelJob>, signal?: AbortSignal): Promise<PixelResult> {
    await this.#turn(signal);
    try {
      if (this.#isClosed) throw new HubError('gateway.stopping');
      const job = await prepare();
      signal?.throwIfAborted();
      const worker = this.#idle.pop() ?? this.#start();
      const { outcome, isReusable } = await converse(worker, job, this.#options, signal);
      if (isReusable && nativeFrameBytes(job.description) < LARGE_FRAME_BYTES) this.#idle.push(worker);
      else await this.#end(worker);
      if (outcome instanceof Error) throw outcome;
      return outcome;
    } finally {
      // The place is handed on, so that nobody who comes in between takes it too.
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy--;
      else next();
    }
  }

  /** Ends all threads, at work or not. Harmless twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const wake of this.#waiting.splice(0)) wake();
    await Promise.all([...this.#all].map((worker) => this.#end(worker)));
  }

  async #turn(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#busy >= this.#options.size) {
      if (this.#waiting.length >= this.#options.maxWaiting)
        throw new HubError('request.too-many', { retryAfterMs: 5_000 });
      await this.#wait(signal);
    } else {
      this.#busy++;
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = () => {
        const at = this.#waiting.indexOf(wake);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal?.reason instanceof Error ? signal.reason : new HubError('gateway.stopping'));
      };
      this.#waiting.push(wake);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  #start(): Worker {
    const worker = new Worker(this.#options.entry, { resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES } });
    // Waiting for work holds no process open.
    worker.unref();
    this.#all.add(worker);
    const forget = () => {
      this.#all.delete(worker);
      const at = this.#idle.indexOf(worker);
      if (at >= 0) this.#idle.splice(at, 1);
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
  readonly outcome: PixelResult | Error;
  readonly isReusable: boolean;
}

function converse(
  worker: Worker,
  job: PixelJob,
  { timeLimitMs, abandonedMs }: Pick<PixelWorkersOptions, 'timeLimitMs' | 'abandonedMs'>,
  signal: AbortSignal | undefined,
): Promise<Conversation> {
  return new Promise((resolve) => {
    const settle = (outcome: PixelResult | Error, isReusable: boolean) => {
      clearTimeout(limit);
      signal?.removeEventListener('abort', onAbort);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      resolve({ outcome, isReusable });
    };
    const onMessage = (received: unknown) => {
      const message = parseFromPixelWorker(received);
      if (message.kind === 'done') {
        settle(message.result, true);
        return;
      }
      const error = unpackError(message.error);
      // A refusal of our own has no cause; a decoder that threw may have left its memory in any state.
      settle(error, error.cause === undefined);
    };
    const onError = (error: unknown) =>
      settle(new HubError('pixels.damaged', { detail: 'the decoder ended with its thread' }, error), false);
    const onExit = () => settle(new HubError('gateway.stopping'), false);
    const onAbort = () => {
      clearTimeout(limit);
      limit = setTimeout(
        () => settle(new HubError('gateway.stopping', { detail: 'nobody waits any more' }), false),
        abandonedMs,
      );
    };
    let limit = setTimeout(() => settle(new HubError('pixels.timeout', { timeLimitMs }), false), timeLimitMs);
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    signal?.addEventListener('abort', onAbort, { once: true });
    const { buffer, byteOffset, byteLength } = job.stored;
    const isWhole = buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength === buffer.byteLength;
    worker.postMessage(job, isWhole ? [buffer] : []);
  });
}
