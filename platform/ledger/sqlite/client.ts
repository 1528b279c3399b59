/**
 * The embedded ledger: one SQLite file, written by one thread, read from the thread that asks.
 *
 * A resolved promise means that the commit has been through fsync; what it wrote is seen by every read that begins
 * afterwards, because the reading connection starts from the newest commit of the WAL.
 */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { HubError } from '../../../core/errors.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { Clock, Logger } from '../../../core/ports.ts';
import { openDatabase, translate } from './driver.ts';
import { openLedgerPort } from './ledger-port.ts';
import { openReads } from './operations.ts';
import { type FromWriter, type ToWriter, unpackError, type WriterOptions } from './wire.ts';

export interface SqliteLedgerOptions {
  /** Made when it is not there; its folder must be. */
  readonly file: string;
  readonly log?: Logger;
  readonly clock?: Clock;
  /**
   * The writer is gone: nothing can be made durable any more and the process must end. Without it the error is thrown
   * as an uncaught one, which ends the process too.
   */
  readonly onFailure?: (error: HubError) => void;
  /** Told after each commit. */
  readonly onBatch?: (batch: { readonly calls: number; readonly durationSeconds: number }) => void;
}

const CHECKPOINT_MS = 1_000;

/**
 * Opens the ledger and brings it to the newest version.
 *
 * @throws {HubError} `ledger.locked` when another process has it open, `ledger.newer`, `store.failed`, `store.full`
 */
export async function openSqliteLedger(options: SqliteLedgerOptions): Promise<Ledger> {
  const { file, log, clock = { now: () => new Date() } } = options;
  const writer = await Writer.start({ file, lockFile: `${file}.lock`, checkpointMs: CHECKPOINT_MS }, options);
  const db = openDatabase(file, 'read');
  const reads = openReads(db);
  const listeners = new Set<() => void>();
  let announced = false;

  /** Once a turn of the event loop, however many commits it had: listeners look at everything there is anyway. */
  const announce = () => {
    if (announced || listeners.size === 0) return;
    announced = true;
    setImmediate(() => {
      announced = false;
      for (const listener of listeners) listener();
    });
  };
  let closing: Promise<void> | undefined;
  const close = async () => {
    // Before the writer's last checkpoint: a reader would keep it from emptying the WAL.
    db.close();
    await writer.close();
    log?.debug('ledger closed');
  };

  return {
    ...openLedgerPort({
      clock,
      reads,
      read: (query) => {
        if (closing !== undefined) return Promise.reject(closedError());
        try {
          return Promise.resolve(query());
        } catch (error) {
          return Promise.reject(asError(translate(error)));
        }
      },
      call: async (group, method, args) => {
        const value = await writer.call(group, method, args);
        if (MAKES_WORK.has(`${group}.${method}`)) announce();
        return value;
      },
    }),
    onCommit(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: () => (closing ??= close()),
  };
}

/** The rest is book-keeping: to wake everybody for it would make the bus wake itself. */
const MAKES_WORK: ReadonlySet<string> = new Set([
  'instances.record',
  'studies.complete',
  'runs.open',
  'runs.start',
  'runs.replay',
  'jobs.finishStep',
  'jobs.retryStep',
  'jobs.quarantine',
  'deliveries.open',
  'deliveries.succeed',
  'deliveries.fail',
  'deliveries.replay',
  'quarantine.hold',
  'quarantine.release',
  'events.append',
]);

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

class Writer {
  readonly #worker: Worker;
  readonly #options: SqliteLedgerOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<void>;
  #lastId = 0;
  #state: 'open' | 'closing' | 'closed' | 'failed' = 'open';

  static async start(writerOptions: WriterOptions, options: SqliteLedgerOptions): Promise<Writer> {
    const worker = new Worker(new URL(`./writer${extname(import.meta.filename)}`, import.meta.url), {
      workerData: writerOptions,
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
    return new Writer(worker, options);
  }

  private constructor(worker: Worker, options: SqliteLedgerOptions) {
    this.#worker = worker;
    this.#options = options;
    worker.on('message', (message: FromWriter) => this.#receive(message));
    worker.once('error', (error) => this.#fail(error));
    this.#ended = new Promise((resolve) => {
      worker.once('exit', (exitCode) => {
        if (this.#state !== 'closed') this.#fail(new Error(`the ledger's writer ended with ${exitCode}`));
        resolve();
      });
    });
  }

  call(group: string, method: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#state !== 'open') return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      const id = (this.#lastId += 1);
      this.#send({ kind: 'call', call: { id, group, method, args } });
      this.#pending.set(id, { resolve, reject });
    });
  }

  async close(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'closing';
      this.#send({ kind: 'close' });
    }
    await this.#ended;
  }

  #send(message: ToWriter): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromWriter): void {
    switch (message.kind) {
      case 'committed':
        this.#options.onBatch?.({ calls: message.replies.length, durationSeconds: message.durationMs / 1000 });
        for (const reply of message.replies) {
          const pending = this.#pending.get(reply.id);
          this.#pending.delete(reply.id);
          if (reply.ok) pending?.resolve(reply.value);
          else pending?.reject(unpackError(reply.error));
        }
        return;
      case 'wal-large':
        this.#options.log?.warn('ledger WAL is large: a reader keeps it from being emptied', {
          walBytes: message.walBytes,
        });
        return;
      case 'closed':
        this.#state = 'closed';
        return;
      case 'ready':
      case 'refused':
        return;
      default:
        return message satisfies never;
    }
  }

  #fail(cause: unknown): void {
    if (this.#state === 'failed') return;
    this.#state = 'failed';
    const error = new HubError('store.failed', { detail: "the ledger's writer is gone" }, cause);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#options.log?.error('ledger writer failed', { error });
    if (this.#options.onFailure === undefined) {
      queueMicrotask(() => {
        throw error;
      });
    } else {
      this.#options.onFailure(error);
    }
  }
}

function closedError(): HubError {
  return new HubError('store.failed', { detail: 'the ledger is closed' });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new TypeError(String(error));
}
