/**
 * The ledger on PostgreSQL: one connection that writes, a few that ask, one that listens to other replicas. A server that
 * is not there keeps no hub from starting: calls fail until it is, and the hub goes on trying for ever.
 */
import { randomUUID } from 'node:crypto';
import type { HubError } from '../../../core/errors.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { Clock, Logger } from '../../../core/ports.ts';
import { openLedgerPort } from '../sql/ledger-port.ts';
import { openReads } from '../sql/operations.ts';
import type { PostgresServer } from './connection.ts';
import { listenForNews } from './news.ts';
import { openReadPool } from './reads.ts';
import { ServerClock } from './server-clock.ts';
import { forScripts } from './statements.ts';
import { closedError, Writer } from './writer.ts';

export interface PostgresLedgerOptions {
  readonly server: PostgresServer;
  /** Connections for questions; with the writer and the listener there are two more. */
  readonly poolSize: number;
  /** Names the replica whose spool positions these are. */
  readonly node: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** The time of this machine; left out but in tests. */
  readonly machineMs?: () => number;
  /** Refused credentials are an outage like another; absent: at the start they are an error. */
  readonly wasLetIn?: boolean;
  /** The database turned out to be none that this hub can use: the process must end. */
  readonly onFailure: (error: HubError) => void;
}

export interface PostgresLedger extends Ledger {
  readonly isUp: () => boolean;
  /** The same for all replicas: what is told to the ledger is told by it. */
  readonly clock: Clock;
  /** Called at each change, and once at the start. Returns its own removal. */
  onState(listener: (isUp: boolean) => void): () => void;
}

/** @throws {HubError} `ledger.denied`, `ledger.newer`, `ledger.unsuitable`; not when the server cannot be reached */
export async function openPostgresLedger(options: PostgresLedgerOptions): Promise<PostgresLedger> {
  const { server, node, log, poolSize, onFailure, wasLetIn = false } = options;
  const clock = new ServerClock(options.clock, log, options.machineMs);
  const listeners = new Set<() => void>();
  const watchers = new Set<(isUp: boolean) => void>();
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
  const identity = randomUUID();
  const writer = new Writer({
    ...{ server, node, identity, log, clock, onFailure, wasLetIn },
    onNews: announce,
    onState: (isUp) => {
      for (const watcher of watchers) watcher(isUp);
    },
  });
  await writer.start();
  const pool = openReadPool(server, poolSize);
  const news = listenForNews(server, identity, announce);
  // What others commit from here on is heard of.
  await news.begun;
  let closing: Promise<void> | undefined;
  const close = async () => {
    await news.stop();
    await writer.close();
    await pool.close();
    log.debug('ledger closed');
  };

  return {
    ...openLedgerPort({
      clock,
      reads: openReads(forScripts(node)),
      read: async (query) => {
        if (closing !== undefined) throw closedError();
        // Nobody waits for a server that is known to be gone: a sender may be waiting for whoever asks.
        if (!writer.isUp) throw writer.unreachable();
        return pool.run(query);
      },
      call: async (group, method, args) => {
        if (closing !== undefined) throw closedError();
        return writer.call(group, method, args);
      },
    }),
    clock,
    isUp: () => writer.isUp,
    onState(watcher) {
      watchers.add(watcher);
      watcher(writer.isUp);
      return () => void watchers.delete(watcher);
    },
    onCommit(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: () => (closing ??= close()),
  };
}
