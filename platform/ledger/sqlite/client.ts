/**
 * The embedded ledger: one SQLite file, written by one thread, read from the thread that asks.
 *
 * A resolved promise means that the commit has been through fsync; what it wrote is seen by every read that begins
 * afterwards, because the reading connection starts from the newest commit of the WAL.
 */
import type { MessagePort } from 'node:worker_threads';
import { HubError } from '../../../core/errors.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { Clock, Logger } from '../../../core/ports.ts';
import { openDatabase, translate } from './driver.ts';
import { openLedgerPort } from '../sql/ledger-port.ts';
import { makesWork } from '../sql/makes-work.ts';
import { openReads } from '../sql/operations.ts';
import { runAtOnce } from '../sql/script.ts';
import { forScripts } from './scripts.ts';
import { WriterCalls } from './writer-calls.ts';
import { type WriterEvents, WriterThread } from './writer-thread.ts';

export interface SqliteLedgerOptions extends WriterEvents {
  /** Made when it is not there; its folder must be. */
  readonly file: string;
  readonly log?: Logger;
  readonly clock?: Clock;
}

/** The ledger of the thread that owns the writer. */
export interface SqliteLedger extends Ledger {
  /** For `attachSqliteLedger` in another thread, to be transferred there. */
  connect(): MessagePort;
}

const CHECKPOINT_MS = 1_000;
const systemClock: Clock = { now: () => new Date() };

/**
 * Opens the ledger and brings it to the newest version.
 *
 * @throws {HubError} `ledger.locked` when another process has it open, `ledger.newer`, `store.failed`, `store.full`
 */
export async function openSqliteLedger(options: SqliteLedgerOptions): Promise<SqliteLedger> {
  const { file, log, clock = systemClock } = options;
  const writer = await WriterThread.start({ file, lockFile: `${file}.lock`, checkpointMs: CHECKPOINT_MS }, options);
  const ledger = openClient(file, clock, writer.calls, async () => {
    await writer.close();
    log?.debug('ledger closed');
  });
  return { ...ledger, connect: () => writer.connect() };
}

/**
 * The same ledger in another thread of the process that opened it.
 *
 * @param port - of the owner's `connect`; closed with the ledger
 */
export function attachSqliteLedger(options: {
  readonly file: string;
  readonly port: MessagePort;
  readonly clock?: Clock;
}): Ledger {
  const { file, port, clock = systemClock } = options;
  const calls = new WriterCalls(port);
  return openClient(file, clock, calls, () => {
    calls.end(closedError());
    port.close();
    return Promise.resolve();
  });
}

function openClient(file: string, clock: Clock, calls: WriterCalls, end: () => Promise<void>): Ledger {
  const db = openDatabase(file, 'read');
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
  calls.onNews(announce);
  let closing: Promise<void> | undefined;
  const close = async () => {
    // Before the writer's last checkpoint: a reader would keep it from emptying the WAL.
    db.close();
    await end();
  };

  return {
    ...openLedgerPort({
      clock,
      reads: openReads(forScripts(db)),
      read: (query) => {
        if (closing !== undefined) return Promise.reject(closedError());
        try {
          return Promise.resolve(runAtOnce(query()));
        } catch (error) {
          return Promise.reject(asError(translate(error)));
        }
      },
      call: async (group, method, args) => {
        if (closing !== undefined) throw closedError();
        const value = await calls.call(group, method, args);
        if (makesWork({ group, method })) announce();
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

function closedError(): HubError {
  return new HubError('store.failed', { detail: 'the ledger is closed' });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new TypeError(String(error));
}
