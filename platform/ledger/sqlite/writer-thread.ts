/** The life of the writer's thread, as the thread that opened the ledger sees it. */
import { extname } from 'node:path';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { HubError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/ports.ts';
import { unpackError } from '../../../core/packed-error.ts';
import { type FromWriter, type ToWriter, type WriterOptions } from './wire.ts';
import { WriterCalls } from './writer-calls.ts';

export interface WriterEvents {
  readonly log?: Logger;
  /**
   * The writer is gone: nothing can be made durable any more and the process must end. Without it the error is thrown
   * as an uncaught one, which ends the process too.
   */
  readonly onFailure?: (error: HubError) => void;
  /** Told after each commit that had calls of this thread. */
  readonly onBatch?: (batch: { readonly calls: number; readonly durationSeconds: number }) => void;
}

export class WriterThread {
  readonly calls: WriterCalls;
  readonly #worker: Worker;
  readonly #events: WriterEvents;
  readonly #ended: Promise<void>;
  #state: 'open' | 'closing' | 'closed' | 'failed' = 'open';

  /** @throws {HubError} `ledger.locked`, `ledger.newer`, `store.failed`, `store.full` */
  static async start(options: WriterOptions, events: WriterEvents): Promise<WriterThread> {
    const worker = new Worker(new URL(`./writer${extname(import.meta.filename)}`, import.meta.url), {
      workerData: options,
      name: 'ledger-writer',
    });
    await new Promise<void>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('message', (message: FromWriter) => {
        worker.off('error', reject);
        if (message.kind === 'refused') reject(unpackError(message.error));
        else resolve();
      });
    });
    return new WriterThread(worker, events);
  }

  private constructor(worker: Worker, events: WriterEvents) {
    this.#worker = worker;
    this.#events = events;
    this.calls = new WriterCalls(worker);
    worker.on('message', (message: FromWriter) => this.#receive(message));
    worker.once('error', (error) => this.#fail(error));
    this.#ended = new Promise((resolve) => {
      worker.once('exit', (exitCode) => {
        if (this.#state !== 'closed') this.#fail(new Error(`the ledger's writer ended with ${exitCode}`));
        resolve();
      });
    });
  }

  /** A port through which another thread calls the writer. */
  connect(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#send({ kind: 'connect', port: port1 }, [port1]);
    return port2;
  }

  async close(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'closing';
      this.#send({ kind: 'close' });
    }
    await this.#ended;
  }

  #send(message: ToWriter, transfer: MessagePort[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #receive(message: FromWriter): void {
    switch (message.kind) {
      case 'committed':
        this.#events.onBatch?.({ calls: message.replies.length, durationSeconds: message.durationMs / 1000 });
        return;
      case 'wal-large':
        this.#events.log?.warn('ledger WAL is large: a reader keeps it from being emptied', {
          walBytes: message.walBytes,
        });
        return;
      case 'closed':
        this.#state = 'closed';
        return;
      case 'ready':
      case 'refused':
      case 'news':
        return;
      default:
        return message satisfies never;
    }
  }

  #fail(cause: unknown): void {
    if (this.#state === 'failed') return;
    this.#state = 'failed';
    const error = new HubError('store.failed', { detail: "the ledger's writer is gone" }, cause);
    this.calls.end(error);
    this.#events.log?.error('ledger writer failed', { error });
    if (this.#events.onFailure === undefined) {
      queueMicrotask(() => {
        throw error;
      });
    } else {
      this.#events.onFailure(error);
    }
  }
}
